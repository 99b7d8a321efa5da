// SPDX-License-Identifier: Apache-2.0
#include "map/answer/mappings.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "span/filter.h"

/*
 * Names come again in every question, and a match costs a hundred times a look-up: so what was
 * found for a name is remembered, for the first MAPPINGS_REMEMBERED_MAX names.
 */
enum { NO_MAPPING = UINT32_MAX };

struct Mappings {
    _Atomic uint32_t references;
    Arena arena;
    Mapping *items;
    Filter *filters; /* COMPARE_MATCH, by item */
    size_t n_items;
    pthread_mutex_t lock; /* the rest */
    Symbols names;
    uint32_t *found; /* by number in names: item or NO_MAPPING */
    size_t found_capacity;
};

static int take_item(Mappings *mappings, const Mapping *item, ParseError *ret_error)
{
    Mapping *own = &mappings->items[mappings->n_items];
    Filter *filter = &mappings->filters[mappings->n_items];
    FilterPattern *pattern = NULL;

    *ret_error = (ParseError){.text = "a mapping has a pattern and a name"};
    if (item->pattern.len == 0 || item->name.len == 0) {
        return 1;
    }
    ret_error->text = "a pattern has at most 1024 bytes, a name 256";
    if (item->pattern.len > MAPPING_PATTERN_MAX || item->name.len > MAPPING_NAME_MAX) {
        return 1;
    }
    TRY(filter_pattern_new(item->pattern, &pattern, ret_error));
    *own = *item;
    own->pattern = arena_copy(&mappings->arena, item->pattern);
    own->name = arena_copy(&mappings->arena, item->name);
    *filter = (Filter){.comparison = COMPARE_MATCH, .pattern = pattern};
    mappings->n_items++;
    return 0;
}

int mappings_new(const Mapping *items, size_t n, Mappings **ret_mappings, size_t *ret_bad,
                 ParseError *ret_error)
{
    if (n > MAPPINGS_MAX) {
        *ret_bad = MAPPINGS_MAX;
        *ret_error = (ParseError){.text = "there are at most 1000 mappings"};
        return 1;
    }
    Mappings *mappings = NEW(Mappings);

    mappings->references = 1;
    ASSERT(pthread_mutex_init(&mappings->lock, NULL) == 0);
    mappings->items = ARENA_ARRAY(&mappings->arena, Mapping, n + 1);
    mappings->filters = ARENA_ARRAY(&mappings->arena, Filter, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (take_item(mappings, &items[i], ret_error) != 0) {
            *ret_bad = i;
            mappings_unref(mappings);
            return 1;
        }
    }
    *ret_mappings = mappings;
    return 0;
}

Mappings *mappings_ref(Mappings *mappings)
{
    if (mappings != NULL) {
        atomic_fetch_add(&mappings->references, 1);
    }
    return mappings;
}

Mappings *mappings_unref(Mappings *mappings)
{
    if (mappings == NULL || atomic_fetch_sub(&mappings->references, 1) > 1) {
        return NULL;
    }
    for (size_t i = 0; i < mappings->n_items; i++) {
        filter_pattern_free((FilterPattern *)mappings->filters[i].pattern);
    }
    pthread_mutex_destroy(&mappings->lock);
    symbols_deinit(&mappings->names);
    mem_free(mappings->found);
    arena_deinit(&mappings->arena);
    mem_free(mappings);
    return NULL;
}

size_t mappings_count(const Mappings *mappings)
{
    return mappings == NULL ? 0 : mappings->n_items;
}

const Mapping *mappings_at(const Mappings *mappings, size_t at)
{
    ASSERT(at < mappings->n_items);
    return &mappings->items[at];
}

static uint32_t match(const Mappings *mappings, Str name)
{
    const Value value = {.type = VALUE_STRING, .string = name};

    for (uint32_t i = 0; i < mappings->n_items; i++) {
        if (filter_compare_value(&mappings->filters[i], &value)) {
            return i;
        }
    }
    return NO_MAPPING;
}

static uint32_t find(Mappings *mappings, Str name)
{
    uint32_t number = symbols_find(&mappings->names, name);

    if (number != SYMBOL_NONE) {
        return mappings->found[number];
    }
    uint32_t found = match(mappings, name);
    if (symbols_count(&mappings->names) < MAPPINGS_REMEMBERED_MAX) {
        number = symbols_intern(&mappings->names, name);
        ARRAY_RESERVE(mappings->found, (size_t)number, mappings->found_capacity);
        mappings->found[number] = found;
    }
    return found;
}

const Mapping *mappings_find(Mappings *mappings, Str name)
{
    if (mappings == NULL || mappings->n_items == 0) {
        return NULL;
    }
    pthread_mutex_lock(&mappings->lock);
    uint32_t found = find(mappings, name);
    pthread_mutex_unlock(&mappings->lock);
    return found == NO_MAPPING ? NULL : &mappings->items[found];
}

NodeKey mapping_node(const Mapping *mapping, const NodeKey *name)
{
    NodeKey key = {.type = mapping->type, .scope = name->scope, .environment = name->environment};

    if (mapping->type == NODE_DATABASE) {
        key.namespace = mapping->name;
    } else {
        key.name = mapping->name;
    }
    return key;
}

int mapping_type_parse(Str text, NodeType *ret_type)
{
    static const struct {
        Str text;
        NodeType type;
    } types[] = {{STR("service"), NODE_SERVICE},
                 {STR("database"), NODE_DATABASE},
                 {STR("queue"), NODE_QUEUE},
                 {STR("external"), NODE_EXTERNAL}};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_equal(text, types[i].text)) {
            *ret_type = types[i].type;
            return 0;
        }
    }
    return 1;
}

/* --- Lines --- */

static int parse_line(Str line, Mapping *ret_item)
{
    const Str arrow = STR(" -> ");
    size_t at = line.len, next;
    Str type, name;

    /* The last arrow: a pattern may contain one. */
    for (size_t from = 0;
         (next = from + str_find(str_slice(line, from, line.len), arrow)) < line.len;
         from = next + 1) {
        at = next;
    }
    if (at == line.len ||
        !str_split(str_trim(str_slice(line, at + arrow.len, line.len)), ' ', &type, &name)) {
        return 1;
    }
    ret_item->pattern = str_trim(str_slice(line, 0, at));
    ret_item->name = str_trim(name);
    ret_item->is_configured = true;
    return mapping_type_parse(type, &ret_item->type);
}

int mappings_parse(Str lines, Arena *arena, Mapping **ret_items, size_t *ret_n,
                   ParseError *ret_error)
{
    Mapping *items = ARENA_ARRAY(arena, Mapping, MAPPINGS_MAX);
    size_t n = 0, number = 0;
    bool more = lines.len > 0;

    while (more) {
        Str line;

        more = str_split(lines, '\n', &line, &lines);
        number++;
        line = str_trim(line);
        if (line.len == 0) {
            continue;
        }
        *ret_error = (ParseError){
            .offset = number,
            .text = n == MAPPINGS_MAX ? "there are at most 1000 mappings"
                                      : "a mapping is `PATTERN -> TYPE NAME`, its type service, "
                                        "database, queue or external"};
        if (n == MAPPINGS_MAX || parse_line(line, &items[n++]) != 0) {
            return 1;
        }
    }
    *ret_items = items;
    *ret_n = n;
    return 0;
}
