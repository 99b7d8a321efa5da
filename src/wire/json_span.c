// SPDX-License-Identifier: Apache-2.0
#include "wire/json_span.h"

#include "span/array.h"

int json_read_trace_id(JsonReader *reader, TraceId *ret_id)
{
    Str text;

    TRY(json_read_text(reader, &text));
    *ret_id = (TraceId){{0}};
    if (text.len != 0 && trace_id_parse(text, ret_id) != 0) {
        return json_fail(reader, "a trace id is not 1 to 32 hex digits");
    }
    return 0;
}

int json_read_span_id(JsonReader *reader, SpanId *ret_id)
{
    Str text;

    TRY(json_read_text(reader, &text));
    *ret_id = (SpanId){{0}};
    if (text.len != 0 && span_id_parse(text, ret_id) != 0) {
        return json_fail(reader, "a span id is not 1 to 16 hex digits");
    }
    return 0;
}

int json_read_events(JsonReader *reader, int (*read)(JsonReader *, Event *), Span *span)
{
    Event *events = NULL;
    size_t count = 0, capacity = 0;
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        ARRAY_ROOM(reader->arena, events, count, capacity);
        TRY(read(reader, &events[count]));
        count++;
    }
    span->events = events;
    span->n_events = count;
    return more < 0 ? JSON_BAD : 0;
}
