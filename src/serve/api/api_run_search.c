// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_flows.h"
#include "serve/api/map_question.h"
#include "serve/api/saved.h"

/*
 * A run by its id, whatever flow it is of: people have an order's id from a ticket, and no flow's
 * name. Each flow is asked, which is a look into filters for one that has no such run.
 */
enum {
    RUN_SEARCH_FLOWS_MAX = 10000, /* looked at, in scopes and environments */
    RUN_SEARCH_RUNS_MAX = 100,    /* told */
};

typedef struct RunSearch {
    ApiCall *call;
    size_t n_flows, n_runs;
    bool truncated;
} RunSearch;

static bool is_late(const ApiCall *call)
{
    return call->deadline_ns != 0 && clock_monotonic_ns(call->api->clock) >= call->deadline_ns;
}

/* Whether to go on. */
static bool has_room(RunSearch *search)
{
    if (search->n_flows >= RUN_SEARCH_FLOWS_MAX || search->n_runs >= RUN_SEARCH_RUNS_MAX ||
        is_late(search->call)) {
        search->truncated = true;
        return false;
    }
    search->n_flows++;
    return true;
}

static int look_into(RunSearch *search, const FlowSource *source, const NodeKey *flow)
{
    CLEANUP(buf_deinit) Buf key = {0};
    Arena *arena = &search->call->arena;
    RunFound run = {0};

    node_key_append(flow, &key);
    run.run = (Subject){SUBJECT_RUN, arena_copy(arena, buf_str(&key)), search->call->item};
    TRY(runs_read(map_runs(source->map), run.run.owner, run.run.id, arena, &run.members));
    run.summary = run_summary(run.members.items, run.members.n);
    if (run.members.n > 0 && run.summary.counts) {
        run_item_write(&search->call->json, source, &run);
        search->n_runs++;
    }
    return 0;
}

static int look_into_all(RunSearch *search, const FlowSource *source)
{
    MapFlow *flows = NULL;
    size_t n = 0;

    map_flow_list(source->map, 0, UINT32_MAX, &search->call->arena, &flows, &n);
    for (size_t i = 0; i < n && has_room(search); i++) {
        TRY(look_into(search, source, &flows[i].key));
    }
    return 0;
}

static int look_into_defined(RunSearch *search)
{
    ApiCall *call = search->call;
    FlowDefinition *items = NULL;
    uint64_t version;
    size_t n = 0;

    TRY(saved_read_flows(call->api->saved, &call->arena, &items, &n, &version));
    for (size_t i = 0; i < n && has_room(search); i++) {
        CLEANUP(flow_source_close) FlowSource source = {0};

        TRY(flow_source_open_definition(call, &items[i], &source));
        search->truncated |= source.defined.truncated;
        TRY(look_into_all(search, &source));
    }
    return 0;
}

int api_runs(ApiCall *call)
{
    const FlowSource named = {.map = call->api->map};
    RunSearch search = {.call = call};
    bool is_defined_wanted;

    TRY(api_flag(call, "defined", true, &is_defined_wanted));
    TRY(map_question_wait(call));
    json_open(&call->json, '{');
    json_key_open(&call->json, "items", '[');
    TRY(look_into_all(&search, &named));
    if (is_defined_wanted) {
        TRY(look_into_defined(&search));
    }
    json_close(&call->json, ']');
    json_key_bool(&call->json, "truncated", search.truncated);
    json_key(&call->json, STR("cursor"));
    json_null(&call->json);
    json_close(&call->json, '}');
    return 0;
}
