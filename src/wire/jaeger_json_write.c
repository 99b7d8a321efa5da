// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "wire/jaeger_json.h"

/*
 * As the Collector's OTLP-to-Jaeger translation and Jaeger's own JSON model make it: tags in the
 * order scope, attributes, span.kind, status, error, description, trace state; the parent and links
 * as references; resources as processes p1, p2 … in order of first use.
 *
 * Jaeger's user interface wants span ids that are unique in a trace. Of a shared Zipkin pair the
 * half that is not CLIENT gets an id of its own, below the CLIENT half, and takes the children of
 * the shared id with it (Jaeger's own "span id uniquifier").
 */
enum { SAFE_INTEGER_MAX_BITS = 53 };

typedef struct IdUse {
    SpanId id; /* the key */
    bool client, other;
} IdUse;

typedef struct Process {
    uint64_t hash; /* of the resource's attributes; the key */
    const Resource *resource;
} Process;

typedef struct Encoder {
    JsonWriter *writer;
    Table ids;
    Table processes;
    const Resource *last_resource; /* most spans have their neighbour's */
    size_t last_process;
    Arena arena; /* for one span */
} Encoder;

static void encoder_deinit(Encoder *encoder)
{
    table_deinit(&encoder->ids);
    table_deinit(&encoder->processes);
    arena_deinit(&encoder->arena);
}

static void encoder_init(Encoder *encoder, JsonWriter *writer, const Span *spans, size_t n)
{
    *encoder = (Encoder){.writer = writer};
    table_init(&encoder->ids, sizeof(IdUse), sizeof(SpanId));
    table_init(&encoder->processes, sizeof(Process), sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        IdUse *use = table_put(&encoder->ids, &spans[i].span_id, NULL);
        use->client |= span_is_client(&spans[i]);
        use->other |= !span_is_client(&spans[i]);
    }
}

static bool is_shared(const Encoder *encoder, SpanId id)
{
    const IdUse *use = table_find(&encoder->ids, &id);

    return use != NULL && use->client && use->other;
}

/* The id of a pair's other half: a mix of the shared one (splitmix64), the same at all times. */
static SpanId server_half_id(SpanId id)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < SPAN_ID_SIZE; i++) {
        bits = bits << 8 | id.bytes[i];
    }
    bits += 0x9E3779B97F4A7C15U;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9U;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EBU;
    bits ^= bits >> 31;
    bits += bits == 0;
    for (size_t i = 0; i < SPAN_ID_SIZE; i++) {
        id.bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    return id;
}

static SpanId shown_id(const Encoder *encoder, const Span *span)
{
    return !span_is_client(span) && is_shared(encoder, span->span_id)
               ? server_half_id(span->span_id)
               : span->span_id;
}

/* Zero: none. */
static SpanId shown_parent_id(const Encoder *encoder, const Span *span)
{
    if (!span_is_client(span) && is_shared(encoder, span->span_id)) {
        return span->span_id;
    }
    return is_shared(encoder, span->parent_span_id) ? server_half_id(span->parent_span_id)
                                                    : span->parent_span_id;
}

/* Jaeger shows ids of 64 bits without the upper half. */
static void write_trace_id(JsonWriter *writer, TraceId id)
{
    static const uint8_t zero[TRACE_ID_SIZE / 2];
    bool is_short = mem_compare(id.bytes, zero, sizeof(zero)) == 0;
    size_t skipped = is_short ? sizeof(zero) : 0;

    json_key_hex(writer, "traceID", id.bytes + skipped, TRACE_ID_SIZE - skipped);
}

static void write_reference(JsonWriter *writer, Str type, TraceId trace_id, SpanId span_id)
{
    json_open(writer, '{');
    json_key(writer, STR("refType"));
    json_string(writer, type);
    write_trace_id(writer, trace_id);
    json_key_hex(writer, "spanID", span_id.bytes, SPAN_ID_SIZE);
    json_close(writer, '}');
}

static Str link_type(const Link *link)
{
    const Value *type = attributes_find(link->attributes, STR("opentracing.ref_type"));
    bool child =
        type != NULL && type->type == VALUE_STRING && str_equal(type->string, STR("child_of"));

    return child ? STR("CHILD_OF") : STR("FOLLOWS_FROM");
}

static void write_references(Encoder *encoder, const Span *span)
{
    JsonWriter *writer = encoder->writer;
    SpanId parent = shown_parent_id(encoder, span);

    json_key(writer, STR("references"));
    json_open(writer, '[');
    if (!span_id_is_zero(parent)) {
        write_reference(writer, STR("CHILD_OF"), span->trace_id, parent);
    }
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];
        write_reference(writer, link_type(link), link->trace_id, link->span_id);
    }
    json_close(writer, ']');
}

static void open_tag(JsonWriter *writer, Str key, Str type)
{
    json_open(writer, '{');
    json_key(writer, STR("key"));
    json_string(writer, key);
    json_key(writer, STR("type"));
    json_string(writer, type);
    json_key(writer, STR("value"));
}

static void write_text_tag(JsonWriter *writer, Str key, Str text)
{
    open_tag(writer, key, STR("string"));
    json_string(writer, text);
    json_close(writer, '}');
}

/* Integers that JavaScript cannot hold are written as text, as Jaeger does. */
static void write_integer(JsonWriter *writer, int64_t integer)
{
    int64_t limit = (int64_t)1 << SAFE_INTEGER_MAX_BITS;

    if (integer > -limit && integer < limit) {
        json_i64(writer, integer);
    } else {
        json_raw(writer, STR("\""));
        buf_append_i64(writer->buf, integer);
        buf_append_byte(writer->buf, '"');
    }
}

/* Bytes are base64 in both; arrays and maps become their JSON text. */
static void write_tag(Encoder *encoder, const Attribute *attribute)
{
    JsonWriter *writer = encoder->writer;
    const Value *value = &attribute->value;

    switch (value->type) {
    case VALUE_BOOL:
        open_tag(writer, attribute->key, STR("bool"));
        json_bool(writer, value->boolean);
        break;
    case VALUE_INT:
        open_tag(writer, attribute->key, STR("int64"));
        write_integer(writer, value->integer);
        break;
    case VALUE_DOUBLE:
        open_tag(writer, attribute->key, STR("float64"));
        json_double(writer, value->number);
        break;
    default:
        open_tag(writer, attribute->key,
                 value->type == VALUE_BYTES ? STR("binary") : STR("string"));
        json_string(writer, value_text(value, &encoder->arena));
    }
    json_close(writer, '}');
}

static void write_attribute_tags(Encoder *encoder, Attributes attributes)
{
    for (size_t i = 0; i < attributes.count; i++) {
        write_tag(encoder, &attributes.items[i]);
    }
}

static void write_optional_tag(JsonWriter *writer, Str key, Str text)
{
    if (text.len != 0) {
        write_text_tag(writer, key, text);
    }
}

static void write_status_tags(JsonWriter *writer, const Span *span)
{
    if (span->status_code == STATUS_OK) {
        write_text_tag(writer, STR("otel.status_code"), STR("OK"));
    } else if (span->status_code == STATUS_ERROR) {
        write_text_tag(writer, STR("otel.status_code"), STR("ERROR"));
        open_tag(writer, STR("error"), STR("bool"));
        json_bool(writer, true);
        json_close(writer, '}');
    }
    write_optional_tag(writer, STR("otel.status_description"), span->status_message);
}

static void write_tags(Encoder *encoder, const Span *span)
{
    JsonWriter *writer = encoder->writer;

    json_key(writer, STR("tags"));
    json_open(writer, '[');
    write_optional_tag(writer, STR("otel.scope.name"), span->scope->name);
    write_optional_tag(writer, STR("otel.scope.version"), span->scope->version);
    write_attribute_tags(encoder, span->attributes);
    if (span->kind != SPAN_KIND_UNSPECIFIED) {
        write_text_tag(writer, STR("span.kind"), span_kind_name((SpanKind)span->kind));
    }
    write_status_tags(writer, span);
    write_optional_tag(writer, STR("w3c.tracestate"), span->trace_state);
    json_close(writer, ']');
}

static void write_logs(Encoder *encoder, const Span *span)
{
    JsonWriter *writer = encoder->writer;

    json_key(writer, STR("logs"));
    json_open(writer, '[');
    for (size_t i = 0; i < span->n_events; i++) {
        const Event *event = &span->events[i];
        json_open(writer, '{');
        json_key(writer, STR("timestamp"));
        json_u64(writer, event->time_ns / 1000);
        json_key(writer, STR("fields"));
        json_open(writer, '[');
        write_optional_tag(writer, STR("event"), event->name);
        write_attribute_tags(encoder, event->attributes);
        json_close(writer, ']');
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

/* The number of the span's process, from 1. */
static size_t process_number(Encoder *encoder, const Span *span)
{
    if (encoder->last_resource != span->resource) {
        uint64_t hash = attributes_set_hash(span->resource->attributes);
        bool is_new;
        Process *process = table_put(&encoder->processes, &hash, &is_new);
        if (is_new) {
            process->resource = span->resource;
        }
        encoder->last_resource = span->resource;
        encoder->last_process =
            1 + (size_t)(process - (const Process *)(const void *)encoder->processes.records);
    }
    return encoder->last_process;
}

static void write_span(Encoder *encoder, const Span *span)
{
    JsonWriter *writer = encoder->writer;
    SpanId id = shown_id(encoder, span);

    arena_reset(&encoder->arena);
    json_open(writer, '{');
    write_trace_id(writer, span->trace_id);
    json_key_hex(writer, "spanID", id.bytes, SPAN_ID_SIZE);
    json_key(writer, STR("operationName"));
    json_string(writer, span->name);
    write_references(encoder, span);
    json_key(writer, STR("startTime"));
    json_u64(writer, span->start_ns / 1000);
    json_key(writer, STR("duration"));
    json_u64(writer, span_duration_ns(span) / 1000);
    write_tags(encoder, span);
    write_logs(encoder, span);
    json_key(writer, STR("processID"));
    json_string(writer, arena_format(&encoder->arena, "p%zu", process_number(encoder, span)));
    json_key(writer, STR("warnings"));
    json_null(writer);
    json_close(writer, '}');
}

static void write_process(Encoder *encoder, const Resource *resource, size_t number)
{
    JsonWriter *writer = encoder->writer;
    const Value *service = attributes_find(resource->attributes, STR("service.name"));
    bool named = service != NULL && !value_is_absent(service);

    arena_reset(&encoder->arena);
    json_key(writer, arena_format(&encoder->arena, "p%zu", number));
    json_open(writer, '{');
    json_key(writer, STR("serviceName"));
    json_string(writer, named ? value_text(service, &encoder->arena) : STR("unknown_service"));
    json_key(writer, STR("tags"));
    json_open(writer, '[');
    for (size_t i = 0; i < resource->attributes.count; i++) {
        if (!str_equal(resource->attributes.items[i].key, STR("service.name"))) {
            write_tag(encoder, &resource->attributes.items[i]);
        }
    }
    json_close(writer, ']');
    json_close(writer, '}');
}

void jaeger_write_trace(JsonWriter *writer, const Span *spans, size_t n)
{
    CLEANUP(encoder_deinit) Encoder encoder;

    encoder_init(&encoder, writer, spans, n);
    json_open(writer, '{');
    write_trace_id(writer, n == 0 ? (TraceId){{0}} : spans[0].trace_id);
    json_key(writer, STR("spans"));
    json_open(writer, '[');
    for (size_t i = 0; i < n; i++) {
        write_span(&encoder, &spans[i]);
    }
    json_close(writer, ']');
    json_key(writer, STR("processes"));
    json_open(writer, '{');
    for (size_t i = 0; i < encoder.processes.n_records; i++) {
        const Process *process = table_at(&encoder.processes, i);
        write_process(&encoder, process->resource, i + 1);
    }
    json_close(writer, '}');
    json_key(writer, STR("warnings"));
    json_null(writer);
    json_close(writer, '}');
}
