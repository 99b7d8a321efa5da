// SPDX-License-Identifier: Apache-2.0
#include "map/answer/resolve.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/answer/mappings.h"

/*
 * Order of §4: (1) the user's mappings; (2) a known service of that name; (3) a proven address, by
 * day; (4) an external.
 *
 * (2) looks the name up as it is, then (addresses only) without its port, then the first label of a
 * host inside a Kubernetes cluster; the first spelling that names any service decides, each exactly
 * before without case. Several services of one name in foreign namespaces are none, and the address
 * may then still be proven.
 */
typedef struct Known {
    uint32_t service; /* symbol */
    uint32_t next;    /* of the same name; 0 ends, else position + 1 */
} Known;

typedef struct ServiceIndex {
    Symbols names;  /* scope, environment, name → number */
    uint32_t *head; /* by number: position in known + 1 */
    Known *known;
    size_t n_known;
} ServiceIndex;

typedef struct Proof {
    uint32_t name, day, service;
} Proof;

struct Resolver {
    const MapTables *tables;
    Arena *arena;
    bool unresolved_names;
    Mappings *mappings; /* not owned */
    ServiceIndex exact, lower;
    Proof *proofs; /* sorted by (name, day, service) */
    size_t n_proofs;
    Buf scratch;
};

static const Meaning external_for_ever = {0, UINT32_MAX, SYMBOL_NONE, {0}};

/* --- Known services --- */

static void append_part(Buf *buf, Str part, bool lower)
{
    buf_append_u32le(buf, (uint32_t)part.len);
    for (size_t i = 0; i < part.len; i++) {
        buf_append_byte(buf, (uint8_t)(lower ? ascii_lower(part.ptr[i]) : part.ptr[i]));
    }
}

/* Scope and environment are identity and compared as they are; only the name may differ in case. */
static Str index_key(Buf *buf, const NodeKey *key, Str name, bool lower)
{
    buf_clear(buf);
    append_part(buf, key->scope, false);
    append_part(buf, key->environment, false);
    append_part(buf, name, lower);
    return buf_str(buf);
}

static void index_build(ServiceIndex *index, const MapTables *tables, Arena *arena, Buf *scratch,
                        bool lower)
{
    size_t n_nodes = symbols_count(&tables->nodes);

    index->head = ARENA_ARRAY(arena, uint32_t, n_nodes + 1);
    index->known = ARENA_ARRAY(arena, Known, n_nodes + 1);
    for (size_t i = 0; i < n_nodes; i++) {
        const TablesNode *node = &tables->node[i];

        if (node->key.type != NODE_SERVICE || node->n_series == 0) {
            continue;
        }
        uint32_t number =
            symbols_intern(&index->names, index_key(scratch, &node->key, node->key.name, lower));
        index->known[index->n_known] = (Known){.service = (uint32_t)i, .next = index->head[number]};
        index->head[number] = (uint32_t)++index->n_known;
    }
}

typedef enum Lookup { LOOKUP_NO_SUCH_NAME, LOOKUP_AMBIGUOUS, LOOKUP_FOUND } Lookup;

/* In the caller's namespace, else the only one there is, else none. */
static Lookup index_find(const Resolver *resolver, const ServiceIndex *index, Str key,
                         Str namespace, uint32_t *ret_service)
{
    uint32_t number = symbols_find(&index->names, key);
    uint32_t n = 0, first = SYMBOL_NONE, own = SYMBOL_NONE, n_own = 0;

    if (number == SYMBOL_NONE) {
        return LOOKUP_NO_SUCH_NAME;
    }
    for (uint32_t at = index->head[number]; at != 0; at = index->known[at - 1].next) {
        uint32_t service = index->known[at - 1].service;

        first = service;
        n++;
        if (str_equal(resolver->tables->node[service].key.namespace, namespace)) {
            own = service;
            n_own++;
        }
    }
    /* Two that differ only in case may share the caller's namespace: then none, too. */
    if (n_own == 1 || n == 1) {
        *ret_service = n_own == 1 ? own : first;
        return LOOKUP_FOUND;
    }
    return LOOKUP_AMBIGUOUS;
}

static Lookup find_spelling(Resolver *resolver, const NodeKey *name, Str spelling, Str namespace,
                            uint32_t *ret_service)
{
    Str key = index_key(&resolver->scratch, name, spelling, false);
    Lookup found = index_find(resolver, &resolver->exact, key, namespace, ret_service);

    if (found != LOOKUP_NO_SUCH_NAME) {
        return found;
    }
    key = index_key(&resolver->scratch, name, spelling, true);
    return index_find(resolver, &resolver->lower, key, namespace, ret_service);
}

/* The host before `:port`; all of it when there is none. A bare IPv6 address has colons, too, and
 * its brackets go with its port. */
static Str without_port(Str host)
{
    size_t colon = host.len;

    while (colon > 0 && ascii_is_digit(host.ptr[colon - 1])) {
        colon--;
    }
    if (colon == 0 || colon == host.len || host.ptr[colon - 1] != ':') {
        return host;
    }
    Str before = str_slice(host, 0, colon - 1);
    if (before.len >= 2 && before.ptr[0] == '[' && before.ptr[before.len - 1] == ']') {
        return str_slice(before, 1, before.len - 1);
    }
    return str_find_byte(before, ':', 0) < before.len ? host : before;
}

/* "cart" of cart.shop.svc and cart.shop.svc.cluster.local; else empty. */
static Str cluster_label(Str host)
{
    Str label, rest;

    if (!str_ends_with(host, STR(".svc")) && !str_ends_with(host, STR(".svc.cluster.local"))) {
        return (Str){0};
    }
    str_split(host, '.', &label, &rest);
    return label;
}

static bool rule_is_address(Rule rule)
{
    return rule == RULE_SERVER_ADDRESS || rule == RULE_HTTP_HOST;
}

static uint32_t known_service(Resolver *resolver, const SeriesKey *edge)
{
    const NodeKey *name = &resolver->tables->node[edge->b].key;
    Str namespace = resolver->tables->node[edge->a].key.namespace;
    Str host = without_port(name->name);
    Str spellings[] = {name->name, host, cluster_label(host)};
    size_t n = rule_is_address((Rule)edge->rule) ? ARRAY_LEN(spellings) : 1;
    uint32_t service = SYMBOL_NONE;

    for (size_t i = 0; i < n; i++) {
        if (spellings[i].len > 0) {
            Lookup found = find_spelling(resolver, name, spellings[i], namespace, &service);

            if (found != LOOKUP_NO_SUCH_NAME) {
                return found == LOOKUP_FOUND ? service : SYMBOL_NONE;
            }
        }
    }
    return SYMBOL_NONE;
}

/* --- Proven addresses --- */

static int compare_proofs(const void *a, const void *b)
{
    const Proof *left = a, *right = b;

    if (left->name != right->name) {
        return left->name < right->name ? -1 : 1;
    }
    if (left->day != right->day) {
        return left->day < right->day ? -1 : 1;
    }
    return left->service < right->service ? -1 : left->service > right->service;
}

static void proofs_build(Resolver *resolver)
{
    const MapTables *tables = resolver->tables;
    size_t n = 0;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        n += series->key.kind == SERIES_PROOF ? series->cells.n_cells : 0;
    }
    resolver->proofs = ARENA_ARRAY(resolver->arena, Proof, n + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        for (uint32_t k = 0; series->key.kind == SERIES_PROOF && k < series->cells.n_cells; k++) {
            resolver->proofs[resolver->n_proofs++] =
                (Proof){series->key.a, series->cells.index[k].minute, series->key.b};
        }
    }
    qsort(resolver->proofs, resolver->n_proofs, sizeof(Proof), compare_proofs);
}

static size_t first_proof(const Resolver *resolver, uint32_t name)
{
    size_t from = 0, to = resolver->n_proofs;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (resolver->proofs[middle].name < name) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static uint32_t day_minute(uint32_t day)
{
    return (uint32_t)MIN((uint64_t)day * MINUTES_PER_DAY, (uint64_t)UINT32_MAX);
}

/* The day's service, if it proves exactly one. */
static uint32_t proven_on(const Proof *proofs, size_t n)
{
    return n == 1 ? proofs[0].service : SYMBOL_NONE;
}

/* Each day with a proof counts from then to the next such day; the first one also for all before.
 */
static size_t proven_meanings(Resolver *resolver, uint32_t name, const Meaning **ret_meanings)
{
    size_t at = first_proof(resolver, name), end = at, n = 0;

    while (end < resolver->n_proofs && resolver->proofs[end].name == name) {
        end++;
    }
    if (at == end) {
        *ret_meanings = &external_for_ever;
        return 1;
    }
    Meaning *meanings = ARENA_ARRAY(resolver->arena, Meaning, end - at);
    while (at < end) {
        const Proof *day = &resolver->proofs[at];
        size_t n_services = 0;

        while (at < end && resolver->proofs[at].day == day->day) {
            at++, n_services++;
        }
        uint32_t service = proven_on(day, n_services);
        if (n == 0 || meanings[n - 1].service != service) {
            if (n > 0) {
                meanings[n - 1].to_minute = day_minute(day->day);
            }
            meanings[n] = (Meaning){n == 0 ? 0 : day_minute(day->day), UINT32_MAX, service, {0}};
            n++;
        }
    }
    *ret_meanings = meanings;
    return n;
}

/* --- */

Resolver *resolver_new(const MapTables *tables, const MapQuestion *question, Arena *arena)
{
    Resolver *resolver = ARENA_NEW(arena, Resolver);

    resolver->tables = tables;
    resolver->arena = arena;
    resolver->unresolved_names = question->unresolved_names;
    resolver->mappings = question->mappings != NULL ? question->mappings : tables->mappings;
    if (!resolver->unresolved_names) {
        index_build(&resolver->exact, tables, arena, &resolver->scratch, false);
        index_build(&resolver->lower, tables, arena, &resolver->scratch, true);
        proofs_build(resolver);
    }
    return resolver;
}

Resolver *resolver_free(Resolver *resolver)
{
    if (resolver != NULL) {
        symbols_deinit(&resolver->exact.names);
        symbols_deinit(&resolver->lower.names);
        buf_deinit(&resolver->scratch);
    }
    return NULL;
}

/* A mapping to a service means the known one of that name, if there is one. */
static bool mapped_meaning(Resolver *resolver, const SeriesKey *edge, const Meaning **ret_meaning)
{
    const NodeKey *name = &resolver->tables->node[edge->b].key;
    const Mapping *mapping = mappings_find(resolver->mappings, name->name);
    CLEANUP(buf_deinit) Buf key = {0};

    if (mapping == NULL) {
        return false;
    }
    Meaning *meaning = ARENA_NEW(resolver->arena, Meaning);
    NodeKey node = mapping_node(mapping, name);
    *meaning = (Meaning){0, UINT32_MAX, SYMBOL_NONE, {0}};
    if (node.type == NODE_SERVICE &&
        find_spelling(resolver, name, node.name, resolver->tables->node[edge->a].key.namespace,
                      &meaning->service) == LOOKUP_FOUND) {
        *ret_meaning = meaning;
        return true;
    }
    meaning->service = SYMBOL_NONE;
    node_key_append(&node, &key);
    meaning->key = arena_copy(resolver->arena, buf_str(&key));
    *ret_meaning = meaning;
    return true;
}

size_t resolver_meanings(Resolver *resolver, const SeriesKey *edge, const Meaning **ret_meanings)
{
    ASSERT(resolver->tables->node[edge->b].key.type == NODE_NAME);
    *ret_meanings = &external_for_ever;
    if (resolver->unresolved_names) {
        return 1;
    }
    if (mapped_meaning(resolver, edge, ret_meanings)) {
        return 1;
    }
    uint32_t service = known_service(resolver, edge);
    if (service != SYMBOL_NONE) {
        Meaning *meaning = ARENA_NEW(resolver->arena, Meaning);

        *meaning = (Meaning){0, UINT32_MAX, service, {0}};
        *ret_meanings = meaning;
        return 1;
    }
    if (!rule_is_address((Rule)edge->rule)) {
        return 1;
    }
    return proven_meanings(resolver, edge->b, ret_meanings);
}

/* What the name means in the delta's minute, if the tables hold the edge's ends already; else NULL.
 */
static const Meaning *meaning_of_delta(Resolver *resolver, const Delta *delta)
{
    const Symbols *nodes = &resolver->tables->nodes;
    const SeriesKey edge = {
        .kind = SERIES_EDGE,
        .relation = (uint8_t)delta->relation,
        .rule = (uint8_t)delta->rule,
        .a = symbols_find(nodes, delta->source),
        .b = symbols_find(nodes, delta->target),
    };
    const Meaning *meanings = NULL;

    if (edge.a == SYMBOL_NONE || edge.b == SYMBOL_NONE) {
        return NULL;
    }
    size_t n = resolver_meanings(resolver, &edge, &meanings);
    for (size_t i = 0; i < n; i++) {
        if (delta->minute >= meanings[i].from_minute && delta->minute < meanings[i].to_minute) {
            return &meanings[i];
        }
    }
    return NULL;
}

Str resolver_target_key(Resolver *resolver, const Delta *delta)
{
    CLEANUP(buf_deinit) Buf bytes = {0};
    NodeKey key;

    ASSERT(node_key_parse(delta->target, &key) == 0);
    if (key.type != NODE_NAME) {
        return delta->target;
    }
    const Meaning *meaning = meaning_of_delta(resolver, delta);
    if (meaning != NULL && meaning->key.len > 0) {
        return meaning->key;
    }
    if (meaning != NULL && meaning->service != SYMBOL_NONE) {
        return symbols_get(&resolver->tables->nodes, meaning->service);
    }
    key.type = NODE_EXTERNAL;
    node_key_append(&key, &bytes);
    return arena_copy(resolver->arena, buf_str(&bytes));
}
