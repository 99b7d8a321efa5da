// SPDX-License-Identifier: Apache-2.0
#include "serve/mcp/digest.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "serve/api/json_view.h"

typedef struct NodeName {
    Str id, name;
} NodeName;

typedef struct Digest {
    Arena arena;
    Buf *text;
    JsonView answer;
    NodeName *names; /* by id */
    size_t n_names, names_capacity;
} Digest;

/* ---- names for ids ---- */

static int compare_names(const void *a, const void *b)
{
    return str_compare(((const NodeName *)a)->id, ((const NodeName *)b)->id);
}

/* The member at a path of keys with dots between. */
static JsonView at_path(Digest *digest, JsonView value, Str path)
{
    Str key;
    bool more = true;

    while (more && value.raw.len > 0) {
        more = str_split(path, '.', &key, &path);
        value = view_get(value, arena_format(&digest->arena, "%.*s", STR_ARG(key)).ptr);
    }
    return value;
}

/* "orders (table in shop)": what tells a node apart for people. */
static Str name_of_node(Digest *digest, JsonView node)
{
    Str name = view_text(view_get(node, "name"));
    Str type = view_text(view_get(node, "type"));
    Str collection = view_text(view_get(node, "collection"));
    Str system = view_text(view_get(node, "system"));

    if (collection.len > 0) {
        return arena_format(&digest->arena, "%.*s.%.*s", STR_ARG(name), STR_ARG(collection));
    }
    if (str_equal(type, STR("service")) || type.len == 0) {
        return name;
    }
    return arena_format(&digest->arena, "%.*s%s%.*s (%.*s)", STR_ARG(system),
                        system.len > 0 ? ":" : "", STR_ARG(name), STR_ARG(type));
}

static void learn_names(Digest *digest, const char *list)
{
    JsonView nodes = at_path(digest, digest->answer, str_from_cstr(list)), node;
    size_t cursor = 0;

    while (view_next(nodes, &cursor, &node)) {
        Str id = view_text(view_get(node, "id"));

        if (id.len > 0) {
            ARRAY_RESERVE(digest->names, digest->n_names, digest->names_capacity);
            digest->names[digest->n_names++] = (NodeName){id, name_of_node(digest, node)};
        }
    }
}

static Str name_for(const Digest *digest, Str text)
{
    const NodeName wanted = {.id = text};
    const NodeName *found = digest->n_names == 0 ? NULL
                                                 : bsearch(&wanted, digest->names, digest->n_names,
                                                           sizeof(*digest->names), compare_names);

    return found == NULL ? text : found->name;
}

/* ---- values ---- */

static void append_duration(Buf *text, double ns)
{
    static const struct {
        double factor;
        const char *unit;
    } units[] = {{3600e9, "h"}, {60e9, "min"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (ns >= units[i].factor) {
            buf_append_format(text, "%.3g %s", ns / units[i].factor, units[i].unit);
            return;
        }
    }
    buf_append_format(text, "%.3g ns", ns);
}

static void append_value(Digest *digest, Str column, JsonView value);

/* "a > b > c": sequences read like that, and other lists well enough. */
static void append_list(Digest *digest, Str column, JsonView list)
{
    size_t cursor = 0;
    JsonView item;

    for (bool first = true; view_next(list, &cursor, &item); first = false) {
        buf_append_str(digest->text, first ? STR("") : STR(" > "));
        append_value(digest, column, item);
    }
}

/* A value on one line, whatever it holds. */
static void append_value(Digest *digest, Str column, JsonView value)
{
    Str text = name_for(digest, view_text(value));

    if (text.len > 0 && text.ptr[0] == '[' && value.raw.ptr[0] == '[') {
        append_list(digest, column, value);
        return;
    }

    if (str_ends_with(column, STR("_ns")) && text.len > 0) {
        append_duration(digest->text, view_double(value));
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];

        buf_append_byte(digest->text, byte == '\n' || byte == '\r' ? ' ' : (uint8_t)byte);
    }
}

static void append_facts(Digest *digest, const char *facts)
{
    Str rest = str_from_cstr(facts), fact;
    bool more = rest.len > 0;

    while (more) {
        more = str_split(rest, ' ', &fact, &rest);
        JsonView value = at_path(digest, digest->answer, fact);
        Str text = view_text(value);

        if (text.len > 0 && !str_equal(text, STR("false"))) {
            buf_append_format(digest->text, "%.*s: ", STR_ARG(fact));
            append_value(digest, fact, value);
            buf_append_byte(digest->text, '\n');
        }
    }
}

/* ---- tables ---- */

typedef struct Row {
    JsonView item;
    double weight;
    size_t place;
} Row;

static int compare_weights(const void *a, const void *b)
{
    const Row *left = a, *right = b;

    return left->weight != right->weight
               ? (left->weight < right->weight) - (left->weight > right->weight)
               : (left->place > right->place) - (left->place < right->place);
}

static int compare_places(const void *a, const void *b)
{
    const Row *left = a, *right = b;

    return (left->place > right->place) - (left->place < right->place);
}

static Row *read_rows(Digest *digest, const DigestTable *table, size_t *ret_n)
{
    JsonView list = at_path(digest, digest->answer, str_from_cstr(table->list)), item;
    size_t cursor = 0, n = view_count(list), i = 0;
    Row *rows = ARENA_ARRAY(&digest->arena, Row, n);

    while (i < n && view_next(list, &cursor, &item)) {
        rows[i] = (Row){.item = item, .place = i};
        if (table->order != NULL) {
            rows[i].weight = view_double(at_path(digest, item, str_from_cstr(table->order)));
        }
        i++;
    }
    *ret_n = i;
    return rows;
}

static void append_row(Digest *digest, const DigestTable *table, const Row *row)
{
    Str rest = str_from_cstr(table->columns), column;
    bool more = true;

    for (size_t i = 0; more && i < DIGEST_COLUMNS_MAX; i++) {
        more = str_split(rest, ' ', &column, &rest);
        buf_append_str(digest->text, i == 0 ? STR("") : STR(" | "));
        append_value(digest, column, at_path(digest, row->item, column));
    }
    buf_append_byte(digest->text, '\n');
}

static void append_header(Digest *digest, const DigestTable *table, size_t n, size_t shown)
{
    Str rest = str_from_cstr(table->columns), column;
    bool more = true;

    buf_append_format(digest->text, "\n%s (%zu", table->title, n);
    if (shown < n) {
        buf_append_format(digest->text, ", %zu shown", shown);
    }
    buf_append_str(digest->text, STR("):\n"));
    for (size_t i = 0; more && i < DIGEST_COLUMNS_MAX; i++) {
        more = str_split(rest, ' ', &column, &rest);
        buf_append_format(digest->text, "%s%.*s", i == 0 ? "" : " | ", STR_ARG(column));
    }
    buf_append_byte(digest->text, '\n');
}

static void append_table(Digest *digest, const DigestTable *table)
{
    size_t n = 0;
    Row *rows = read_rows(digest, table, &n);
    size_t shown = MIN(n, table->rows_max);

    if (n == 0) {
        return;
    }
    if (shown < n && table->order != NULL) {
        qsort(rows, n, sizeof(*rows), compare_weights);
        qsort(rows, shown, sizeof(*rows), compare_places);
    }
    append_header(digest, table, n, shown);
    for (size_t i = 0; i < shown; i++) {
        append_row(digest, table, &rows[i]);
    }
}

void digest_write(Str answer, const char *facts, const DigestTable *tables, Buf *ret_text)
{
    static const char *const node_lists[] = {"nodes", "added.nodes", "removed.nodes"};
    Digest digest = {.text = ret_text};

    digest.answer = (JsonView){.raw = answer, .arena = &digest.arena};
    for (size_t i = 0; i < ARRAY_LEN(node_lists); i++) {
        learn_names(&digest, node_lists[i]);
    }
    if (digest.n_names > 1) {
        qsort(digest.names, digest.n_names, sizeof(*digest.names), compare_names);
    }
    append_facts(&digest, facts);
    for (size_t i = 0; tables[i].list != NULL; i++) {
        append_table(&digest, &tables[i]);
    }
    mem_free(digest.names);
    arena_deinit(&digest.arena);
}
