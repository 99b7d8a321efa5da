// SPDX-License-Identifier: Apache-2.0
#include "span/span.h"

#include <stdlib.h>

#include "base/assert.h"
#include "span/canonical.h"

bool trace_id_is_zero(TraceId id)
{
    static const TraceId zero;

    return trace_id_equal(id, zero);
}

bool span_id_is_zero(SpanId id)
{
    static const SpanId zero;

    return span_id_equal(id, zero);
}

int trace_id_compare(TraceId a, TraceId b)
{
    return __builtin_memcmp(a.bytes, b.bytes, TRACE_ID_SIZE);
}

int span_id_compare(SpanId a, SpanId b)
{
    return __builtin_memcmp(a.bytes, b.bytes, SPAN_ID_SIZE);
}

uint64_t trace_id_hash(TraceId id)
{
    return str_hash(str_from_bytes(id.bytes, TRACE_ID_SIZE));
}

/* Hex of up to 2 * @size digits, padded at the left. */
static int parse_id(Str text, uint8_t *ret_bytes, size_t size)
{
    char digits[2 * TRACE_ID_SIZE];

    if (text.len == 0 || text.len > 2 * size) {
        return 1;
    }
    mem_fill(digits, '0', 2 * size - text.len);
    mem_copy(digits + 2 * size - text.len, text.ptr, text.len);
    return str_parse_hex(str_from_bytes(digits, 2 * size), ret_bytes, size);
}

int trace_id_parse(Str text, TraceId *ret_id)
{
    return parse_id(text, ret_id->bytes, TRACE_ID_SIZE);
}

int span_id_parse(Str text, SpanId *ret_id)
{
    return parse_id(text, ret_id->bytes, SPAN_ID_SIZE);
}

Str span_service_name(const Span *span, Arena *arena)
{
    const Value *name = attributes_find(span->resource->attributes, STR("service.name"));

    return name == NULL ? STR("") : value_text(name, arena);
}

static const Str kind_names[] = {
    STR("unspecified"), STR("internal"), STR("server"),
    STR("client"),      STR("producer"), STR("consumer"),
};

static const Str status_names[] = {STR("unset"), STR("ok"), STR("error")};

static int parse_name(Str text, Str prefix, const Str *names, size_t n_names, unsigned *ret_index)
{
    if (text.len >= prefix.len && str_equal_nocase(str_slice(text, 0, prefix.len), prefix)) {
        text = str_slice(text, prefix.len, text.len);
    }
    for (unsigned i = 0; i < n_names; i++) {
        if (str_equal_nocase(text, names[i])) {
            *ret_index = i;
            return 0;
        }
    }
    return 1;
}

Str span_kind_name(SpanKind kind)
{
    return kind_names[(size_t)kind < ARRAY_LEN(kind_names) ? kind : SPAN_KIND_UNSPECIFIED];
}

int span_kind_parse(Str text, SpanKind *ret_kind)
{
    unsigned index;

    TRY(parse_name(text, STR("SPAN_KIND_"), kind_names, ARRAY_LEN(kind_names), &index));
    *ret_kind = (SpanKind)index;
    return 0;
}

Str status_code_name(StatusCode code)
{
    return status_names[(size_t)code < ARRAY_LEN(status_names) ? code : STATUS_UNSET];
}

int status_code_parse(Str text, StatusCode *ret_code)
{
    unsigned index;

    TRY(parse_name(text, STR("STATUS_CODE_"), status_names, ARRAY_LEN(status_names), &index));
    *ret_code = (StatusCode)index;
    return 0;
}

static const Resource *copy_resource(const Resource *resource, Arena *arena)
{
    Resource *copy = ARENA_NEW(arena, Resource);

    *copy = *resource;
    copy->attributes = attributes_copy(resource->attributes, arena);
    copy->schema_url = arena_copy(arena, resource->schema_url);
    return copy;
}

static const Scope *copy_scope(const Scope *scope, Arena *arena)
{
    Scope *copy = ARENA_NEW(arena, Scope);

    *copy = *scope;
    copy->name = arena_copy(arena, scope->name);
    copy->version = arena_copy(arena, scope->version);
    copy->attributes = attributes_copy(scope->attributes, arena);
    copy->schema_url = arena_copy(arena, scope->schema_url);
    return copy;
}

static void copy_content(Span *span, Arena *arena)
{
    Event *events = arena_alloc(arena, span->n_events * sizeof(*events));
    Link *links = arena_alloc(arena, span->n_links * sizeof(*links));

    span->trace_state = arena_copy(arena, span->trace_state);
    span->name = arena_copy(arena, span->name);
    span->status_message = arena_copy(arena, span->status_message);
    span->attributes = attributes_copy(span->attributes, arena);
    for (size_t i = 0; i < span->n_events; i++) {
        events[i] = span->events[i];
        events[i].name = arena_copy(arena, events[i].name);
        events[i].attributes = attributes_copy(events[i].attributes, arena);
    }
    for (size_t i = 0; i < span->n_links; i++) {
        links[i] = span->links[i];
        links[i].trace_state = arena_copy(arena, links[i].trace_state);
        links[i].attributes = attributes_copy(links[i].attributes, arena);
    }
    span->events = events;
    span->links = links;
}

/* The copies of one kind of shared part, found by the original's address: an open table, twice as
 * large as there can be parts. */
typedef struct Copies {
    const void **from, **to;
    size_t mask;
} Copies;

static void copies_init(Copies *copies, size_t count)
{
    size_t n = 16;

    while (n < 2 * count) {
        n *= 2;
    }
    copies->from = mem_zero(n * sizeof(copies->from[0]));
    copies->to = mem_zero(n * sizeof(copies->to[0]));
    copies->mask = n - 1;
}

static void copies_deinit(Copies *copies)
{
    mem_free(copies->from);
    mem_free(copies->to);
}

/* The slot of @from; free when copies->from there is NULL. */
static size_t copies_slot(const Copies *copies, const void *from)
{
    size_t slot = (size_t)(((uintptr_t)from >> 4) * 0x9E3779B97F4A7C15U >> 20);

    while (copies->from[slot & copies->mask] != NULL && copies->from[slot & copies->mask] != from) {
        slot++;
    }
    return slot & copies->mask;
}

Span *spans_copy(const Span *spans, size_t n_spans, Arena *arena)
{
    CLEANUP(copies_deinit) Copies resources;
    CLEANUP(copies_deinit) Copies scopes;
    Span *copy = arena_alloc(arena, n_spans * sizeof(*copy));

    copies_init(&resources, n_spans);
    copies_init(&scopes, n_spans);
    for (size_t i = 0; i < n_spans; i++) {
        size_t resource = copies_slot(&resources, spans[i].resource);
        size_t scope = copies_slot(&scopes, spans[i].scope);

        if (resources.from[resource] == NULL) {
            resources.from[resource] = spans[i].resource;
            resources.to[resource] = copy_resource(spans[i].resource, arena);
        }
        if (scopes.from[scope] == NULL) {
            scopes.from[scope] = spans[i].scope;
            scopes.to[scope] = copy_scope(spans[i].scope, arena);
        }
        copy[i] = spans[i];
        copy_content(&copy[i], arena);
        copy[i].resource = resources.to[resource];
        copy[i].scope = scopes.to[scope];
    }
    return copy;
}
