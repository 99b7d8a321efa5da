// SPDX-License-Identifier: Apache-2.0
#include "codec/utf8.h"

#include "codec/text.h"
#include "codec/bytes.h"

/* Offset behind the ASCII bytes from @at on, eight at a time. */
static size_t skip_ascii(Str text, size_t at)
{
    while (text.len - at >= 8 && (load_u64le(text.ptr + at) & 0x8080808080808080U) == 0) {
        at += 8;
    }
    while (at < text.len && (uint8_t)text.ptr[at] < 0x80) {
        at++;
    }
    return at;
}

bool utf8_is_valid(Str text)
{
    for (size_t at = skip_ascii(text, 0); at < text.len; at = skip_ascii(text, at)) {
        size_t len = text_utf8_length(text, at);

        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

void utf8_append_replaced(Buf *buf, Str text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = text_utf8_length(text, at);

        if (len == 0) {
            buf_append_str(buf, STR("\xef\xbf\xbd"));
            at++;
            continue;
        }
        buf_append(buf, text.ptr + at, len);
        at += len;
    }
}
