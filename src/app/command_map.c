// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>

#include "app/asking.h"

/* `weft map`, `weft diff`. */
enum { LISTED_MAX = 50 }; /* changes of a kind that are printed */

static const char *const filters[] = {"scope", "environment", "namespace", "type",
                                      "focus", "hops",        "flow",      "resolve"};

static void append_filters(const Arguments *arguments, Buf *path, char *separator)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        append_parameter(path, separator, filters[i], cli_value(arguments, filters[i], NULL));
    }
}

/* "2026-11-21 08:02" of "2026-11-21T08:02:03.000000004Z". */
static Str time_text(Arena *arena, Str time)
{
    if (time.len < 16) {
        return time;
    }
    return arena_format(arena, "%.10s %.5s", time.ptr, time.ptr + 11);
}

static void print_window(Buf *out, const char *before, JsonView window)
{
    Arena *arena = window.arena;

    buf_append_format(out, "%s%.*s to %.*s UTC", before,
                      STR_ARG(time_text(arena, view_text(view_get(window, "from")))),
                      STR_ARG(time_text(arena, view_text(view_get(window, "to")))));
}

/* A node or an edge of the answer, found once: looking into JSON again for each would be squares.
 */
typedef struct Listed {
    Str id;    /* an edge's: its source */
    Str label; /* a node's name as people say it: a table's behind its database's */
    JsonView view;
} Listed;

typedef struct Picture {
    Arena *arena;
    Listed *nodes, *edges;
    size_t n_nodes, n_edges;
} Picture;

static Listed *list(JsonView array, const char *id, size_t *ret_n)
{
    Listed *items = ARENA_ARRAY(array.arena, Listed, view_count(array) + 1);
    size_t cursor = 0, n = 0;
    JsonView item;

    while (view_next(array, &cursor, &item)) {
        items[n++] = (Listed){.id = view_text(view_get(item, id)), .view = item};
    }
    *ret_n = n;
    return items;
}

static const Listed *find_node(const Picture *picture, Str id)
{
    for (size_t i = 0; i < picture->n_nodes; i++) {
        if (str_equal(picture->nodes[i].id, id)) {
            return &picture->nodes[i];
        }
    }
    return NULL;
}

static Picture picture_read(JsonView part)
{
    Picture picture = {.arena = part.arena};

    picture.nodes = list(view_get(part, "nodes"), "id", &picture.n_nodes);
    picture.edges = list(view_get(part, "edges"), "source", &picture.n_edges);
    for (size_t i = 0; i < picture.n_nodes; i++) {
        Listed *node = &picture.nodes[i];
        Str collection = view_text(view_get(node->view, "collection"));
        const Listed *parent = collection.len == 0
                                   ? NULL
                                   : find_node(&picture, view_text(view_get(node->view, "parent")));

        node->label = collection.len > 0 ? collection : view_text(view_get(node->view, "name"));
        if (parent != NULL) {
            node->label = arena_format(part.arena, "%.*s.%.*s",
                                       STR_ARG(view_text(view_get(parent->view, "name"))),
                                       STR_ARG(collection));
        }
    }
    return picture;
}

static Str label_of(const Picture *picture, Str id)
{
    const Listed *node = find_node(picture, id);

    return node == NULL ? id : node->label;
}

static void print_numbers(Buf *out, uint64_t count, uint64_t errors, JsonView duration)
{
    buf_append_format(out, "%9llu %6.1f %%", (unsigned long long)count,
                      count == 0 ? 0 : 100.0 * (double)errors / (double)count);
    if (duration.raw.len > 0) {
        buf_append_format(
            out, "  p50 %-8.*s p99 %.*s",
            STR_ARG(duration_text(duration.arena, view_u64(view_get(duration, "p50_ns")))),
            STR_ARG(duration_text(duration.arena, view_u64(view_get(duration, "p99_ns")))));
    }
    buf_append_byte(out, '\n');
}

static void print_edge(Buf *out, const Picture *picture, JsonView edge)
{
    JsonView duration = view_get(edge, "duration");

    if (duration.raw.len == 0) {
        duration = view_get(edge, "server_duration");
    }
    buf_append_format(out, "  %-10.*s %-34.*s", STR_ARG(view_text(view_get(edge, "relation"))),
                      STR_ARG(label_of(picture, view_text(view_get(edge, "target")))));
    print_numbers(out, view_u64(view_get(edge, "count")), view_u64(view_get(edge, "errors")),
                  duration);
}

/* A node that does something, with all that it does; others are told by who uses them. */
static void print_source(Buf *out, const Picture *picture, const Listed *node)
{
    uint64_t requests = view_u64(view_get(node->view, "requests"));
    bool is_told = requests > 0;

    if (is_told) {
        buf_append_format(out, "%-47.*s", STR_ARG(node->label));
        print_numbers(out, requests, view_u64(view_get(node->view, "errors")),
                      view_get(node->view, "duration"));
    }
    for (size_t i = 0; i < picture->n_edges; i++) {
        if (!str_equal(picture->edges[i].id, node->id)) {
            continue;
        }
        if (!is_told) {
            buf_append_format(out, "%.*s\n", STR_ARG(node->label));
            is_told = true;
        }
        print_edge(out, picture, picture->edges[i].view);
    }
}

static void print_hops(Buf *out, const Picture *picture, JsonView hops)
{
    size_t cursor = 0;
    JsonView hop;

    if (view_count(hops) > 0) {
        buf_append_str(out, STR("\nmessages\n"));
    }
    while (view_next(hops, &cursor, &hop)) {
        JsonView age = view_get(hop, "age");

        buf_append_format(out, "  %.*s > %.*s > %.*s  %llu",
                          STR_ARG(label_of(picture, view_text(view_get(hop, "producer")))),
                          STR_ARG(label_of(picture, view_text(view_get(hop, "queue")))),
                          STR_ARG(label_of(picture, view_text(view_get(hop, "consumer")))),
                          (unsigned long long)view_u64(view_get(hop, "count")));
        if (age.raw.len > 0) {
            buf_append_format(out, ", waited p50 %.*s p99 %.*s",
                              STR_ARG(duration_text(hop.arena, view_u64(view_get(age, "p50_ns")))),
                              STR_ARG(duration_text(hop.arena, view_u64(view_get(age, "p99_ns")))));
        }
        buf_append_byte(out, '\n');
    }
}

static void print_map(Buf *out, JsonView map)
{
    const Picture picture = picture_read(map);

    buf_append_format(out, "%zu node%s, %zu edge%s, ", picture.n_nodes,
                      picture.n_nodes == 1 ? "" : "s", picture.n_edges,
                      picture.n_edges == 1 ? "" : "s");
    print_window(out, "", map);
    buf_append_str(out, STR("\n\n"));
    if (picture.n_nodes == 0) {
        buf_append_str(out,
                       STR("Nothing happened in this window. --from -24h looks further back.\n"));
        return;
    }
    buf_append_format(out, "%-47s%9s %8s\n", "", "count", "errors");
    for (size_t i = 0; i < picture.n_nodes; i++) {
        print_source(out, &picture, &picture.nodes[i]);
    }
    print_hops(out, &picture, view_get(map, "hops"));
    if (view_get(map, "truncated").raw.len > 0 &&
        !str_equal(view_get(map, "truncated").raw, STR("null"))) {
        buf_append_str(out, STR("\nThe rarest nodes and edges are folded into (other).\n"));
    }
}

static int run_map(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    bool at = cli_flag(arguments, "at") || cli_flag(arguments, "window");
    char separator = '?';

    buf_append_str(&path, STR("/api/v1/map"));
    append_window(arguments, &path, &separator, at ? NULL : "-15m");
    append_parameter(&path, &separator, "at", cli_value(arguments, "at", NULL));
    append_parameter(&path, &separator, "window", cli_value(arguments, "window", NULL));
    append_filters(arguments, &path, &separator);
    int status = asking_get(arguments, &path, "nodes", &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_map);
}

#define FILTER_OPTIONS                                                                             \
    {"environment", "NAME", "only this environment"}, {"scope", "NAME", "only this scope"},        \
        {"namespace", "NAME", "only this namespace"},                                              \
        {"type", "LIST", "only these node types, like service,database,table"},                    \
        {"focus", "NODE", "only around the node with this id"},                                    \
        {"hops", "N", "how far around it"}, {"flow", "NAME", "only what was done for this flow"},  \
        {"resolve", "BOOL", "false: unpaired names stay external nodes"},                          \
        {"json", NULL, "the answer of the API as it is"},                                          \
    {                                                                                              \
        "url", "URL", "the server (default http://localhost:16686)"                                \
    }

static const Option map_options[] = {
    {"from", "T", "start: RFC 3339, Unix time or -15m (default -15m)"},
    {"to", "T", "end (default now)"},
    {"at", "T", "the window that ends at this moment"},
    {"window", "D", "how long before --at, or now (default 5m)"},
    FILTER_OPTIONS,
};

const Command command_map = {.name = "map",
                             .summary = "Print the map of a window",
                             .options = map_options,
                             .n_options = ARRAY_LEN(map_options),
                             .run = run_map};

/* --- weft diff --- */

/* How sure, in words: significance is -log10 of the share of false alarms. */
static const char *certainty(double significance)
{
    return significance >= 6   ? "certain"
           : significance >= 3 ? "very likely"
           : significance >= 2 ? "likely"
                               : "may be chance";
}

static void print_part(Buf *out, const char *title, JsonView part)
{
    const Picture picture = picture_read(part);

    if (picture.n_nodes + picture.n_edges == 0) {
        return;
    }
    buf_append_format(out, "\n%s\n", title);
    for (size_t i = 0; i < MIN(picture.n_nodes, (size_t)LISTED_MAX); i++) {
        const Listed *node = &picture.nodes[i];

        buf_append_format(out, "  %-10.*s %.*s\n", STR_ARG(view_text(view_get(node->view, "type"))),
                          STR_ARG(node->label));
    }
    for (size_t i = 0; i < MIN(picture.n_edges, (size_t)LISTED_MAX); i++) {
        JsonView edge = picture.edges[i].view;

        buf_append_format(out, "  %.*s %.*s %.*s  %llu calls, %s\n",
                          STR_ARG(view_text(view_get(edge, "source_name"))),
                          STR_ARG(view_text(view_get(edge, "relation"))),
                          STR_ARG(view_text(view_get(edge, "target_name"))),
                          (unsigned long long)view_u64(view_get(edge, "count")),
                          certainty(view_double(view_get(edge, "significance"))));
    }
    if (picture.n_nodes > LISTED_MAX || picture.n_edges > LISTED_MAX) {
        buf_append_format(out, "  … %zu nodes and %zu edges in all; --json has them\n",
                          picture.n_nodes, picture.n_edges);
    }
}

static Str value_text(Str what, double value, Arena *arena)
{
    if (str_equal(what, STR("errors"))) {
        return arena_format(arena, "%.3g %%", 100 * value);
    }
    if (str_equal(what, STR("latency"))) {
        return duration_text(arena, (uint64_t)value);
    }
    return arena_format(arena, "%.3g/min", value);
}

static void print_change(Buf *out, JsonView change)
{
    Str what = view_text(view_get(change, "what"));
    double a = view_double(view_get(change, "a")), b = view_double(view_get(change, "b"));
    const char *word = str_equal(what, STR("errors"))    ? (b > a ? "failing" : "healing")
                       : str_equal(what, STR("latency")) ? (b > a ? "slower" : "faster")
                                                         : (b > a ? "busier" : "quieter");

    Str service = view_text(view_get(change, "name")); /* of its requests; none of an edge */
    if (service.len > 0) {
        buf_append_format(out, "  %-8s %.*s", word, STR_ARG(service));
    } else {
        buf_append_format(out, "  %-8s %.*s %.*s %.*s", word,
                          STR_ARG(view_text(view_get(change, "source_name"))),
                          STR_ARG(view_text(view_get(change, "relation"))),
                          STR_ARG(view_text(view_get(change, "target_name"))));
    }
    buf_append_format(out, "  %.*s > %.*s", STR_ARG(value_text(what, a, change.arena)),
                      STR_ARG(value_text(what, b, change.arena)));
    if (str_equal(what, STR("latency"))) {
        buf_append_format(out, " (p%g)", 100 * view_double(view_get(change, "quantile")));
    }
    buf_append_format(out, ", %s\n", certainty(view_double(view_get(change, "significance"))));
}

static void print_changes(Buf *out, const char *title, JsonView changes)
{
    JsonView change;
    size_t cursor = 0, n = 0;

    if (view_count(changes) > 0) {
        buf_append_format(out, "\n%s\n", title);
    }
    while (view_next(changes, &cursor, &change) && n++ < LISTED_MAX) {
        print_change(out, change);
    }
    if (view_count(changes) > LISTED_MAX) {
        buf_append_format(out, "  … %zu in all; --json has them\n", view_count(changes));
    }
}

static void print_diff(Buf *out, JsonView diff)
{
    JsonView changed = view_get(diff, "changed"), requests = view_get(diff, "changed_requests");
    JsonView added = view_get(diff, "added"), removed = view_get(diff, "removed");

    print_window(out, "before  ", view_get(diff, "a"));
    print_window(out, "\nafter   ", view_get(diff, "b"));
    buf_append_byte(out, '\n');
    print_part(out, "new", added);
    print_part(out, "gone", removed);
    print_changes(out, "changed", changed);
    print_changes(out, "requests of services", requests);
    if (view_count(changed) + view_count(requests) + view_count(view_get(added, "edges")) +
            view_count(view_get(removed, "edges")) + view_count(view_get(added, "nodes")) +
            view_count(view_get(removed, "nodes")) ==
        0) {
        buf_append_str(out, STR("\nNothing changed by more than it varies by itself.\n"));
    }
}

static int run_diff(const Arguments *arguments)
{
    static const char *const windows[][2] = {{"a-from", "a_from"}, {"a-to", "a_to"},
                                             {"b-from", "b_from"}, {"b-to", "b_to"},
                                             {"a-at", "a_at"},     {"b-at", "b_at"}};
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    char separator = '?';

    buf_append_str(&path, STR("/api/v1/map/diff"));
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        append_parameter(&path, &separator, windows[i][1],
                         cli_value(arguments, windows[i][0], NULL));
    }
    append_parameter(&path, &separator, "window", cli_value(arguments, "window", NULL));
    append_filters(arguments, &path, &separator);
    int status = asking_get(arguments, &path, "changed", &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_diff);
}

static const Option diff_options[] = {
    {"a-from", "T", "start of the window before: RFC 3339, Unix time or -2h"},
    {"a-to", "T", "its end"},
    {"b-from", "T", "start of the window after (default -1h)"},
    {"b-to", "T", "its end (default now)"},
    {"a-at", "T", "the window before ends at this moment; with --window"},
    {"b-at", "T", "the window after ends at this moment; with --window"},
    {"window", "D", "how long both are (default 5m)"},
    FILTER_OPTIONS,
};

const Command command_diff = {
    .name = "diff",
    .summary = "Compare two windows of the map",
    .details =
        "Without a window before, it is as long as the one after and ends where that begins:\n"
        "`weft diff` compares the last hour with the hour before, `weft diff --b-from -10m` the\n"
        "last ten minutes with the ten before.\n",
    .options = diff_options,
    .n_options = ARRAY_LEN(diff_options),
    .run = run_diff};
