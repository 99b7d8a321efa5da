// SPDX-License-Identifier: Apache-2.0
#include "app/asking.h"

#include "app/client.h"

/* `weft search`, `weft trace`. */
enum { BAR_WIDTH = 40, NAME_WIDTH = 46 };

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
    int status = asking_get(arguments, &path, "items", &answer);
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

static void print_deleted(Buf *out, JsonView answer)
{
    buf_append_format(out, "trace %.*s is deleted\n",
                      STR_ARG(view_text(view_get(answer, "trace_id"))));
}

static int run_trace(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};

    bool deletes = arguments->n_operands == 2 &&
                   str_equal(str_from_cstr(arguments->operands[0]), STR("delete"));
    if (arguments->n_operands != 1 && !deletes) {
        return cli_usage("trace takes one trace id, or delete and one; weft search finds some");
    }
    buf_append_str(&path, STR("/api/v1/traces/"));
    client_append_encoded(&path, str_from_cstr(arguments->operands[deletes ? 1 : 0]));
    int status = deletes ? asking_delete(arguments, &path, "trace_id", &answer)
                         : asking_get(arguments, &path, "spans", &answer);
    return status != EXIT_DONE
               ? status
               : print_answer(arguments, &answer, deletes ? print_deleted : print_trace);
}

static const Option trace_options[] = {
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_trace = {.name = "trace",
                               .operands = "[delete] ID",
                               .summary = "Print one trace as a waterfall, or delete it",
                               .options = trace_options,
                               .n_options = ARRAY_LEN(trace_options),
                               .run = run_trace};
