// SPDX-License-Identifier: Apache-2.0
#include "store/block/json.h"

#include "span/value_json.h"

static void write_u64_string(JsonWriter *w, const char *key, uint64_t value)
{
    Buf digits = {0};

    buf_append_u64(&digits, value);
    json_key(w, str_from_cstr(key));
    json_string(w, buf_str(&digits));
    buf_deinit(&digits);
}

static void write_common(JsonWriter *w, Attributes attributes, uint32_t dropped)
{
    if (attributes.count > 0) {
        json_key(w, STR("attributes"));
        attributes_json_write(w, attributes);
    }
    if (dropped > 0) {
        json_key(w, STR("droppedAttributesCount"));
        json_u64(w, dropped);
    }
}

void block_events_write(Buf *buf, const Span *span)
{
    JsonWriter w = {.buf = buf};

    json_open(&w, '[');
    for (size_t i = 0; i < span->n_events; i++) {
        const Event *event = &span->events[i];

        json_open(&w, '{');
        write_u64_string(&w, "timeUnixNano", event->time_ns);
        json_key(&w, STR("name"));
        json_string(&w, event->name);
        write_common(&w, event->attributes, event->dropped_attributes);
        json_close(&w, '}');
    }
    json_close(&w, ']');
}

void block_links_write(Buf *buf, const Span *span)
{
    JsonWriter w = {.buf = buf};

    json_open(&w, '[');
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];

        json_open(&w, '{');
        json_key_hex(&w, "traceId", link->trace_id.bytes, TRACE_ID_SIZE);
        json_key_hex(&w, "spanId", link->span_id.bytes, SPAN_ID_SIZE);
        if (link->trace_state.len > 0) {
            json_key(&w, STR("traceState"));
            json_string(&w, link->trace_state);
        }
        write_common(&w, link->attributes, link->dropped_attributes);
        if (link->flags > 0) {
            json_key(&w, STR("flags"));
            json_u64(&w, link->flags);
        }
        json_close(&w, '}');
    }
    json_close(&w, ']');
}

static int read_u32(JsonReader *r, uint32_t *ret_value)
{
    uint64_t value;
    Str text;

    TRY(json_read_number(r, &text));
    if (str_parse_u64(text, &value) != 0 || value > UINT32_MAX) {
        return json_fail(r, "a count is no 32-bit number");
    }
    *ret_value = (uint32_t)value;
    return 0;
}

static int read_time(JsonReader *r, uint64_t *ret_time)
{
    Str text;

    TRY(json_read_string(r, &text));
    return str_parse_u64(text, ret_time) == 0 ? 0 : json_fail(r, "a time is no number");
}

static int read_id(JsonReader *r, uint8_t *bytes, size_t size)
{
    Str text;

    TRY(json_read_string(r, &text));
    return str_parse_hex(text, bytes, size) == 0 ? 0 : json_fail(r, "an id is not hex");
}

static int read_event(JsonReader *r, void *item)
{
    Event *event = item;
    Str key;
    int more;

    TRY(json_enter_object(r));
    while ((more = json_next_key(r, &key)) > 0) {
        if (str_equal(key, STR("timeUnixNano"))) {
            TRY(read_time(r, &event->time_ns));
        } else if (str_equal(key, STR("name"))) {
            TRY(json_read_string(r, &event->name));
        } else if (str_equal(key, STR("attributes"))) {
            TRY(attributes_json_read(r, &event->attributes));
        } else if (str_equal(key, STR("droppedAttributesCount"))) {
            TRY(read_u32(r, &event->dropped_attributes));
        } else {
            TRY(json_skip(r, NULL));
        }
    }
    return more;
}

static int read_link(JsonReader *r, void *item)
{
    Link *link = item;
    Str key;
    int more;

    TRY(json_enter_object(r));
    while ((more = json_next_key(r, &key)) > 0) {
        if (str_equal(key, STR("traceId"))) {
            TRY(read_id(r, link->trace_id.bytes, TRACE_ID_SIZE));
        } else if (str_equal(key, STR("spanId"))) {
            TRY(read_id(r, link->span_id.bytes, SPAN_ID_SIZE));
        } else if (str_equal(key, STR("traceState"))) {
            TRY(json_read_string(r, &link->trace_state));
        } else if (str_equal(key, STR("attributes"))) {
            TRY(attributes_json_read(r, &link->attributes));
        } else if (str_equal(key, STR("droppedAttributesCount"))) {
            TRY(read_u32(r, &link->dropped_attributes));
        } else if (str_equal(key, STR("flags"))) {
            TRY(read_u32(r, &link->flags));
        } else {
            TRY(json_skip(r, NULL));
        }
    }
    return more;
}

/* Reads an array of objects into an array of the arena, which doubles as it grows. */
static int read_items(Str json, Arena *arena, size_t size, int (*read_item)(JsonReader *, void *),
                      void **ret_items, size_t *ret_n)
{
    JsonReader r;
    uint8_t *items = NULL;
    size_t n = 0, capacity = 0;
    int more;

    json_reader_init(&r, json, arena);
    if (json_enter_array(&r) != 0) {
        return 1;
    }
    while ((more = json_next_item(&r)) > 0) {
        if (n == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 2;
            uint8_t *grown = arena_zero_array(arena, capacity, size);
            mem_copy(grown, items, n * size);
            items = grown;
        }
        if (read_item(&r, items + n++ * size) != 0) {
            return 1;
        }
    }
    *ret_items = items;
    *ret_n = n;
    return more != 0 || json_end(&r) != 0;
}

int block_events_read(Str json, Arena *arena, Span *span)
{
    void *items;
    size_t n;

    TRY(read_items(json, arena, sizeof(Event), read_event, &items, &n));
    span->events = items;
    span->n_events = n;
    return 0;
}

int block_links_read(Str json, Arena *arena, Span *span)
{
    void *items;
    size_t n;

    TRY(read_items(json, arena, sizeof(Link), read_link, &items, &n));
    span->links = items;
    span->n_links = n;
    return 0;
}
