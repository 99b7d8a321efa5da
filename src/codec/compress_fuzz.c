// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_LIMIT = 1 << 16 };

/* The first byte names the encoding. The output keeps to the limit; what was decompressed can be
 * compressed and comes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) Buf out = {0};
    CLEANUP(buf_deinit) Buf packed = {0};
    CLEANUP(buf_deinit) Buf again = {0};

    if (size == 0) {
        return 0;
    }
    Encoding encoding = (Encoding)(data[0] % (ENCODING_SNAPPY + 1));
    int r = decompress(encoding, str_from_bytes(data + 1, size - 1), FUZZ_LIMIT, &out);
    ASSERT(r == 0 || r == DECOMPRESS_BAD || r == DECOMPRESS_TOO_LARGE);
    ASSERT(out.len <= FUZZ_LIMIT && (r == 0 || out.len == 0));
    if (r == 0) {
        compress(encoding, buf_str(&out), 1 + data[0] % 9, &packed);
        ASSERT(decompress(encoding, buf_str(&packed), out.len, &again) == 0);
        ASSERT(str_equal(buf_str(&out), buf_str(&again)));
    }
    return 0;
}
