// SPDX-License-Identifier: Apache-2.0
#include "query/span_services.h"

#define UNKNOWN STR("unknown_service")

static Str attribute_text(Attributes attributes, Arena *arena)
{
    const Value *value = attributes_find(attributes, STR("service.name"));

    return value == NULL || value_is_absent(value) ? STR("") : value_text(value, arena);
}

/* The one span-level name that the spans of a resource carry; empty: none, or more than one. */
typedef struct Adoption {
    const Resource *resource;
    Str name;
    bool several;
} Adoption;

/* Adoptions are few (most resources have a name), so a list does. */
typedef struct Adoptions {
    Adoption *items;
    size_t count, capacity;
} Adoptions;

static void adoptions_deinit(Adoptions *adoptions)
{
    mem_free(adoptions->items);
}

static Adoption *adoption_of(Adoptions *adoptions, const Resource *resource)
{
    for (size_t i = 0; i < adoptions->count; i++) {
        Adoption *adoption = &adoptions->items[i];

        if (adoption->resource == resource ||
            attributes_same_set(adoption->resource->attributes, resource->attributes)) {
            return adoption;
        }
    }
    ARRAY_RESERVE(adoptions->items, adoptions->count, adoptions->capacity);
    adoptions->items[adoptions->count] = (Adoption){.resource = resource};
    return &adoptions->items[adoptions->count++];
}

static void adoption_see(Adoption *adoption, Str name)
{
    if (name.len == 0) {
        return;
    }
    if (adoption->name.len == 0) {
        adoption->name = name;
    } else if (!str_equal(adoption->name, name)) {
        adoption->several = true;
    }
}

static bool resource_adopts(const Span *span, Arena *arena)
{
    Str name = attribute_text(span->resource->attributes, arena);

    return name.len == 0 || str_starts_with(name, UNKNOWN);
}

static void adoptions_collect(const Span *spans, size_t n_spans, Arena *arena, Adoptions *adoptions)
{
    for (size_t i = 0; i < n_spans; i++) {
        if (resource_adopts(&spans[i], arena)) {
            adoption_see(adoption_of(adoptions, spans[i].resource),
                         attribute_text(spans[i].attributes, arena));
        }
    }
}

static Str span_service(const Span *span, Adoptions *adoptions, Arena *arena)
{
    Str name = attribute_text(span->attributes, arena);
    bool adopts = resource_adopts(span, arena);

    if (adopts) {
        const Adoption *adoption = adoption_of(adoptions, span->resource);

        if (adoption->name.len > 0 && !adoption->several) {
            return adoption->name;
        }
    }
    if (name.len == 0) {
        name = attribute_text(span->resource->attributes, arena);
    }
    return name.len == 0 ? UNKNOWN : name;
}

Str *span_services(const Span *spans, size_t n_spans, Arena *arena)
{
    CLEANUP(adoptions_deinit) Adoptions adoptions = {0};
    Str *services = ARENA_ARRAY(arena, Str, n_spans);

    adoptions_collect(spans, n_spans, arena, &adoptions);
    for (size_t i = 0; i < n_spans; i++) {
        services[i] = span_service(&spans[i], &adoptions, arena);
    }
    return services;
}
