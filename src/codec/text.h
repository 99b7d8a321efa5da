// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* Numbers and bytes as text, the same in every format that Weft writes. */

/*
 * The shortest decimal form that reads back as the same double, laid out as ECMAScript and Go's
 * JSON do: 5, -0.25, 1e+21, 1e-7; whole numbers have no point. NaN, Infinity, -Infinity.
 */
void text_append_double(Buf *buf, double value);

/* Standard base64 with padding (RFC 4648 §4). */
void text_append_base64(Buf *buf, Str bytes);

/* Standard or URL-safe base64, with or without padding. The bytes live in @arena. Returns 0; 1 when
 * @text is no base64. */
MUST_USE int text_parse_base64(Str text, Arena *arena, Str *ret_bytes);

/* Length (1 to 4) of the well-formed UTF-8 sequence that starts at @at, or 0 when there is none
 * (RFC 3629: no surrogates, no overlong forms). */
size_t text_utf8_length(Str text, size_t at);
