// SPDX-License-Identifier: Apache-2.0
#include "wire/jaeger_json.h"

#include "base/map.h"
#include "codec/text.h"
#include "span/array.h"
#include "wire/json_field.h"
#include "wire/json_span.h"
#include "wire/origin.h"

/*
 * Jaeger's JSON read back, the Collector's translation in reverse. The processes of a trace mostly
 * stand behind its spans, so a span remembers the name of its process, and finds its resource when
 * the trace has been read.
 *
 * Only a CHILD_OF reference makes a parent. Jaeger would also take a FOLLOWS_FROM, but that is how
 * it writes OpenTelemetry's links, and a link must not become a parent on its way through a file.
 */
enum { JAEGER_SPANS_MAX = 1 << 20 };

typedef struct Decoder {
    JsonReader reader;
    Batch batch;
    size_t capacity;
    uint32_t *processes; /* of each span: its process's symbol */
    size_t processes_capacity;
    Symbols names;              /* of the current trace's processes */
    const Resource **resources; /* by symbol; NULL: not seen */
    size_t n_resources, resources_capacity;
    size_t first_span; /* of the current trace */
    Origins origins;
} Decoder;

static void decoder_deinit(Decoder *decoder)
{
    symbols_deinit(&decoder->names);
}

static uint64_t nanoseconds(uint64_t microseconds)
{
    uint64_t ns;

    return __builtin_mul_overflow(microseconds, 1000U, &ns) ? UINT64_MAX : ns;
}

/* A value by the type that its tag states, else by its JSON. */
static int convert_value(JsonReader *reader, Str type, Str raw, Value *ret_value)
{
    JsonReader inner;
    JsonType json;
    Str text, bytes;

    json_reader_init(&inner, raw, reader->arena);
    TRY(json_peek(&inner, &json));
    *ret_value = (Value){.type = VALUE_EMPTY};
    if (json == JSON_NULL) {
        return 0;
    }
    if (json == JSON_BOOL) {
        ret_value->type = VALUE_BOOL;
        return json_read_bool(&inner, &ret_value->boolean);
    }
    if (str_equal(type, STR("int64")) || str_equal(type, STR("long"))) {
        ret_value->type = VALUE_INT;
        return json_read_i64(&inner, &ret_value->integer);
    }
    if (str_equal(type, STR("float64")) || str_equal(type, STR("double")) || json == JSON_NUMBER) {
        ret_value->type = VALUE_DOUBLE;
        return json_read_double(&inner, &ret_value->number);
    }
    if (json != JSON_STRING) {
        *ret_value = value_string(raw);
        return 0;
    }
    TRY(json_read_string(&inner, &text));
    if (str_equal(type, STR("binary")) && text_parse_base64(text, reader->arena, &bytes) == 0) {
        *ret_value = (Value){.type = VALUE_BYTES, .string = bytes};
    } else if (str_equal(type, STR("bool"))) {
        *ret_value = (Value){.type = VALUE_BOOL, .boolean = str_equal(text, STR("true"))};
    } else {
        *ret_value = value_string(text);
    }
    return 0;
}

static int read_tag(JsonReader *reader, Attribute *ret_tag)
{
    Str key, type = STR(""), raw = STR("null");
    int more;

    ret_tag->key = STR("");
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("key"))) {
            TRY(json_read_text(reader, &ret_tag->key));
        } else if (str_equal(key, STR("type"))) {
            TRY(json_read_text(reader, &type));
        } else {
            TRY(json_skip(reader, str_equal(key, STR("value")) ? &raw : NULL));
        }
    }
    if (more < 0 || convert_value(reader, type, raw, &ret_tag->value) != 0) {
        return json_fail(reader, "a tag's value does not fit its type");
    }
    return 0;
}

static int read_tags(JsonReader *reader, Attributes *ret_tags)
{
    Attribute *tags = NULL;
    size_t count = 0, capacity = 0;
    int more = 0;

    if (!json_take_null(reader)) {
        TRY(json_enter_array(reader));
        while ((more = json_next_item(reader)) > 0) {
            ARRAY_ROOM(reader->arena, tags, count, capacity);
            TRY(read_tag(reader, &tags[count]));
            count++;
        }
    }
    *ret_tags = (Attributes){.items = tags, .count = count};
    return more < 0 ? JSON_BAD : 0;
}

static bool is_true(const Value *value)
{
    return (value->type == VALUE_BOOL && value->boolean) ||
           (value->type == VALUE_STRING && str_equal_nocase(value->string, STR("true")));
}

/* Names of the scope that tags stand for. */
typedef struct ScopeTags {
    Str name, version;
} ScopeTags;

static bool take_text_tag(Span *span, ScopeTags *scope, Str key, Str text)
{
    SpanKind kind;
    StatusCode code;

    if (str_equal(key, STR("span.kind"))) {
        if (span_kind_parse(text, &kind) != 0) {
            return false;
        }
        span->kind = (uint8_t)kind;
    } else if (str_equal(key, STR("otel.status_code"))) {
        if (status_code_parse(text, &code) != 0) {
            return false;
        }
        span->status_code = (uint8_t)code;
    } else if (str_equal(key, STR("otel.status_description"))) {
        span->status_message = text;
    } else if (str_equal(key, STR("w3c.tracestate"))) {
        span->trace_state = text;
    } else if (str_equal(key, STR("otel.scope.name")) || str_equal(key, STR("otel.library.name"))) {
        scope->name = text;
    } else if (str_equal(key, STR("otel.scope.version")) ||
               str_equal(key, STR("otel.library.version"))) {
        scope->version = text;
    } else {
        return false;
    }
    return true;
}

/* Takes the tags that stand for fields out of the span's attributes. */
static void take_field_tags(Decoder *decoder, Span *span)
{
    Attribute *tags = (Attribute *)span->attributes.items;
    ScopeTags scope = {STR(""), STR("")};
    bool error = false;
    size_t kept = 0;

    for (size_t i = 0; i < span->attributes.count; i++) {
        const Value *value = &tags[i].value;
        bool taken =
            value->type == VALUE_STRING && take_text_tag(span, &scope, tags[i].key, value->string);

        if (!taken && str_equal(tags[i].key, STR("error")) && is_true(value)) {
            taken = error = true;
        }
        if (!taken) {
            tags[kept++] = tags[i];
        }
    }
    span->attributes.count = kept;
    if (error) {
        span->status_code = STATUS_ERROR;
    }
    span->scope =
        origins_scope(&decoder->origins, decoder->reader.arena, scope.name, scope.version);
}

/* The field "event" is the event's name. */
static void take_event_name(Event *event)
{
    Attribute *fields = (Attribute *)event->attributes.items;
    size_t kept = 0;
    bool found = false;

    for (size_t i = 0; i < event->attributes.count; i++) {
        if (!found && fields[i].value.type == VALUE_STRING &&
            str_equal(fields[i].key, STR("event"))) {
            event->name = fields[i].value.string;
            found = true;
        } else {
            fields[kept++] = fields[i];
        }
    }
    event->attributes.count = kept;
}

static int read_log(JsonReader *reader, Event *event)
{
    uint64_t time_us = 0;
    Str key;
    int more;

    *event = (Event){.name = STR("")};
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("timestamp"))) {
            TRY(json_read_u64(reader, &time_us));
        } else if (str_equal(key, STR("fields"))) {
            TRY(read_tags(reader, &event->attributes));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    event->time_ns = nanoseconds(time_us);
    take_event_name(event);
    return more < 0 ? JSON_BAD : 0;
}

static int read_reference(JsonReader *reader, Link *link, bool *ret_child)
{
    Str key, type = STR("");
    int more;

    *link = (Link){.trace_state = STR("")};
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("refType"))) {
            TRY(json_read_text(reader, &type));
        } else if (str_equal(key, STR("traceID"))) {
            TRY(json_read_trace_id(reader, &link->trace_id));
        } else if (str_equal(key, STR("spanID"))) {
            TRY(json_read_span_id(reader, &link->span_id));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    *ret_child = str_equal(type, STR("CHILD_OF"));
    return more < 0 ? JSON_BAD : 0;
}

/* References become links for now: which one is the parent needs the span's own trace id, which may
 * still be to come. Those of type CHILD_OF carry the attribute that the Collector gives them. */
static int read_references(JsonReader *reader, Span *span)
{
    static const Attribute child_of = {STR("opentracing.ref_type"),
                                       {.type = VALUE_STRING, .string = STR("child_of")}};
    Link *links = NULL;
    size_t count = 0, capacity = 0;
    bool child;
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        ARRAY_ROOM(reader->arena, links, count, capacity);
        TRY(read_reference(reader, &links[count], &child));
        if (child) {
            links[count].attributes = (Attributes){.items = &child_of, .count = 1};
        }
        if (trace_id_is_zero(links[count].trace_id) || span_id_is_zero(links[count].span_id)) {
            span->dropped_links++;
        } else {
            count++;
        }
    }
    span->links = links;
    span->n_links = count;
    return more < 0 ? JSON_BAD : 0;
}

/* The first CHILD_OF of the own trace is the parent. */
static void take_parent(Span *span)
{
    Link *links = (Link *)span->links;

    for (size_t i = 0; i < span->n_links; i++) {
        if (links[i].attributes.count == 0 || !trace_id_equal(links[i].trace_id, span->trace_id)) {
            continue;
        }
        span->parent_span_id = links[i].span_id;
        span->n_links--;
        for (; i < span->n_links; i++) {
            links[i] = links[i + 1];
        }
    }
}

static int read_process(JsonReader *reader, const Resource **ret_resource)
{
    Resource *resource = ARENA_NEW(reader->arena, Resource);
    Str key, service = STR("");
    Attributes tags = {0};
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("serviceName"))) {
            TRY(json_read_text(reader, &service));
        } else if (str_equal(key, STR("tags"))) {
            TRY(read_tags(reader, &tags));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    Attribute *items = arena_alloc(reader->arena, (tags.count + 1) * sizeof(*items));
    size_t count = 0;
    if (service.len != 0) {
        items[count++] = (Attribute){STR("service.name"), value_string(service)};
    }
    mem_copy(items + count, tags.items, tags.count * sizeof(*items));
    resource->attributes = (Attributes){.items = items, .count = count + tags.count};
    *ret_resource = resource;
    return more < 0 ? JSON_BAD : 0;
}

static int read_processes(Decoder *decoder)
{
    JsonReader *reader = &decoder->reader;
    Str key;
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        uint32_t symbol = symbols_intern(&decoder->names, key);
        if (reader->arena->allocated > reader->arena_limit) {
            return json_fail(reader, "needs too much memory for its size");
        }
        while (decoder->n_resources <= symbol) {
            ARRAY_ROOM(reader->arena, decoder->resources, decoder->n_resources,
                       decoder->resources_capacity);
            decoder->resources[decoder->n_resources++] = NULL;
        }
        TRY(read_process(reader, &decoder->resources[symbol]));
    }
    return more < 0 ? JSON_BAD : 0;
}

enum {
    SPAN_TRACE,
    SPAN_ID,
    SPAN_PARENT,
    SPAN_OPERATION,
    SPAN_REFERENCES,
    SPAN_START,
    SPAN_DURATION,
    SPAN_TAGS,
    SPAN_LOGS,
    SPAN_PROCESS_ID,
    SPAN_PROCESS,
};
static const JsonField span_fields[] = {
    [SPAN_TRACE] = {STR("traceID"), STR("traceId")},
    [SPAN_ID] = {STR("spanID"), STR("spanId")},
    [SPAN_PARENT] = {STR("parentSpanID"), STR("parentSpanId")},
    [SPAN_OPERATION] = {STR("operationName"), STR("operationName")},
    [SPAN_REFERENCES] = {STR("references"), STR("references")},
    [SPAN_START] = {STR("startTime"), STR("startTime")},
    [SPAN_DURATION] = {STR("duration"), STR("duration")},
    [SPAN_TAGS] = {STR("tags"), STR("tags")},
    [SPAN_LOGS] = {STR("logs"), STR("logs")},
    [SPAN_PROCESS_ID] = {STR("processID"), STR("processId")},
    [SPAN_PROCESS] = {STR("process"), STR("process")},
};

typedef struct Draft {
    Span span;
    Str process;
    uint64_t start_us, duration_us;
} Draft;

static int read_field(JsonReader *reader, size_t field, Draft *draft)
{
    Span *span = &draft->span;

    switch (field) {
    case SPAN_TRACE:
        return json_read_trace_id(reader, &span->trace_id);
    case SPAN_ID:
        return json_read_span_id(reader, &span->span_id);
    case SPAN_PARENT:
        return json_read_span_id(reader, &span->parent_span_id);
    case SPAN_OPERATION:
        return json_read_string(reader, &span->name);
    case SPAN_REFERENCES:
        return read_references(reader, span);
    case SPAN_START:
        return json_read_u64(reader, &draft->start_us);
    case SPAN_DURATION:
        return json_read_u64(reader, &draft->duration_us);
    case SPAN_TAGS:
        return read_tags(reader, &span->attributes);
    case SPAN_LOGS:
        return json_read_events(reader, read_log, span);
    case SPAN_PROCESS_ID:
        return json_read_string(reader, &draft->process);
    case SPAN_PROCESS:
        return read_process(reader, &span->resource);
    default:
        return json_skip(reader, NULL);
    }
}

static void keep_span(Decoder *decoder, Draft *draft)
{
    Batch *batch = &decoder->batch;
    Span *span = &draft->span;
    Arena *arena = decoder->reader.arena;

    if (trace_id_is_zero(span->trace_id) || span_id_is_zero(span->span_id)) {
        batch->n_rejected++;
        batch->reject_reason = "traceID or spanID is missing or zero";
        return;
    }
    span->start_ns = nanoseconds(draft->start_us);
    if (__builtin_add_overflow(span->start_ns, nanoseconds(draft->duration_us), &span->end_ns)) {
        span->end_ns = UINT64_MAX;
    }
    take_field_tags(decoder, span);
    take_parent(span);
    size_t n = batch->n_spans;
    ARRAY_ROOM(arena, batch->spans, n, decoder->capacity);
    ARRAY_ROOM(arena, decoder->processes, n, decoder->processes_capacity);
    batch->spans[n] = *span;
    decoder->processes[n] = symbols_intern(&decoder->names, draft->process);
    batch->n_spans++;
}

static int read_span(Decoder *decoder)
{
    JsonReader *reader = &decoder->reader;
    Draft draft = {.span = {.name = STR(""), .trace_state = STR(""), .status_message = STR("")},
                   .process = STR("")};
    size_t hint = 0;
    Str key;
    int more;

    if (decoder->batch.n_spans == JAEGER_SPANS_MAX) {
        return json_fail(reader, "more than 1,048,576 spans in one file");
    }
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        size_t field = json_field_find(span_fields, ARRAY_LEN(span_fields), key, &hint);
        if (!json_take_null(reader)) {
            TRY(read_field(reader, field, &draft));
        }
    }
    if (more < 0) {
        return JSON_BAD;
    }
    keep_span(decoder, &draft);
    return 0;
}

static int read_spans(Decoder *decoder)
{
    int more;

    TRY(json_enter_array(&decoder->reader));
    while ((more = json_next_item(&decoder->reader)) > 0) {
        TRY(read_span(decoder));
    }
    return more < 0 ? JSON_BAD : 0;
}

/* The trace is complete: its spans find their resources. */
static void finish_trace(Decoder *decoder)
{
    for (size_t i = decoder->first_span; i < decoder->batch.n_spans; i++) {
        Span *span = &decoder->batch.spans[i];
        uint32_t symbol = decoder->processes[i];

        if (span->resource == NULL && symbol < decoder->n_resources) {
            span->resource = decoder->resources[symbol];
        }
        if (span->resource == NULL) {
            span->resource = origins_resource(&decoder->origins, decoder->reader.arena, STR(""));
        }
    }
    decoder->first_span = decoder->batch.n_spans;
    decoder->n_resources = decoder->resources_capacity = 0;
    symbols_deinit(&decoder->names);
    decoder->names = (Symbols){0};
}

/* The members of a trace, or of an answer whose `data` holds traces. */
static int read_trace(Decoder *decoder, bool is_answer)
{
    JsonReader *reader = &decoder->reader;
    Str key;
    int more, more_traces;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (json_take_null(reader)) {
            continue;
        }
        if (str_equal(key, STR("spans"))) {
            TRY(read_spans(decoder));
        } else if (str_equal(key, STR("processes"))) {
            TRY(read_processes(decoder));
        } else if (is_answer && str_equal(key, STR("data"))) {
            TRY(json_enter_array(reader));
            while ((more_traces = json_next_item(reader)) > 0) {
                TRY(read_trace(decoder, false));
            }
            TRY(more_traces < 0 ? JSON_BAD : 0);
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    TRY(more < 0 ? JSON_BAD : 0);
    finish_trace(decoder);
    return 0;
}

int jaeger_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    CLEANUP(decoder_deinit) Decoder decoder = {0};

    json_reader_init(&decoder.reader, body, arena);
    if (read_trace(&decoder, true) != 0 || json_end(&decoder.reader) != 0) {
        *ret_error = decoder.reader.error;
        return JAEGER_BAD;
    }
    *ret_batch = decoder.batch;
    return 0;
}
