// SPDX-License-Identifier: Apache-2.0
#include "codec/zstd_pool.h"

#include <stdatomic.h>
#include <zstd.h>

#include "base/assert.h"

/* As many as threads are likely to decompress at once; each is about 95 kB. */
enum { SPARES = 4 };

static _Atomic(void *) spares[SPARES];

static ZSTD_DCtx *take_context(void)
{
    for (size_t i = 0; i < SPARES; i++) {
        ZSTD_DCtx *context = atomic_exchange(&spares[i], NULL);

        if (context != NULL) {
            return context;
        }
    }
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ASSERT(context != NULL);
    return context;
}

static void put_context(void *context)
{
    for (size_t i = 0; i < SPARES && context != NULL; i++) {
        context = atomic_exchange(&spares[i], context);
    }
    ZSTD_freeDCtx(context);
}

int zstd_unpack(Str packed, uint8_t *ret_bytes, size_t size)
{
    ZSTD_DCtx *context = take_context();
    size_t unpacked = ZSTD_decompressDCtx(context, ret_bytes, size, packed.ptr, packed.len);

    put_context(context);
    return ZSTD_isError(unpacked) || unpacked != size;
}
