// SPDX-License-Identifier: Apache-2.0
#include "map/contract/database.h"

#include <stdlib.h>

#include "base/assert.h"
#include "map/contract/sql.h"
#include "map/contract/sql_token.h"

/*
 * Four ways to learn what a db span did, the first that says something (§3). Verbs are
 * RELATION_READS or RELATION_WRITES; a span without a known verb accesses.
 */
static const Str reading_verbs[] = {
    STR("get"),     STR("find"),    STR("mget"),    STR("hget"),      STR("scan"),
    STR("read"),    STR("list"),    STR("query"),   STR("count"),     STR("fetch"),
    STR("select"),  STR("exists"),  STR("search"),  STR("lookup"),    STR("findone"),
    STR("hgetall"), STR("getitem"), STR("getmore"), STR("aggregate"), STR("batchgetitem"),
};

static const Str writing_verbs[] = {
    STR("set"),
    STR("put"),
    STR("del"),
    STR("drop"),
    STR("incr"),
    STR("decr"),
    STR("hset"),
    STR("sadd"),
    STR("zadd"),
    STR("bulk"),
    STR("save"),
    STR("merge"),
    STR("write"),
    STR("alter"),
    STR("lpush"),
    STR("rpush"),
    STR("index"),
    STR("insert"),
    STR("update"),
    STR("delete"),
    STR("upsert"),
    STR("create"),
    STR("expire"),
    STR("remove"),
    STR("replace"),
    STR("putitem"),
    STR("truncate"),
    STR("updateitem"),
    STR("deleteitem"),
    STR("findandmodify"),
    STR("batchwriteitem"),
};

static bool is_listed(Str word, const Str *verbs, size_t n)
{
    for (size_t i = 0; i < n && verbs[i].len <= word.len; i++) {
        if (verbs[i].len == word.len && str_equal_nocase(verbs[i], word)) {
            return true;
        }
    }
    return false;
}

/* Whether @word is a known verb, and which relation it makes. */
static bool verb_of(Str word, Relation *ret_relation)
{
    if (is_listed(word, reading_verbs, ARRAY_LEN(reading_verbs))) {
        *ret_relation = RELATION_READS;
        return true;
    }
    if (is_listed(word, writing_verbs, ARRAY_LEN(writing_verbs))) {
        *ret_relation = RELATION_WRITES;
        return true;
    }
    return false;
}

/* Takes the next word between white space off @text; false at the end. */
static bool next_word(Str *text, Str *ret_word)
{
    size_t from = 0;

    while (from < text->len && ascii_is_space(text->ptr[from])) {
        from++;
    }
    size_t to = from;
    while (to < text->len && !ascii_is_space(text->ptr[to])) {
        to++;
    }
    *ret_word = str_slice(*text, from, to);
    *text = str_slice(*text, to, text->len);
    return to > from;
}

static bool first_verb(Str text, Relation *ret_relation)
{
    Str word;

    while (next_word(&text, &word)) {
        if (verb_of(word, ret_relation)) {
            return true;
        }
    }
    return false;
}

static bool first_verb_of_query(Str text, Relation *ret_relation)
{
    Str word;

    while (sql_next_word(&text, &word)) {
        if (verb_of(word, ret_relation)) {
            return true;
        }
    }
    return false;
}

static void add_access(DatabaseAccesses *accesses, Relation relation, Str collection)
{
    if (accesses->count < DATABASE_ACCESSES_MAX) {
        accesses->items[accesses->count++] =
            (DatabaseAccess){.relation = relation, .collection = collection};
    }
}

/* ---- summaries ---- */

static bool is_quote(char byte)
{
    return byte == '"' || byte == '\'' || byte == '`' || byte == '[';
}

/*
 * Takes the next word of a summary, where a quoted part may hold spaces. @ret_quoted: it starts
 * with a quote. An opening quote that is never closed is a byte like others.
 */
static bool next_summary_word(Str *text, Str *ret_word, bool *ret_quoted)
{
    size_t from = 0;

    while (from < text->len && ascii_is_space(text->ptr[from])) {
        from++;
    }
    size_t to = from;
    *ret_quoted = from < text->len && is_quote(text->ptr[from]);
    while (to < text->len && !ascii_is_space(text->ptr[to])) {
        char byte = text->ptr[to++];

        if (is_quote(byte) && (to - 1 == from || text->ptr[to - 2] == '.')) {
            size_t end = str_find_byte(*text, byte == '[' ? ']' : byte, to);
            to = end < text->len ? end + 1 : to;
        }
    }
    *ret_word = str_slice(*text, from, to);
    *text = str_slice(*text, to, text->len);
    return to > from;
}

static Str strip_quotes(Str word, Arena *arena)
{
    char *stripped = arena_alloc(arena, word.len);
    size_t n = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (!is_quote(word.ptr[i]) && word.ptr[i] != ']') {
            stripped[n++] = word.ptr[i];
        }
    }
    return (Str){.ptr = stripped, .len = n};
}

static bool is_filler(Str word)
{
    static const Str fillers[] = {STR("table"), STR("into"), STR("from"), STR("index"),
                                  STR("view")};

    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        if (str_equal_nocase(word, fillers[i])) {
            return true;
        }
    }
    return false;
}

static bool summary_verb(Str summary, Relation *ret_relation)
{
    Str word;
    bool quoted;

    while (next_summary_word(&summary, &word, &quoted)) {
        if (!quoted && verb_of(word, ret_relation)) {
            return true;
        }
    }
    return false;
}

/* `INSERT shipping_details SELECT orders`: groups of a verb and its collections. "index" is both a
 * verb and a filler: behind an open group it is skipped, else it opens one. */
static void read_summary(Str summary, Arena *arena, DatabaseAccesses *accesses)
{
    Str word;
    bool quoted;
    bool open = false;
    bool named = false;
    Relation relation = RELATION_ACCESSES;

    while (next_summary_word(&summary, &word, &quoted)) {
        Relation verb;

        if (!quoted && open && is_filler(word)) {
            continue;
        }
        if (!quoted && verb_of(word, &verb)) {
            if (open && !named) {
                add_access(accesses, relation, (Str){0});
            }
            relation = verb;
            open = true;
            named = false;
        } else if (open) {
            Str name = strip_quotes(word, arena);

            if (name.len > 0) {
                add_access(accesses, relation, name);
                named = true;
            }
        }
    }
    if (!named) {
        add_access(accesses, relation, (Str){0});
    }
}

/* ---- the four rules ---- */

static void read_explicit(const DatabaseReading *reading, Str span_name, DatabaseAccesses *accesses)
{
    Relation relation = RELATION_ACCESSES;

    accesses->rule = RULE_DB_EXPLICIT;
    (void)(first_verb(reading->operation, &relation) || summary_verb(reading->summary, &relation) ||
           first_verb_of_query(reading->text, &relation) || first_verb(span_name, &relation));
    for (size_t i = 0; i < reading->n_collections; i++) {
        add_access(accesses, relation, reading->collections[i]);
    }
}

static void read_name(const DatabaseReading *reading, Str span_name, DatabaseAccesses *accesses)
{
    Relation relation = RELATION_ACCESSES;
    Str word;
    Str collection = {0};

    accesses->rule = RULE_DB_NAME;
    if (!first_verb(reading->operation, &relation) &&
        !verb_of(sql_first_word(reading->text), &relation) && next_word(&span_name, &word) &&
        verb_of(word, &relation)) {
        (void)next_word(&span_name, &collection);
    }
    add_access(accesses, relation, collection);
}

void database_read_accesses(const DatabaseReading *reading, Str span_name, Arena *arena,
                            DatabaseAccesses *ret_accesses)
{
    SqlTables tables = {0};

    ret_accesses->count = 0;
    if (reading->n_collections > 0) {
        read_explicit(reading, span_name, ret_accesses);
        return;
    }
    if (reading->summary.len > 0) {
        ret_accesses->rule = RULE_DB_SUMMARY;
        read_summary(reading->summary, arena, ret_accesses);
        return;
    }
    if (reading->text.len > 0) {
        sql_read_tables(reading->text, arena, &tables);
    }
    if (tables.count == 0) {
        read_name(reading, span_name, ret_accesses);
        return;
    }
    ret_accesses->rule = RULE_DB_TEXT;
    for (size_t i = 0; i < tables.count; i++) {
        add_access(ret_accesses, tables.items[i].writes ? RELATION_WRITES : RELATION_READS,
                   tables.items[i].name);
    }
}

/* ---- nodes and edges ---- */

static bool is_embedded(Str system)
{
    static const Str embedded[] = {STR("sqlite"), STR("h2database"), STR("hsqldb"), STR("derby"),
                                   STR("duckdb")};

    for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
        if (str_equal(system, embedded[i])) {
            return true;
        }
    }
    return false;
}

static NodeKey database_key(const World *world, const WorldSpan *span)
{
    const DatabaseReading *reading = span->reading.database;
    const ResourceReading *resource = world_resource(world, span);
    NodeKey key = {.type = NODE_DATABASE,
                   .scope = resource->scope,
                   .environment = resource->environment,
                   .namespace = reading->namespace,
                   .system = reading->system,
                   .address = reading->address};

    if (reading->host.len == 0 && is_embedded(reading->system)) {
        key.owner = world_node_key(world, span->service);
    }
    return key;
}

static void emit_span(World *world, const WorldSpan *span, DatabaseAccesses *accesses)
{
    NodeKey key = database_key(world, span);
    uint32_t targets[DATABASE_ACCESSES_MAX];

    database_read_accesses(span->reading.database, span->span->name, world->arena, accesses);
    for (size_t i = 0; i < accesses->count; i++) {
        bool repeated = false;

        key.part = accesses->items[i].collection;
        key.type = key.part.len > 0 ? NODE_TABLE : NODE_DATABASE;
        targets[i] = world_node(world, &key);
        for (size_t j = 0; j < i && !repeated; j++) {
            repeated = targets[j] == targets[i] &&
                       accesses->items[j].relation == accesses->items[i].relation;
        }
        if (!repeated) {
            world_edge(world, span, span, accesses->items[i].relation, targets[i], accesses->rule);
        }
    }
    if (span->reading.database->address_list.len > 0) {
        key.type = NODE_DATABASE;
        world_label(world, world_node(world, &key), STR("server.address"),
                    span->reading.database->address_list, span);
    }
}

/* A db span among others of its service and system, in depth-first order. */
typedef struct Driver {
    uint32_t service, system;
    uint32_t position, span;
} Driver;

static int compare_drivers(const void *left, const void *right)
{
    const Driver *a = left;
    const Driver *b = right;

    if (a->service != b->service) {
        return a->service < b->service ? -1 : 1;
    }
    if (a->system != b->system) {
        return a->system < b->system ? -1 : 1;
    }
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Systems are told apart by nodes of their own kind, as names are: by their key. */
static uint32_t system_number(World *world, Str system)
{
    NodeKey key = {.type = NODE_DATABASE, .system = system};

    return world_node(world, &key);
}

/*
 * A db span with a db descendant of the same service and system is silent: in depth-first order the
 * next of its kind is that descendant, if there is one.
 */
void database_contribute(World *world)
{
    Driver *drivers = NULL;
    size_t n = 0;

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];

        if (span->reading.class != CLASS_DATABASE) {
            continue;
        }
        if (drivers == NULL) {
            drivers = arena_alloc(world->arena, (world->n_own - i) * sizeof(*drivers));
        }
        drivers[n++] = (Driver){.service = span->service,
                                .system = system_number(world, span->reading.database->system),
                                .position = span->position,
                                .span = i};
    }
    if (n == 0) {
        return;
    }
    qsort(drivers, n, sizeof(*drivers), compare_drivers);
    DatabaseAccesses *accesses = arena_alloc(world->arena, sizeof(*accesses));
    for (size_t i = 0; i < n; i++) {
        const WorldSpan *span = &world->spans[drivers[i].span];
        bool silent = i + 1 < n && drivers[i + 1].service == drivers[i].service &&
                      drivers[i + 1].system == drivers[i].system &&
                      drivers[i + 1].position < span->end;

        if (!silent) {
            emit_span(world, span, accesses);
        }
    }
}
