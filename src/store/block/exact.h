// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * Values and whole spans as bytes without any loss, for what Parquet's text columns cannot hold
 * (docs/format/block.md, `attributes_type` and `exact_span`), and the question whether they can.
 */
void exact_append_value(Buf *buf, const Value *value);
void exact_append_span(Buf *buf, const Span *span);

/* Each takes what was appended off @in; arrays in @arena, strings are views of @in. Returns 0; 1
 * when it is malformed. */
MUST_USE int exact_take_value(Str *in, Arena *arena, Value *ret_value);
MUST_USE int exact_take_span(Str *in, Arena *arena, Span *ret_span);

/* Whether JSON text holds the attributes exactly: all text is UTF-8, all doubles are finite and not
 * minus zero. */
bool exact_json_holds(Attributes attributes);
