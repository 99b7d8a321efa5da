// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/json.h"
#include "span/span.h"

/*
 * Jaeger's own JSON, as its query service answers and its UI reads it (jaegertracing/jaeger,
 * internal/uimodel): traces with spans, references, tags, logs, processes p1, p2 …
 */
enum { JAEGER_BAD = 1 };

/* One element of `data`: {"traceID","spans":[…],"processes":{…},"warnings":null}. Spans of one
 * trace. NaN and infinities are text. The SERVER half of a shared Zipkin pair gets a span id of its
 * own (a hash) as the child of its CLIENT half. */
void jaeger_write_trace(JsonWriter *writer, const Span *spans, size_t n);

/* Reads {"data":[trace…]} or a single trace object, as files exported from Jaeger hold. */
MUST_USE int jaeger_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);
