// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/varint.h"

/* Counted bytes: a varint length and that many bytes. */
static inline void bytes_append_counted(Buf *buf, Str bytes)
{
    varint_append(buf, bytes.len);
    buf_append_str(buf, bytes);
}

/* Returns 0; 1 when they end too early, and @in is untouched. */
MUST_USE static inline int bytes_take_counted(Str *in, Str *ret_bytes)
{
    Str rest = *in;
    uint64_t len = 0;

    TRY(varint_take(&rest, &len));
    TRY(bytes_take(&rest, len, ret_bytes));
    *in = rest;
    return 0;
}
