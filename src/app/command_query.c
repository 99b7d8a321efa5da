// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "app/client.h"
#include "serve/api/json_view.h"

/*
 * `weft map`, `weft search`, `weft trace`: the API at a terminal. Each asks one path, prints the
 * answer as it is with --json, else for people.
 */
enum { BAR_WIDTH = 40, NAME_WIDTH = 46 };

static const char default_url[] = "http://localhost:16686";

typedef struct Answer {
    Buf body;
    Arena arena;
} Answer;

static void answer_deinit(Answer *answer)
{
    buf_deinit(&answer->body);
    arena_deinit(&answer->arena);
}

/* Asks @path. Returns EXIT_DONE with the answer, else tells why not. */
static int ask(const Arguments *arguments, Buf *path, Answer *answer)
{
    CLEANUP(buf_deinit) Buf why = {0};
    Client *client = client_new(cli_value(arguments, "url", default_url));
    int status = client_get(client, buf_cstr(path), &answer->body, &why);

    client_free(client);
    if (status < 0) {
        return cli_fail("%s. Is `weft serve` running? --url tells where.", buf_cstr(&why));
    }
    if (status != 200) {
        JsonView error = view_get((JsonView){buf_str(&answer->body), &answer->arena}, "error");
        Str message = view_text(view_get(error, "message")),
            hint = view_text(view_get(error, "hint"));

        return cli_fail("%.*s%s%.*s (HTTP %d)", STR_ARG(message), hint.len > 0 ? ". " : "",
                        STR_ARG(hint), status);
    }
    return EXIT_DONE;
}

static void append_parameter(Buf *path, char *separator, const char *name, const char *value)
{
    if (value != NULL) {
        buf_append_format(path, "%c%s=", *separator, name);
        client_append_encoded(path, str_from_cstr(value));
        *separator = '&';
    }
}

static void append_window(const Arguments *arguments, Buf *path, char *separator, const char *from)
{
    append_parameter(path, separator, "from", cli_value(arguments, "from", from));
    append_parameter(path, separator, "to", cli_value(arguments, "to", NULL));
}

/* "1.23 s", "45 ms", "870 µs": three significant digits at most. */
static Str duration_text(Arena *arena, uint64_t ns)
{
    static const struct {
        double factor;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((double)ns >= units[i].factor) {
            return arena_format(arena, "%.3g %s", (double)ns / units[i].factor, units[i].unit);
        }
    }
    return arena_format(arena, "%llu ns", (unsigned long long)ns);
}

static Str node_label(JsonView nodes, Str id)
{
    size_t cursor = 0;
    JsonView node;

    while (view_next(nodes, &cursor, &node)) {
        if (!str_equal(view_text(view_get(node, "id")), id)) {
            continue;
        }
        Str name = view_text(view_get(node, "name")),
            collection = view_text(view_get(node, "collection"));
        return collection.len > 0 ? collection : name;
    }
    return id;
}

static void print_edge(Buf *out, JsonView nodes, JsonView edge)
{
    uint64_t count = view_u64(view_get(edge, "count")), errors = view_u64(view_get(edge, "errors"));
    JsonView duration = view_get(edge, "duration");

    buf_append_format(out, "%-20.*s %-10.*s %-24.*s %8llu",
                      STR_ARG(node_label(nodes, view_text(view_get(edge, "source")))),
                      STR_ARG(view_text(view_get(edge, "relation"))),
                      STR_ARG(node_label(nodes, view_text(view_get(edge, "target")))),
                      (unsigned long long)count);
    buf_append_format(out, "  %5.1f %%", count == 0 ? 0 : 100.0 * (double)errors / (double)count);
    if (duration.raw.len > 0) {
        buf_append_format(
            out, "  p50 %-8.*s p99 %.*s",
            STR_ARG(duration_text(edge.arena, view_u64(view_get(duration, "p50_ns")))),
            STR_ARG(duration_text(edge.arena, view_u64(view_get(duration, "p99_ns")))));
    }
    buf_append_byte(out, '\n');
}

static void print_map(Buf *out, JsonView map)
{
    JsonView nodes = view_get(map, "nodes"), edges = view_get(map, "edges"), edge;
    size_t cursor = 0;

    buf_append_format(out, "%zu nodes, %zu edges, %.*s to %.*s\n\n", view_count(nodes),
                      view_count(edges), STR_ARG(view_text(view_get(map, "from"))),
                      STR_ARG(view_text(view_get(map, "to"))));
    if (view_count(edges) == 0) {
        buf_append_str(out,
                       STR("Nothing happened in this window. --from -24h looks further back.\n"));
        return;
    }
    buf_append_format(out, "%-20s %-10s %-24s %8s  %7s\n", "source", "relation", "target", "count",
                      "errors");
    while (view_next(edges, &cursor, &edge)) {
        print_edge(out, nodes, edge);
    }
}

static int print_answer(const Arguments *arguments, Answer *answer, void (*print)(Buf *, JsonView))
{
    CLEANUP(buf_deinit) Buf out = {0};

    if (cli_flag(arguments, "json")) {
        buf_append_str(&out, buf_str(&answer->body));
        if (out.len > 0 && out.ptr[out.len - 1] != '\n') {
            buf_append_byte(&out, '\n');
        }
    } else {
        print(&out, (JsonView){buf_str(&answer->body), &answer->arena});
    }
    cli_print(&out);
    return EXIT_DONE;
}

static int run_map(const Arguments *arguments)
{
    static const char *const filters[] = {"at",   "window", "scope", "environment", "namespace",
                                          "type", "focus",  "hops",  "flow"};
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    char separator = '?';

    buf_append_str(&path, STR("/api/v1/map"));
    append_window(arguments, &path, &separator, cli_flag(arguments, "at") ? NULL : "-15m");
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        append_parameter(&path, &separator, filters[i], cli_value(arguments, filters[i], NULL));
    }
    int status = ask(arguments, &path, &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_map);
}

static const Option map_options[] = {
    {"from", "T", "start: RFC 3339, Unix time or -15m (default -15m)"},
    {"to", "T", "end (default now)"},
    {"at", "T", "a moment, with --window around it"},
    {"window", "D", "length of the window before --at"},
    {"environment", "NAME", "only this environment"},
    {"scope", "NAME", "only this scope"},
    {"namespace", "NAME", "only this namespace"},
    {"type", "LIST", "only these node types, like service,database,table"},
    {"focus", "NODE", "only around the node with this id"},
    {"hops", "N", "how far around it"},
    {"flow", "NAME", "only what was done for this flow"},
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_map = {.name = "map",
                             .summary = "Print the map of a window",
                             .options = map_options,
                             .n_options = ARRAY_LEN(map_options),
                             .run = run_map};

static void print_traces(Buf *out, JsonView answer)
{
    JsonView items = view_get(answer, "items"), item;
    size_t cursor = 0, count = 0;

    while (view_next(items, &cursor, &item)) {
        uint64_t errors = view_u64(view_get(item, "errors"));

        buf_append_format(
            out, "%.23s  %-32.*s %9.*s %5llu spans  %.*s %.*s%s\n",
            view_text(view_get(item, "start")).ptr, STR_ARG(view_text(view_get(item, "trace_id"))),
            STR_ARG(duration_text(item.arena, view_u64(view_get(item, "duration_ns")))),
            (unsigned long long)view_u64(view_get(item, "spans")),
            STR_ARG(view_text(view_get(item, "root_service"))),
            STR_ARG(view_text(view_get(item, "root_name"))), errors > 0 ? "  [error]" : "");
        count++;
    }
    if (count == 0) {
        buf_append_str(out,
                       STR("No trace matches. An empty query lists the newest: weft search ''\n"));
    }
}

static int run_search(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    char separator = '?';

    if (arguments->n_operands > 1) {
        return cli_usage("search takes one query; quote it: weft search '{ duration > 1s }'");
    }
    buf_append_str(&path, STR("/api/v1/traces"));
    append_parameter(&path, &separator, "q",
                     arguments->n_operands == 1 ? arguments->operands[0] : NULL);
    append_window(arguments, &path, &separator, NULL);
    append_parameter(&path, &separator, "limit", cli_value(arguments, "limit", "20"));
    append_parameter(&path, &separator, "cursor", cli_value(arguments, "cursor", NULL));
    int status = ask(arguments, &path, &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_traces);
}

static const Option search_options[] = {
    {"from", "T", "start: RFC 3339, Unix time or -15m (default: all)"},
    {"to", "T", "end (default now)"},
    {"limit", "N", "traces at most (default 20)"},
    {"cursor", "C", "the next page, from the answer before"},
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_search = {
    .name = "search",
    .operands = "[QUERY]",
    .summary = "Find traces, newest first",
    .details =
        "QUERY is TraceQL, like: { resource.service.name = \"checkout\" && duration > 1s }\n",
    .options = search_options,
    .n_options = ARRAY_LEN(search_options),
    .run = run_search};

static void print_bar(Buf *out, double from, double to)
{
    size_t first = (size_t)(from * BAR_WIDTH), last = (size_t)(to * BAR_WIDTH);

    for (size_t i = 0; i < BAR_WIDTH; i++) {
        buf_append_str(out, i >= first && (i < last || i == first) ? STR("━") : STR(" "));
    }
}

/* Nanoseconds into the second from "…T08:02:03.000000004Z", with minutes and hours: enough to place
 * spans of a trace within a day. */
static uint64_t time_of_day_ns(Str time)
{
    uint64_t hour, minute, second, ns;

    if (time.len != 30 || str_parse_u64(str_slice(time, 11, 13), &hour) != 0 ||
        str_parse_u64(str_slice(time, 14, 16), &minute) != 0 ||
        str_parse_u64(str_slice(time, 17, 19), &second) != 0 ||
        str_parse_u64(str_slice(time, 20, 29), &ns) != 0) {
        return 0;
    }
    return ((hour * 60 + minute) * 60 + second) * 1000000000 + ns;
}

static void print_span(Buf *out, JsonView span, uint64_t trace_start, uint64_t trace_duration)
{
    static const uint64_t day = 86400000000000;
    uint64_t duration = view_u64(view_get(span, "duration_ns"));
    uint64_t offset =
        (time_of_day_ns(view_text(view_get(span, "start"))) + day - trace_start) % day;
    double scale = trace_duration == 0 ? 1 : (double)trace_duration;
    Str code = view_text(view_get(view_get(span, "status"), "code"));
    CLEANUP(buf_deinit) Buf name = {0};

    for (uint64_t i = 0; i < MIN(view_u64(view_get(span, "depth")), (uint64_t)16); i++) {
        buf_append_str(&name, STR("  "));
    }
    buf_append_format(&name, "%.*s %.*s", STR_ARG(view_text(view_get(span, "service"))),
                      STR_ARG(view_text(view_get(span, "name"))));
    buf_append_format(out, "%-*.*s ", NAME_WIDTH, NAME_WIDTH, buf_cstr(&name));
    print_bar(out, MIN((double)offset / scale, 1.0), MIN((double)(offset + duration) / scale, 1.0));
    buf_append_format(out, " %9.*s%s\n", STR_ARG(duration_text(span.arena, duration)),
                      str_equal(code, STR("error")) ? "  error" : "");
}

static void print_trace(Buf *out, JsonView trace)
{
    JsonView spans = view_get(trace, "spans"), span;
    uint64_t start = time_of_day_ns(view_text(view_get(trace, "start")));
    uint64_t duration = view_u64(view_get(trace, "duration_ns"));
    size_t cursor = 0;

    buf_append_format(out, "trace %.*s  %.*s  %.*s  %zu spans  %llu errors\n\n",
                      STR_ARG(view_text(view_get(trace, "trace_id"))),
                      STR_ARG(view_text(view_get(trace, "start"))),
                      STR_ARG(duration_text(trace.arena, duration)), view_count(spans),
                      (unsigned long long)view_u64(view_get(trace, "errors")));
    while (view_next(spans, &cursor, &span)) {
        print_span(out, span, start, duration);
    }
}

static int run_trace(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};

    if (arguments->n_operands != 1) {
        return cli_usage("trace takes one trace id; weft search finds some");
    }
    buf_append_str(&path, STR("/api/v1/traces/"));
    client_append_encoded(&path, str_from_cstr(arguments->operands[0]));
    int status = ask(arguments, &path, &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_trace);
}

static const Option trace_options[] = {
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_trace = {.name = "trace",
                               .operands = "ID",
                               .summary = "Print one trace as a waterfall",
                               .options = trace_options,
                               .n_options = ARRAY_LEN(trace_options),
                               .run = run_trace};
