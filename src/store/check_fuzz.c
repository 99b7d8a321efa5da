// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "codec/hash.h"
#include "codec/varint.h"
#include "store/block/testing.h"
#include "store/check/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The checker over a block with changes, as block_fuzz.c makes them, and over the input as a log
 * segment. It must tell and never fall. */
enum { SPANS = 24 };

static Buf good;

static void make_good(void)
{
    Arena arena = {0};
    Maker maker = {.state = 815, .arena = &arena, .is_wild = true};
    BlockSummary summary;

    make_block(make_spans(&maker, SPANS), SPANS, &good, &summary);
    arena_deinit(&arena);
}

static void ignore(void *context, const char *file, uint64_t offset, const char *what)
{
}

static void mend_footer(uint8_t *bytes, size_t size)
{
    uint32_t length;

    mem_copy(&length, bytes + size - 8, sizeof(length));
    if (length <= size - 16) {
        uint8_t *footer = bytes + size - 8 - length;
        store_u64le(footer - 8, hash_stable(str_from_bytes(footer, length)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CheckReport report = {.tell = ignore};
    uint64_t next_sequence = 0;

    if (good.len == 0) {
        make_good();
    }
    CheckFile file = {&report, "input", str_from_bytes(data, size)};
    check_log(&file, 1, size % 2 == 0, &next_sequence);
    check_block(&file);
    uint8_t *copy = mem_alloc(good.len);
    mem_copy(copy, good.ptr, good.len);
    for (size_t at = 0; at + 4 <= size; at += 4) {
        size_t offset = ((size_t)data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16);
        copy[good.len - 1 - offset % good.len] = data[at + 3];
    }
    mend_footer(copy, good.len);
    file.bytes = str_from_bytes(copy, good.len);
    check_block(&file);
    mem_free(copy);
    return 0;
}
