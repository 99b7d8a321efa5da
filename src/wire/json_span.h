// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/json.h"
#include "span/span.h"

/* What the readers of spans as JSON share. */

/* An id of 1 to 32 hex digits, or 1 to 16; an empty text and null are none, all zeros. */
MUST_USE int json_read_trace_id(JsonReader *reader, TraceId *ret_id);
MUST_USE int json_read_span_id(JsonReader *reader, SpanId *ret_id);

/* Reads an array into the span's events; @read fills one whose bytes are not set. */
MUST_USE int json_read_events(JsonReader *reader, int (*read)(JsonReader *, Event *), Span *span);
