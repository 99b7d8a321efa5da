// SPDX-License-Identifier: Apache-2.0
#include "codec/varint.h"

int varint_take(Str *in, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t len = MIN(in->len, (size_t)VARINT_SIZE_MAX);

    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)in->ptr[i];

        if (i == VARINT_SIZE_MAX - 1 && byte > 1) {
            return 1;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *in = (Str){.ptr = in->ptr + i + 1, .len = in->len - i - 1};
            *ret_value = value;
            return 0;
        }
    }
    return 1;
}

int zigzag_take(Str *in, int64_t *ret_value)
{
    uint64_t value;

    TRY(varint_take(in, &value));
    *ret_value = zigzag_decode(value);
    return 0;
}
