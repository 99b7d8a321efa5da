// SPDX-License-Identifier: Apache-2.0
#include "app/asking.h"

#include "app/client.h"

/* `weft flows` and `weft flow NAME`: business flows at a terminal. */
enum { SHOWN_MAX = 20 }; /* variants, touches */

static uint64_t number(JsonView object, const char *key)
{
    return view_u64(view_get(object, key));
}

static Str text(JsonView object, const char *key)
{
    return view_text(view_get(object, key));
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static Str quantile(JsonView object, const char *key, const char *which)
{
    JsonView duration = view_get(object, key);

    return duration.raw.len == 0 ? STR("-")
                                 : duration_text(object.arena, view_u64(view_get(duration, which)));
}

static void print_flows(Buf *out, JsonView answer)
{
    JsonView items = view_get(answer, "items"), item;
    size_t cursor = 0, count = 0;

    buf_append_format(out, "%-28s %-12s %8s %8s %9s %9s %6s %8s  %s\n", "flow", "environment",
                      "runs", "failed", "p50", "p99", "steps", "variants", "from");
    while (view_next(items, &cursor, &item)) {
        buf_append_format(out, "%-28.*s %-12.*s %8llu %6.1f %% %9.*s %9.*s %6llu %8llu  %s\n",
                          STR_ARG(text(item, "name")), STR_ARG(text(item, "environment")),
                          (unsigned long long)number(item, "runs"),
                          percent(number(item, "failures"), number(item, "runs")),
                          STR_ARG(quantile(item, "duration", "p50_ns")),
                          STR_ARG(quantile(item, "duration", "p99_ns")),
                          (unsigned long long)number(item, "steps"),
                          (unsigned long long)number(item, "variants"),
                          view_is_true(view_get(item, "defined")) ? "definition" : "attributes");
        count++;
    }
    if (count == 0) {
        buf_clear(out);
        buf_append_str(out, STR("No flow ran in this window. --from -30d looks further back; spans "
                                "name flows by coordimap.flow.name.\n"));
    }
}

static void print_steps(Buf *out, JsonView flow)
{
    JsonView steps = view_get(flow, "steps"), step;
    size_t cursor = 0;

    buf_append_format(out, "\n%-28s %8s %8s %8s %8s %9s %9s\n", "step", "runs", "again", "failed",
                      "ends", "p50", "p99");
    while (view_next(steps, &cursor, &step)) {
        buf_append_format(
            out, "%-28.*s %8llu %8llu %8llu %8llu %9.*s %9.*s\n", STR_ARG(text(step, "name")),
            (unsigned long long)number(step, "runs"), (unsigned long long)number(step, "rework"),
            (unsigned long long)number(step, "errors"), (unsigned long long)number(step, "ends"),
            STR_ARG(quantile(step, "duration", "p50_ns")),
            STR_ARG(quantile(step, "duration", "p99_ns")));
    }
}

static void print_follows(Buf *out, JsonView flow)
{
    JsonView follows = view_get(flow, "follows"), next;
    size_t cursor = 0;

    buf_append_format(out, "\n%-28s %-28s %8s %9s %9s\n", "from", "to", "count", "wait p50",
                      "wait p99");
    while (view_next(follows, &cursor, &next)) {
        buf_append_format(out, "%-28.*s %-28.*s %8llu %9.*s %9.*s\n", STR_ARG(text(next, "from")),
                          STR_ARG(text(next, "to")), (unsigned long long)number(next, "count"),
                          STR_ARG(quantile(next, "wait", "p50_ns")),
                          STR_ARG(quantile(next, "wait", "p99_ns")));
    }
}

static void print_sequence(Buf *out, JsonView sequence)
{
    JsonView step;
    size_t at = 0;

    for (bool first = true; view_next(sequence, &at, &step); first = false) {
        buf_append_format(out, "%s%.*s", first ? "" : " > ", STR_ARG(view_text(step)));
    }
    buf_append_byte(out, '\n');
}

static void print_variants(Buf *out, JsonView flow)
{
    JsonView variants = view_get(flow, "variants"), variant;
    size_t cursor = 0;

    buf_append_str(out, STR("\nvariants\n"));
    for (size_t shown = 0; shown < SHOWN_MAX && view_next(variants, &cursor, &variant); shown++) {
        buf_append_format(out, "%8llu %5.1f %%  ", (unsigned long long)number(variant, "runs"),
                          percent(number(variant, "runs"), number(flow, "runs")));
        print_sequence(out, view_get(variant, "sequence"));
    }
}

static void print_touches(Buf *out, JsonView flow)
{
    JsonView touches = view_get(flow, "touches"), touch;
    size_t cursor = 0;

    buf_append_str(out, STR("\ntouches\n"));
    while (view_next(touches, &cursor, &touch)) {
        buf_append_format(out, "%-28.*s %-10.*s %-28.*s %8llu\n", STR_ARG(text(touch, "step")),
                          STR_ARG(text(touch, "relation")), STR_ARG(text(touch, "name")),
                          (unsigned long long)number(touch, "count"));
    }
}

static void print_flow(Buf *out, JsonView flow)
{
    buf_append_format(out, "%.*s: %llu runs, %llu failed, p50 %.*s, p99 %.*s\n",
                      STR_ARG(text(flow, "name")), (unsigned long long)number(flow, "runs"),
                      (unsigned long long)number(flow, "failures"),
                      STR_ARG(quantile(flow, "duration", "p50_ns")),
                      STR_ARG(quantile(flow, "duration", "p99_ns")));
    print_steps(out, flow);
    print_follows(out, flow);
    print_variants(out, flow);
    print_touches(out, flow);
}

static const char *again(JsonView came)
{
    return view_is_true(view_get(came, "again")) ? " (again)" : "";
}

static void print_names(Buf *out, JsonView elements, const char *sign)
{
    JsonView item;
    size_t cursor = 0;

    while (view_next(view_get(elements, "steps"), &cursor, &item)) {
        buf_append_format(out, "  %s %.*s%s\n", sign, STR_ARG(text(item, "name")), again(item));
    }
    cursor = 0;
    while (view_next(view_get(elements, "follows"), &cursor, &item)) {
        buf_append_format(out, "  %s %.*s > %.*s%s\n", sign, STR_ARG(text(item, "from")),
                          STR_ARG(text(item, "to")), again(item));
    }
}

/* "2026-11-27T19:26" */
static Str minute_text(JsonView object, const char *key)
{
    return str_slice(text(object, key), 0, 16);
}

static void print_deploys(Buf *out, JsonView deploys)
{
    JsonView deploy;
    size_t cursor = 0;

    while (view_next(deploys, &cursor, &deploy)) {
        buf_append_format(out, "  deploy of %.*s %.*s at %.*s\n", STR_ARG(text(deploy, "name")),
                          STR_ARG(text(deploy, "version")), STR_ARG(minute_text(deploy, "time")));
    }
}

/* Those that came or went in the window. */
static void print_variant_lives(Buf *out, JsonView variants)
{
    JsonView variant, interval;
    size_t cursor = 0;
    bool told = false;

    while (view_next(variants, &cursor, &variant)) {
        size_t at = 0;

        while (view_next(view_get(variant, "intervals"), &at, &interval)) {
            bool before = view_is_true(view_get(interval, "before"));
            bool ongoing = view_is_true(view_get(interval, "ongoing"));

            if (before && ongoing) {
                continue;
            }
            buf_append_str(out, told ? (Str){0} : STR("\nVariants that came or went\n"));
            told = true;
            buf_append_format(out, "  %.*s to %.*s  ",
                              STR_ARG(before ? STR("before") : minute_text(interval, "from")),
                              STR_ARG(ongoing ? STR("now") : minute_text(interval, "to")));
            print_sequence(out, view_get(variant, "sequence"));
        }
    }
}

static void print_history(Buf *out, JsonView history)
{
    JsonView versions = view_get(history, "versions"), version;
    size_t cursor = 0;

    buf_append_format(out, "%.*s: versions of its shape\n", STR_ARG(text(history, "name")));
    while (view_next(versions, &cursor, &version)) {
        buf_append_format(out, "\n%.*s  version %llu: %llu steps, %llu transitions\n",
                          STR_ARG(minute_text(version, "time")),
                          (unsigned long long)number(version, "version"),
                          (unsigned long long)number(version, "steps"),
                          (unsigned long long)number(version, "follows"));
        print_deploys(out, view_get(version, "deploys"));
        print_names(out, view_get(version, "came"), "+");
        print_names(out, view_get(version, "went"), "-");
    }
    print_variant_lives(out, view_get(history, "variants"));
}

static int run_flows(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    char separator = '?';

    buf_append_str(&path, STR("/api/v1/flows"));
    append_window(arguments, &path, &separator, "-24h");
    append_parameter(&path, &separator, "limit", cli_value(arguments, "limit", NULL));
    int status = asking_get(arguments, &path, "items", &answer);
    return status != EXIT_DONE ? status : print_answer(arguments, &answer, print_flows);
}

static int run_flow(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(answer_deinit) Answer answer = {0};
    char separator = '?';
    bool history = cli_flag(arguments, "history");

    if (arguments->n_operands != 1) {
        return cli_usage("flow takes the name of one flow; weft flows lists them");
    }
    buf_append_str(&path, STR("/api/v1/flows/"));
    client_append_encoded(&path, str_from_cstr(arguments->operands[0]));
    if (history) {
        buf_append_str(&path, STR("/history"));
    }
    append_window(arguments, &path, &separator, "-24h");
    append_parameter(&path, &separator, "scope", cli_value(arguments, "scope", NULL));
    append_parameter(&path, &separator, "environment", cli_value(arguments, "environment", NULL));
    if (history) {
        append_parameter(&path, &separator, "step", cli_value(arguments, "step", NULL));
    }
    int status = asking_get(arguments, &path, history ? "versions" : "steps", &answer);
    return status != EXIT_DONE
               ? status
               : print_answer(arguments, &answer, history ? print_history : print_flow);
}

static const Option flows_options[] = {
    {"from", "T", "start: RFC 3339, Unix time or -15m (default -24h)"},
    {"to", "T", "end (default now)"},
    {"limit", "N", "flows at most"},
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_flows = {.name = "flows",
                               .summary = "List business flows",
                               .options = flows_options,
                               .n_options = ARRAY_LEN(flows_options),
                               .run = run_flows};

static const Option flow_options[] = {
    {"from", "T", "start: RFC 3339, Unix time or -15m (default -24h)"},
    {"to", "T", "end (default now)"},
    {"scope", "NAME", "only in this scope"},
    {"environment", "NAME", "only in this environment"},
    {"history", NULL, "the versions of its shape instead: which steps came and went, and deploys"},
    {"step", "T", "with --history: to what time a change is told, as 5m"},
    {"json", NULL, "the answer of the API as it is"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_flow = {
    .name = "flow",
    .operands = "NAME",
    .summary = "Print one flow: its steps, transitions, variants, and what they touch",
    .options = flow_options,
    .n_options = ARRAY_LEN(flow_options),
    .run = run_flow};
