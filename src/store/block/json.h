// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/* Events and links as the JSON arrays of a block's columns, in OTLP's JSON mapping. */
void block_events_write(Buf *buf, const Span *span);
void block_links_write(Buf *buf, const Span *span);

/* Read into @span's events or links, in @arena; strings are views of @json or in the arena. Returns
 * 0; 1 when it is malformed. */
MUST_USE int block_events_read(Str json, Arena *arena, Span *span);
MUST_USE int block_links_read(Str json, Arena *arena, Span *span);
