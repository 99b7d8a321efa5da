// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/* Whether the bytes are UTF-8 (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF). */
bool utf8_is_valid(Str text);

/* Appends the text with U+FFFD for every byte that belongs to no valid character. */
void utf8_append_replaced(Buf *buf, Str text);
