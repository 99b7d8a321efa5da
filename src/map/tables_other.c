// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/assert.h"
#include "base/memory.h"
#include "codec/bytes.h"
#include "codec/hash.h"

/*
 * Which (other) series stands for one that has no place (docs/adr/0020). It follows from the names
 * and how many (other)s there are already, so with places enough for those of each source it does
 * not depend on what came first.
 */
typedef enum Coarseness {
    OF_SOURCE,   /* another target, operation or value of the same source */
    OF_SCOPE,    /* another source of the same scope and environment, too */
    OF_ANYTHING, /* a few for each kind */
    COARSENESSES,
} Coarseness;

static Str other_node(Str bytes, Coarseness how, Arena *arena)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey key;

    ASSERT(node_key_parse(bytes, &key) == 0);
    NodeKey other = node_key_other(&key, how == OF_SOURCE);
    if (how == OF_ANYTHING) {
        other.scope = STR("(other)");
        other.environment = (Str){0};
    }
    node_key_append(&other, &buf);
    return arena_copy(arena, buf_str(&buf));
}

/* A sequence of one step that is called so (flow/run.h, variant_append()). */
static Str other_variant(Arena *arena)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    bytes_append_counted(&buf, STR("(other)"));
    return arena_copy(arena, buf_str(&buf));
}

static SeriesNames other_names(const SeriesNames *names, Coarseness how, Arena *arena)
{
    SeriesNames other = *names;
    size_t n_nodes = series_node_count(names->kind);
    bool has_more = n_nodes >= 2 || series_has_name(names->kind);

    other.is_other = true;
    if (how != OF_SOURCE || !has_more || names->kind == SERIES_FINDING) {
        other.source = other_node(names->source, how, arena);
    }
    if (n_nodes >= 2) {
        other.target = other_node(names->target, how, arena);
    }
    if (names->kind == SERIES_HOP) {
        other.via = other_node(names->via, how, arena);
    }
    if (names->kind == SERIES_VARIANT) {
        other.name = other_variant(arena);
    } else if (names->kind == SERIES_LABEL) {
        other.value = STR("(other)");
        other.name = how == OF_SOURCE ? names->name : STR("(other)");
    } else if (series_has_name(names->kind) && names->kind != SERIES_FINDING) {
        other.name = STR("(other)");
    }
    return other;
}

uint32_t tables_other_series(MapTables *tables, const SeriesNames *names)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const struct Table *chosen = tables->chosen;
    uint32_t number = SERIES_NONE;

    if (names->kind == SERIES_PROOF) {
        return SERIES_NONE; /* of what is folded nothing is proven */
    }
    for (Coarseness how = OF_SOURCE; how < COARSENESSES && number == SERIES_NONE; how++) {
        SeriesNames other = other_names(names, how, &arena);

        tables->others_room = tables->beyond_max / COARSENESSES * ((size_t)how + 1);
        tables->chosen = NULL;
        ASSERT(tables_intern(tables, &other, &number) == 0);
        tables->chosen = chosen;
        tables->others_room = 0;
    }
    return number;
}

static uint64_t mix(uint64_t hash, uint64_t with)
{
    return (hash ^ with) * 0x9e3779b97f4a7c15U ^ hash >> 29;
}

uint64_t series_group(SeriesKind kind, Str source)
{
    return kind == SERIES_VARIANT ? hash_stable(source) | 1 : 0;
}

uint64_t series_names_hash(const SeriesNames *names, Str flow, Str step)
{
    const Str texts[] = {names->source, names->target, names->via, names->name,
                         names->value,  flow,          step};
    bool has_rule = names->kind == SERIES_EDGE;
    uint64_t hash = mix((uint64_t)names->kind, has_rule ? (uint64_t)names->rule + 1 : 0);

    hash = mix(hash, has_rule ? (uint64_t)names->relation + 1 : 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        hash = mix(hash, hash_stable(texts[i]));
    }
    return hash;
}
