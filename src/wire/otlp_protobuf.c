// SPDX-License-Identifier: Apache-2.0
#include "wire/otlp.h"

#include "base/assert.h"
#include "wire/otlp_value.h"

/*
 * The hottest code of the program: every span passes here, some of them twice (before the log, and
 * when the log is replayed). So nothing is copied, and memory comes in few pieces:
 *
 *  - The spans of a body are counted first, by hopping from length to length, and lie in one array.
 *  - The attributes of spans are put one after the other into a slab that many spans share. Only a
 *    span whose attributes do not fit into what is left of a slab is moved to a new one.
 *  - Attributes of everything else, events, links and list elements are few: they are counted in
 *    the rest of their message when the first one is met.
 *
 * Each message has one function, a loop over its fields in the order of the schema
 * (opentelemetry/proto, 1.11: trace, common, resource). A field that is known but has another wire
 * type refuses the body, as the Collector does; unknown fields are passed over. Where a field that
 * stands once comes again, protobuf's rule holds: the last scalar counts, messages merge.
 */

enum {
    SLAB_MIN = 16,
    SLAB_MAX = 4096, /* attributes: 160 KiB */
    BYTES_PER_ATTRIBUTE = 24,
    SPAN_BYTES_MIN = 28, /* two ids with tag and length: anything shorter is left out anyway */
    MEMORY_BASE = 1 << 20,
};

typedef struct Decoder {
    DecodeMemory memory;
    const uint8_t *body_end;
    Attribute *slab;
    size_t slab_used, slab_capacity;
    Batch batch;
    size_t capacity; /* of batch.spans */
    size_t n_resources, n_scopes;
} Decoder;

/* Span.Event. */
static int decode_event(Decoder *decoder, Cursor in, Event *event)
{
    bool has_room = false;

    *event = (Event){.name = {.ptr = ""}};
    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_FIXED64):
            TRY(cursor_take_fixed64(&in, &event->time_ns));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(cursor_take_str(&in, &event->name));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(decode_list_attribute(&decoder->memory, &in, tag, &has_room, &event->attributes));
            break;
        case TAG(4, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &event->dropped_attributes));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4)));
        }
    }
    return 0;
}

/* Takes an id of @size bytes. Anything else leaves @ret_id zero, which nobody accepts. */
static int take_id(Cursor *in, uint8_t *ret_id, size_t size, bool *ret_bad)
{
    Cursor body;

    TRY(cursor_take_message(in, &body));
    *ret_bad = cursor_left(&body) != size && cursor_more(&body);
    if (cursor_left(&body) == size) {
        __builtin_memcpy(ret_id, body.at, size);
    } else {
        mem_fill(ret_id, 0, size);
    }
    return 0;
}

/* Span.Link. */
static int decode_link(Decoder *decoder, Cursor in, Link *link)
{
    bool has_room = false;
    bool bad;

    *link = (Link){.trace_state = {.ptr = ""}};
    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(take_id(&in, link->trace_id.bytes, TRACE_ID_SIZE, &bad));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(take_id(&in, link->span_id.bytes, SPAN_ID_SIZE, &bad));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(cursor_take_str(&in, &link->trace_state));
            break;
        case TAG(4, WIRE_BYTES):
            TRY(decode_list_attribute(&decoder->memory, &in, tag, &has_room, &link->attributes));
            break;
        case TAG(5, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &link->dropped_attributes));
            break;
        case TAG(6, WIRE_FIXED32):
            TRY(cursor_take_fixed32(&in, &link->flags));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, 0x7E));
        }
    }
    return 0;
}

/* Status, with the code of protocol versions before 0.11, which only knew failures by number. */
static int decode_status(Cursor in, Span *span)
{
    uint32_t code = span->status_code, old_code = 0;

    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &old_code));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(cursor_take_str(&in, &span->status_message));
            break;
        case TAG(3, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &code));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2) | FIELD(3)));
        }
    }
    if (code == STATUS_UNSET && old_code != 0) {
        code = STATUS_ERROR;
    }
    span->status_code = (uint8_t)(code <= STATUS_ERROR ? code : STATUS_UNSET);
    return 0;
}

/* Moves the attributes of the span that is being read, from @first on, to a new slab. */
static int renew_slab(Decoder *decoder, const Cursor *in, size_t *first)
{
    size_t count = decoder->slab_used - *first;
    size_t body_left = (size_t)(decoder->body_end - in->at);
    size_t wanted = MAX(body_left / BYTES_PER_ATTRIBUTE, (size_t)SLAB_MIN);
    void *slab;

    wanted = MIN(wanted, (size_t)SLAB_MAX);
    size_t capacity = MAX(count * 2, wanted);
    TRY(decode_room(&decoder->memory, in, capacity * sizeof(Attribute), &slab));
    mem_copy(slab, decoder->slab + *first, count * sizeof(Attribute));
    decoder->slab = slab;
    decoder->slab_used = count;
    decoder->slab_capacity = capacity;
    *first = 0;
    return 0;
}

static int decode_span_attribute(Decoder *decoder, Cursor *in, size_t *first)
{
    Cursor body;

    TRY(cursor_take_message(in, &body));
    if (__builtin_expect(decoder->slab_used == decoder->slab_capacity, 0)) {
        TRY(renew_slab(decoder, in, first));
    }
    TRY(decode_attribute(&decoder->memory, body, 0, &decoder->slab[decoder->slab_used]));
    decoder->slab_used++;
    return 0;
}

static int decode_span_event(Decoder *decoder, Cursor *in, Span *span)
{
    Cursor body;

    TRY(cursor_take_message(in, &body));
    if (span->events == NULL) {
        void *events;
        TRY(decode_list_room(&decoder->memory, in, TAG(11, WIRE_BYTES), sizeof(Event), 0, NULL,
                             &events));
        span->events = events;
    }
    return decode_event(decoder, body, &((Event *)span->events)[span->n_events++]);
}

/* A link that leads nowhere is not kept, but counted among the span's dropped ones. */
static int decode_span_link(Decoder *decoder, Cursor *in, Span *span, uint32_t *n_bad)
{
    Cursor body;

    TRY(cursor_take_message(in, &body));
    if (span->links == NULL) {
        void *links;
        TRY(decode_list_room(&decoder->memory, in, TAG(13, WIRE_BYTES), sizeof(Link), 0, NULL,
                             &links));
        span->links = links;
    }
    Link *link = &((Link *)span->links)[span->n_links];
    TRY(decode_link(decoder, body, link));
    if (trace_id_is_zero(link->trace_id) || span_id_is_zero(link->span_id)) {
        ++*n_bad;
    } else {
        span->n_links++;
    }
    return 0;
}

/* Span. @ret_bad_parent tells a parent id of the wrong length. */
static int decode_span(Decoder *decoder, Cursor in, Span *span, bool *ret_bad_parent)
{
    size_t first = decoder->slab_used;
    uint32_t kind = 0, n_bad_links = 0;
    Cursor body;
    bool bad;

    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(take_id(&in, span->trace_id.bytes, TRACE_ID_SIZE, &bad));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(take_id(&in, span->span_id.bytes, SPAN_ID_SIZE, &bad));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(cursor_take_str(&in, &span->trace_state));
            break;
        case TAG(4, WIRE_BYTES):
            TRY(take_id(&in, span->parent_span_id.bytes, SPAN_ID_SIZE, ret_bad_parent));
            break;
        case TAG(5, WIRE_BYTES):
            TRY(cursor_take_str(&in, &span->name));
            break;
        case TAG(6, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &kind));
            break;
        case TAG(7, WIRE_FIXED64):
            TRY(cursor_take_fixed64(&in, &span->start_ns));
            break;
        case TAG(8, WIRE_FIXED64):
            TRY(cursor_take_fixed64(&in, &span->end_ns));
            break;
        case TAG(9, WIRE_BYTES):
            TRY(decode_span_attribute(decoder, &in, &first));
            break;
        case TAG(10, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &span->dropped_attributes));
            break;
        case TAG(11, WIRE_BYTES):
            TRY(decode_span_event(decoder, &in, span));
            break;
        case TAG(12, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &span->dropped_events));
            break;
        case TAG(13, WIRE_BYTES):
            TRY(decode_span_link(decoder, &in, span, &n_bad_links));
            break;
        case TAG(14, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &span->dropped_links));
            break;
        case TAG(15, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_status(body, span));
            break;
        case TAG(16, WIRE_FIXED32):
            TRY(cursor_take_fixed32(&in, &span->flags));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, 0x1FFFE));
        }
    }
    span->kind = (uint8_t)(kind <= SPAN_KIND_CONSUMER ? kind : SPAN_KIND_UNSPECIFIED);
    span->dropped_links += n_bad_links;
    span->attributes.items = decoder->slab + first;
    span->attributes.count = decoder->slab_used - first;
    return 0;
}

static const char *reason_to_reject(const Span *span, bool bad_parent)
{
    if (trace_id_is_zero(span->trace_id)) {
        return "trace_id is missing, zero or not 16 bytes long";
    }
    if (span_id_is_zero(span->span_id)) {
        return "span_id is missing, zero or not 8 bytes long";
    }
    return bad_parent ? "parent_span_id is neither empty nor 8 bytes long" : NULL;
}

/* Reads one span into the next free place of the batch, and keeps it there if its ids are good. */
static int take_span(Decoder *decoder, Cursor *in, const Resource *resource, const Scope *scope)
{
    Batch *batch = &decoder->batch;
    size_t slab_used = decoder->slab_used;
    Cursor body;
    Span spare;

    TRY(cursor_take_message(in, &body));
    bool fits = batch->n_spans < decoder->capacity;
    Span *span = fits ? &batch->spans[batch->n_spans] : &spare;
    bool bad_parent = false;
    const char *text = "";
    *span = (Span){.trace_state = {.ptr = text},
                   .name = {.ptr = text},
                   .status_message = {.ptr = text},
                   .resource = resource,
                   .scope = scope};
    TRY(decode_span(decoder, body, span, &bad_parent));
    const char *reason = reason_to_reject(span, bad_parent);
    if (reason == NULL) {
        ASSERT(fits);
        batch->n_spans++;
        return 0;
    }
    /* Its attributes need not stay, unless they began a new slab. */
    decoder->slab_used = MIN(decoder->slab_used, slab_used);
    batch->n_rejected++;
    batch->reject_reason = reason;
    return 0;
}

/* InstrumentationScope. */
static int decode_scope(Decoder *decoder, Cursor in, Scope *scope)
{
    bool has_room = false;

    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(cursor_take_str(&in, &scope->name));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(cursor_take_str(&in, &scope->version));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(decode_list_attribute(&decoder->memory, &in, tag, &has_room, &scope->attributes));
            break;
        case TAG(4, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &scope->dropped_attributes));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4)));
        }
    }
    return 0;
}

/* ScopeSpans. Spans before their scope are fine: they point to it. */
static int decode_scope_spans(Decoder *decoder, Cursor in, const Resource *resource)
{
    Cursor body;

    if (++decoder->n_scopes > OTLP_RESOURCES_MAX) {
        return cursor_fail(&in, "more than 131,072 scopes in one request");
    }
    Scope *scope = ARENA_NEW(decoder->memory.arena, Scope);
    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_scope(decoder, body, scope));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(take_span(decoder, &in, resource, scope));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(cursor_take_str(&in, &scope->schema_url));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2) | FIELD(3)));
        }
    }
    return 0;
}

/* Resource. */
static int decode_resource(Decoder *decoder, Cursor in, Resource *resource)
{
    bool has_room = false;

    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(decode_list_attribute(&decoder->memory, &in, tag, &has_room,
                                      &resource->attributes));
            break;
        case TAG(2, WIRE_VARINT):
            TRY(cursor_take_u32(&in, &resource->dropped_attributes));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2)));
        }
    }
    return 0;
}

/* Field 1000 of ResourceSpans, instrumentation_library_spans, had the layout of scope_spans. */
enum { OLD_SCOPE_SPANS = 1000 };

/* ResourceSpans. */
static int decode_resource_spans(Decoder *decoder, Cursor in)
{
    Cursor body;

    if (++decoder->n_resources > OTLP_RESOURCES_MAX) {
        return cursor_fail(&in, "more than 131,072 resources in one request");
    }
    Resource *resource = ARENA_NEW(decoder->memory.arena, Resource);
    while (cursor_more(&in)) {
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_resource(decoder, body, resource));
            break;
        case TAG(2, WIRE_BYTES):
        case TAG(OLD_SCOPE_SPANS, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_scope_spans(decoder, body, resource));
            break;
        case TAG(3, WIRE_BYTES):
            TRY(cursor_take_str(&in, &resource->schema_url));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2) | FIELD(3)));
        }
    }
    return 0;
}

/* Hops over the messages above spans, whose lengths were not checked yet: what is malformed ends
 * the count here, and is an error when it is read. @level: 0 request, 1 resource, 2 scope. */
static size_t count_spans(Cursor in, unsigned level)
{
    uint32_t tag;
    size_t count = 0;

    while (cursor_more(&in) && cursor_take_tag(&in, &tag) == 0) {
        Cursor body;
        uint32_t wanted = level == 0 ? TAG(1, WIRE_BYTES) : TAG(2, WIRE_BYTES);

        if (tag != wanted && !(level == 1 && tag == TAG(OLD_SCOPE_SPANS, WIRE_BYTES))) {
            if (cursor_skip(&in, tag) != 0) {
                break;
            }
            continue;
        }
        if (cursor_take_message(&in, &body) != 0) {
            break;
        }
        count += level < 2 ? count_spans(body, level + 1) : cursor_left(&body) >= SPAN_BYTES_MIN;
    }
    return count;
}

/* ExportTraceServiceRequest. */
static int decode_request(Decoder *decoder, Cursor in)
{
    while (cursor_more(&in)) {
        Cursor body;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        if (tag == TAG(1, WIRE_BYTES)) {
            TRY(cursor_take_message(&in, &body));
            TRY(decode_resource_spans(decoder, body));
        } else {
            TRY(cursor_skip_unknown(&in, tag, FIELD(1)));
        }
    }
    return 0;
}

int otlp_read_protobuf(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    CursorSource source;
    Cursor in = cursor_start(body, &source);
    size_t n_spans = count_spans(in, 0);

    if (n_spans > OTLP_SPANS_MAX) {
        *ret_error = (ParseError){.text = "more than 1,048,576 spans in one request"};
        return WIRE_BAD;
    }
    source.error = (ParseError){0}; /* counting stumbles over what decoding will report */
    Decoder decoder = {
        .memory.arena = arena,
        .body_end = in.end,
        .capacity = n_spans,
        .batch.spans = arena_alloc(arena, n_spans * sizeof(Span)),
    };
    decoder.memory.limit = arena->allocated + body.len * OTLP_MEMORY_RATIO + MEMORY_BASE;
    if (decode_request(&decoder, in) != 0) {
        *ret_error = source.error;
        return WIRE_BAD;
    }
    *ret_batch = decoder.batch;
    return 0;
}
