// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "codec/hash.h"
#include "codec/varint.h"
#include "map/flow/runs.h"
#include "query/search.h"
#include "serve/api/api_flows.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

enum {
    RUNS_LIMIT_DEFAULT = 100,
    FLOWS_OF_NAME_MAX = 64,  /* scopes and environments in which a run id is looked for */
    ENTITY_LINKS_MAX = 1000, /* shown of a business object: its first */
    ITEM_STEPS_MAX = 200,    /* shown of each run of a list, ... */
    ITEM_TRACES_MAX = 100,
    RUN_SPANS_MAX = 10000,     /* ... and of one run: its first steps, envelopes, traces */
    CRITICAL_STEPS_MAX = 2000, /* of a run with more no critical path is told */
};

/* ---- steps of one run ---- */

/* A step of a run with what the others make of it. */
typedef struct PlacedStep {
    bool critical;     /* the run would have been shorter without it */
    uint64_t slack_ns; /* how much later it could have ended, else */
} PlacedStep;

static size_t last_ending(const Member *steps, size_t n, uint64_t before_ns, const bool *taken)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < n; i++) {
        if (!taken[i] && steps[i].end_ns <= before_ns &&
            (best == SIZE_MAX || steps[i].end_ns > steps[best].end_ns)) {
            best = i;
        }
    }
    return best;
}

/* The critical path, from the end: the step that ended last, before it the one that ended last
 * before that began, and so on. What is not on it could have ended when the next one on it began.
 */
static PlacedStep *place_steps(const Member *steps, size_t n, Arena *arena)
{
    PlacedStep *placed = ARENA_ARRAY(arena, PlacedStep, n + 1);
    bool *taken = ARENA_ARRAY(arena, bool, n + 1);
    uint64_t end_ns = UINT64_MAX;
    uint64_t run_end_ns = 0;

    if (n > CRITICAL_STEPS_MAX) {
        return placed;
    }
    for (size_t at = last_ending(steps, n, end_ns, taken); at != SIZE_MAX;
         at = last_ending(steps, n, end_ns, taken)) {
        taken[at] = placed[at].critical = true;
        run_end_ns = MAX(run_end_ns, steps[at].end_ns);
        end_ns = steps[at].start_ns;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t limit_ns = run_end_ns;

        for (size_t k = 0; k < n && !placed[i].critical; k++) {
            if (placed[k].critical && steps[k].start_ns >= steps[i].end_ns) {
                limit_ns = MIN(limit_ns, steps[k].start_ns);
            }
        }
        placed[i].slack_ns =
            placed[i].critical || limit_ns < steps[i].end_ns ? 0 : limit_ns - steps[i].end_ns;
    }
    return placed;
}

static void service_write(JsonWriter *json, Str key_bytes)
{
    CLEANUP(buf_deinit) Buf id = {0};
    NodeKey key;

    if (node_key_parse(key_bytes, &key) != 0) {
        return;
    }
    node_id_append(key_bytes, &id);
    json_key_open(json, "service", '{');
    json_key_string(json, "id", buf_str(&id));
    json_key_string(json, "name", key.name);
    json_key_string(json, "namespace", key.namespace);
    json_key_string(json, "scope", key.scope);
    json_key_string(json, "environment", key.environment);
    json_close(json, '}');
}

static void span_fields_write(JsonWriter *json, const Member *member)
{
    service_write(json, member->service);
    json_key_hex(json, "trace_id", member->trace_id.bytes, TRACE_ID_SIZE);
    json_key_hex(json, "span_id", member->span_id.bytes, SPAN_ID_SIZE);
    json_key_time(json, "start", member->start_ns);
    json_key_u64(json, "duration_ns", member->end_ns - member->start_ns);
    json_key_string(json, "status", member->failed ? STR("failed") : STR("ok"));
}

static void step_write(JsonWriter *json, const Member *step, const Member *before,
                       const PlacedStep *placed)
{
    json_open(json, '{');
    json_key_string(json, "step", step->step);
    span_fields_write(json, step);
    if (before != NULL) {
        bool overlaps = step->start_ns < before->end_ns;

        json_key_u64(json, "wait_ns", overlaps ? 0 : step->start_ns - before->end_ns);
        json_key_bool(json, "overlaps", overlaps);
    }
    json_key_bool(json, "critical", placed->critical);
    json_key_u64(json, "slack_ns", placed->slack_ns);
    json_close(json, '}');
}

/* The first @max traces. Returns whether there are more. */
static bool traces_write(JsonWriter *json, const RunMembers *members, size_t max)
{
    Table ids;
    bool more = false;

    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    json_key_open(json, "traces", '[');
    for (size_t i = 0; i < members->n && !more; i++) {
        bool is_first;

        (void)table_put(&ids, &members->items[i].trace_id, &is_first);
        more = ids.n_records > max;
        if (is_first && !more) {
            json_hex(json, members->items[i].trace_id.bytes, TRACE_ID_SIZE);
        }
    }
    json_close(json, ']');
    table_deinit(&ids);
    return more;
}

/* The first @max steps' names. */
static void sequence_write(JsonWriter *json, const RunFound *run, size_t max)
{
    CLEANUP(buf_deinit) Buf variant = {0};

    if (run->summary.n_steps == 0) {
        return;
    }
    variant_append(run->members.items, run->summary.n_steps, &variant);
    variant_id_write(json, "variant", buf_str(&variant));
    json_key_open(json, "sequence", '[');
    for (size_t i = 0; i < MIN(run->summary.n_steps, max); i++) {
        json_string(json, run->members.items[i].step);
    }
    json_close(json, ']');
}

static void run_fields_write(JsonWriter *json, const RunFound *run)
{
    NodeKey flow;

    ASSERT(node_key_parse(run->run.owner, &flow) == 0);
    json_key_string(json, "run_id", run->run.id);
    flow_names_write(json, "flow", &flow);
    json_key_string(json, "status", run->summary.failed ? STR("failed") : STR("ok"));
    json_key_bool(json, "has_run_id", !run->summary.no_run_id);
    json_key_time(json, "start", run->summary.start_ns);
    json_key_time(json, "end", run->summary.end_ns);
    json_key_u64(json, "duration_ns", run->summary.end_ns - run->summary.start_ns);
}

/* ---- the list ---- */

/* A sequence as people write it, a>b>c, or a variant's id. Both are tried. */
static void variant_read(ApiCall *call, RunsQuestion *question)
{
    CLEANUP(buf_deinit) Buf variant = {0};
    Str rest = api_parameter(call, "variant");
    uint8_t id[8];
    Member *steps = ARENA_ARRAY(&call->arena, Member, rest.len + 1);
    size_t n = 0;

    question->has_variant = rest.len > 0;
    if (rest.len == 2 * sizeof(id) && str_parse_hex(rest, id, sizeof(id)) == 0) {
        for (size_t i = 0; i < sizeof(id); i++) {
            question->variants[0] = question->variants[0] << 8 | id[i];
        }
    }
    for (bool more = rest.len > 0; more;) {
        more = str_split(rest, '>', &steps[n].step, &rest);
        n++;
    }
    variant_append(steps, n, &variant);
    question->variants[1] = hash_stable(buf_str(&variant));
}

static int status_read(ApiCall *call, RunsQuestion *question)
{
    Str status = api_parameter(call, "status");

    question->only_failed = str_equal(status, STR("failed")) || str_equal(status, STR("error"));
    question->only_ok = str_equal(status, STR("ok"));
    if (status.len > 0 && !question->only_failed && !question->only_ok) {
        return api_fail(call, API_BAD_PARAMETER, "failed or ok", "there is no status \"%.*s\"",
                        STR_ARG(status));
    }
    return 0;
}

static int after_read(ApiCall *call, RunsQuestion *question)
{
    Str cursor = api_parameter(call, "cursor");
    Str payload;

    if (cursor.len == 0) {
        return 0;
    }
    if (cursor_parse(cursor, &call->arena, &payload) != 0 || payload.len != 3 * sizeof(uint64_t)) {
        return api_fail(call, API_BAD_CURSOR, "start again without a cursor",
                        "the cursor is none that a page of this list gave");
    }
    question->has_after = true;
    question->after_ns = load_u64le(payload.ptr);
    question->after_key.high = load_u64le(payload.ptr + 8);
    question->after_key.low = load_u64le(payload.ptr + 16);
    return 0;
}

static Str after_format(ApiCall *call, const RunFound *last)
{
    CLEANUP(buf_deinit) Buf payload = {0};

    buf_append_u64le(&payload, last->summary.first_ns);
    buf_append_u64le(&payload, last->key.high);
    buf_append_u64le(&payload, last->key.low);
    return cursor_format(buf_str(&payload), &call->arena);
}

/* Of what people defined, and whether something lacks. */
static void source_write(JsonWriter *json, const FlowSource *source, bool truncated)
{
    if (source->is_defined) {
        json_key_bool(json, "defined", true);
    }
    json_key_bool(json, "truncated",
                  truncated || (source->is_defined && source->defined.truncated));
}

void run_item_write(JsonWriter *json, const FlowSource *source, const RunFound *run)
{
    json_open(json, '{');
    run_fields_write(json, run);
    json_key_u64(json, "steps", run->summary.n_steps);
    sequence_write(json, run, ITEM_STEPS_MAX);
    bool more = traces_write(json, &run->members, ITEM_TRACES_MAX);
    source_write(json, source,
                 more || run->members.incomplete || run->summary.n_steps > ITEM_STEPS_MAX);
    json_close(json, '}');
}

int api_flow_runs(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {0};
    MapFlowQuestion flow;
    RunsPage page = {0};

    TRY(flow_question_read(call, &flow));
    RunsQuestion question = {.name = flow.name,
                             .scope = flow.scope,
                             .has_environment = flow.has_environment,
                             .environment = flow.environment,
                             .from_ns = flow.from_minute * NS_PER_MINUTE,
                             .to_ns = flow.to_minute * NS_PER_MINUTE,
                             .clock = call->api->clock,
                             .deadline_ns = call->deadline_ns};
    variant_read(call, &question);
    TRY(status_read(call, &question));
    TRY(after_read(call, &question));
    TRY(api_limit(call, RUNS_LIMIT_DEFAULT, &question.limit));
    TRY(flow_source_open(call, flow.from_minute, flow.to_minute, &source));
    TRY(runs_list(map_runs(source.map), &question, &call->arena, &page));
    json_open(&call->json, '{');
    json_key_bool(&call->json, "truncated",
                  page.incomplete || (source.is_defined && source.defined.truncated));
    json_key_open(&call->json, "items", '[');
    for (size_t i = 0; i < page.n; i++) {
        run_item_write(&call->json, &source, &page.items[i]);
    }
    api_list_close(call, page.more ? after_format(call, &page.items[page.n - 1]) : STR(""));
    return 0;
}

/* ---- one run ---- */

/* Returns whether something was left out. */
static bool run_write(ApiCall *call, const RunFound *run)
{
    JsonWriter *json = &call->json;
    const Member *members = run->members.items;
    size_t n_steps = run->summary.n_steps;
    size_t n_others = run->members.n - n_steps;
    const PlacedStep *placed = place_steps(members, n_steps, &call->arena);

    json_open(json, '{');
    run_fields_write(json, run);
    sequence_write(json, run, RUN_SPANS_MAX);
    json_key_open(json, "steps", '[');
    for (size_t i = 0; i < MIN(n_steps, (size_t)RUN_SPANS_MAX); i++) {
        step_write(json, &members[i], i == 0 ? NULL : &members[i - 1], &placed[i]);
    }
    json_close(json, ']');
    json_key_open(json, "envelopes", '[');
    for (size_t i = 0; i < MIN(n_others, (size_t)RUN_SPANS_MAX); i++) {
        json_open(json, '{');
        span_fields_write(json, &members[n_steps + i]);
        json_close(json, '}');
    }
    json_close(json, ']');
    bool more = traces_write(json, &run->members, RUN_SPANS_MAX);
    return more || run->members.incomplete || n_steps > RUN_SPANS_MAX || n_others > RUN_SPANS_MAX;
}

/* The runs of that id, in whatever scopes and environments there are. */
static int find_runs(ApiCall *call, Map *map, RunFound *runs, size_t *ret_n)
{
    Str scope = api_parameter(call, "scope");
    Str environment = api_parameter(call, "environment");
    bool has_environment = api_has_parameter(call, "environment");
    MapFlow *flows;
    size_t n_flows;
    size_t n = 0;

    map_flow_list(map, 0, UINT32_MAX, &call->arena, &flows, &n_flows);
    for (size_t i = 0; i < n_flows && n < FLOWS_OF_NAME_MAX; i++) {
        CLEANUP(buf_deinit) Buf key = {0};
        RunFound *run = &runs[n];

        if (!str_equal(flows[i].key.name, call->item) ||
            (scope.len > 0 && !str_equal(flows[i].key.scope, scope)) ||
            (has_environment && !str_equal(flows[i].key.environment, environment))) {
            continue;
        }
        node_key_append(&flows[i].key, &key);
        run->run = (Subject){SUBJECT_RUN, arena_copy(&call->arena, buf_str(&key)), call->second};
        TRY(runs_read(map_runs(map), run->run.owner, run->run.id, &call->arena, &run->members));
        run->summary = run_summary(run->members.items, run->members.n);
        n += run->members.n > 0 && run->summary.counts;
    }
    *ret_n = n;
    return 0;
}

int api_flow_run(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {0};
    RunFound *runs = ARENA_ARRAY(&call->arena, RunFound, FLOWS_OF_NAME_MAX);
    size_t n = 0;

    TRY(map_question_wait(call));
    TRY(flow_source_open_run(call, &source));
    TRY(find_runs(call, source.map, runs, &n));
    if (n == 0 && source.defined.truncated) {
        return api_fail(call, API_BUSY, "with more time, or when the server has less to do",
                        "the run \"%.*s\" was not found in time", STR_ARG(call->second));
    }
    if (n == 0) {
        return api_fail(call, API_NOT_FOUND, "its runs are in /api/v1/flows/{name}/runs",
                        "the flow \"%.*s\" has no run \"%.*s\"", STR_ARG(call->item),
                        STR_ARG(call->second));
    }
    source_write(&call->json, &source, run_write(call, &runs[0]));
    json_key_open(&call->json, "also_in", '[');
    for (size_t i = 1; i < n; i++) {
        NodeKey flow;

        ASSERT(node_key_parse(runs[i].run.owner, &flow) == 0);
        json_open(&call->json, '{');
        flow_names_write(&call->json, "flow", &flow);
        json_close(&call->json, '}');
    }
    json_close(&call->json, ']');
    json_close(&call->json, '}');
    return 0;
}

/* ---- business objects ---- */

static void link_run_write(JsonWriter *json, const EntityLink *link)
{
    NodeKey flow;

    if (node_key_parse(link->flow, &flow) == 0) {
        json_open(json, '{');
        flow_names_write(json, "flow", &flow);
        json_key_string(json, "run_id", link->run_id);
        json_key_time(json, "start", link->start_ns);
        json_close(json, '}');
    }
}

static bool same_run(const EntityLink *a, const EntityLink *b)
{
    return str_equal(a->flow, b->flow) && str_equal(a->run_id, b->run_id);
}

static bool is_first_of_run(const EntityLink *links, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (same_run(&links[k], &links[i])) {
            return false;
        }
    }
    return true;
}

/*
 * A trace has members of runs that are none: a span with only a run id makes none of its own, and
 * an envelope none above the steps of another. The links of those lose their run, not the trace.
 * Returns 0, or 1 when the deadline came first: the rest keep theirs.
 */
static int links_drop_no_runs(ApiCall *call, EntityLink *links, size_t n)
{
    CLEANUP(arena_deinit) Arena arena = {0};

    for (size_t i = 0; i < n; i++) {
        EntityLink link = links[i];
        RunMembers run = {0};

        if (link.flow.len == 0 || !is_first_of_run(links, i)) {
            continue;
        }
        if (clock_monotonic_ns(call->api->clock) >= call->deadline_ns) {
            return 1;
        }
        arena_reset(&arena);
        TRY(runs_read(map_runs(call->api->map), link.flow, link.run_id, &arena, &run));
        if (run_summary(run.items, run.n).counts) {
            continue;
        }
        for (size_t k = i; k < n; k++) {
            if (same_run(&links[k], &link)) {
                links[k].flow = (Str){0};
            }
        }
    }
    return 0;
}

static void entity_runs_write(JsonWriter *json, const EntityLink *links, size_t n)
{
    json_key_open(json, "runs", '[');
    for (size_t i = 0; i < n; i++) {
        if (is_first_of_run(links, i)) {
            link_run_write(json, &links[i]);
        }
    }
    json_close(json, ']');
}

/* Links are sorted by start, then trace, so those of a trace are neighbours. */
static void entity_traces_write(JsonWriter *json, const EntityLink *links, size_t n)
{
    json_key_open(json, "traces", '[');
    for (size_t i = 0, end; i < n; i = end) {
        json_open(json, '{');
        json_key_hex(json, "trace_id", links[i].trace_id.bytes, TRACE_ID_SIZE);
        json_key_time(json, "start", links[i].start_ns);
        json_key_open(json, "runs", '[');
        for (end = i; end < n && trace_id_equal(links[end].trace_id, links[i].trace_id); end++) {
            link_run_write(json, &links[end]);
        }
        json_close(json, ']');
        json_close(json, '}');
    }
    json_close(json, ']');
}

int api_entity(ApiCall *call)
{
    EntityLinks links = {0};

    TRY(map_question_wait(call));
    TRY(runs_entity(map_runs(call->api->map), call->item, call->second, &call->arena, &links));
    if (links.n == 0) {
        return api_fail(
            call, API_NOT_FOUND, "spans name it by the attributes entity.type and entity.id",
            "no trace has to do with %.*s \"%.*s\"", STR_ARG(call->item), STR_ARG(call->second));
    }
    size_t shown = MIN(links.n, (size_t)ENTITY_LINKS_MAX);
    int unread = links_drop_no_runs(call, links.items, shown);
    if (unread < 0) {
        return unread;
    }
    json_open(&call->json, '{');
    json_key_string(&call->json, "type", call->item);
    json_key_string(&call->json, "id", call->second);
    entity_traces_write(&call->json, links.items, shown);
    entity_runs_write(&call->json, links.items, shown);
    json_key_bool(&call->json, "truncated", shown < links.n || links.incomplete || unread > 0);
    json_close(&call->json, '}');
    return 0;
}
