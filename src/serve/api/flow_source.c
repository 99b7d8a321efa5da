// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_flows.h"
#include "query/flow/touches.h"
#include "serve/api/saved.h"

/* Whether a flow comes from attributes or from a definition is decided here; the answers do not
 * know. */

/* For what is not known yet of what steps touch, unless a call wants all of it. */
#define TOUCHES_NS UINT64_C(1000000000)

static DefinedQuestion question_of(const ApiCall *call, const FlowDefinition *definitions, size_t n)
{
    return (DefinedQuestion){.store = call->api->store,
                             .clock = call->api->clock,
                             .memory = call->api->flow_memory,
                             .definitions = definitions,
                             .n_definitions = n,
                             .to_ns = UINT64_MAX,
                             .deadline_ns = call->deadline_ns};
}

/* The call's flow as people defined it; NULL: the map has it. */
static int find_definition(ApiCall *call, const FlowDefinition **ret_definition)
{
    FlowDefinition *items = NULL;
    uint64_t version;
    size_t n = 0;
    bool is_wanted;

    *ret_definition = NULL;
    TRY(saved_read_flows(call->api->saved, &call->arena, &items, &n, &version));
    for (size_t i = 0; i < n && *ret_definition == NULL; i++) {
        *ret_definition = str_equal(items[i].name, call->item) ? &items[i] : NULL;
    }
    TRY(api_flag(call, "defined", *ret_definition != NULL, &is_wanted));
    if (is_wanted && *ret_definition == NULL) {
        return api_fail(call, API_NOT_FOUND, "they are in /api/v1/flow-definitions",
                        "nobody defined a flow \"%.*s\"", STR_ARG(call->item));
    }
    *ret_definition = is_wanted ? *ret_definition : NULL;
    return 0;
}

int flow_source_open(ApiCall *call, uint32_t from_minute, uint32_t to_minute,
                     FlowSource *ret_source)
{
    const FlowDefinition *definition;

    TRY(find_definition(call, &definition));
    *ret_source = (FlowSource){.map = call->api->map};
    if (definition != NULL) {
        DefinedQuestion question = question_of(call, definition, 1);

        question.from_ns = from_minute * NS_PER_MINUTE;
        question.to_ns = to_minute * NS_PER_MINUTE;
        question.wants_traces = true;
        TRY(defined_flows_evaluate(&question, &ret_source->defined));
        ret_source->is_defined = true;
        ret_source->definition = definition;
        ret_source->map = ret_source->defined.map;
    }
    return 0;
}

int flow_source_open_definition(ApiCall *call, const FlowDefinition *definition,
                                FlowSource *ret_source)
{
    const DefinedQuestion question = question_of(call, definition, 1);

    *ret_source = (FlowSource){.is_defined = true};
    TRY(defined_flows_run(&question, call->second.len > 0 ? call->second : call->item,
                          &ret_source->defined));
    ret_source->map = ret_source->defined.map;
    return 0;
}

int flow_source_open_run(ApiCall *call, FlowSource *ret_source)
{
    const FlowDefinition *definition;

    TRY(find_definition(call, &definition));
    *ret_source = (FlowSource){.map = call->api->map};
    return definition == NULL ? 0 : flow_source_open_definition(call, definition, ret_source);
}

int flow_source_open_all(ApiCall *call, uint32_t from_minute, uint32_t to_minute,
                         FlowSource *ret_source)
{
    FlowDefinition *items = NULL;
    uint64_t version;
    size_t n = 0;

    TRY(saved_read_flows(call->api->saved, &call->arena, &items, &n, &version));
    *ret_source = (FlowSource){.is_defined = true};
    if (n > 0) {
        DefinedQuestion question = question_of(call, items, n);

        question.from_ns = from_minute * NS_PER_MINUTE;
        question.to_ns = to_minute * NS_PER_MINUTE;
        TRY(defined_flows_evaluate(&question, &ret_source->defined));
        ret_source->map = ret_source->defined.map;
    }
    return 0;
}

void flow_source_close(FlowSource *source)
{
    defined_flows_deinit(&source->defined);
}

void flow_source_write(JsonWriter *json, const FlowSource *source)
{
    if (source->is_defined) {
        json_key_bool(json, "defined", true);
        json_key_bool(json, "truncated", source->defined.truncated);
    }
}

int flow_source_touch(ApiCall *call, const FlowSource *source, const MapFlowQuestion *question,
                      MapFlowAnswer *flow, bool *ret_truncated)
{
    *ret_truncated = false;
    if (source->definition == NULL) {
        return 0;
    }
    const DefinedQuestion defined = question_of(call, source->definition, 1);
    uint64_t now_ns = clock_monotonic_ns(call->api->clock);
    uint64_t left_ns = call->deadline_ns - MIN(now_ns, call->deadline_ns);
    uint64_t budget_ns = api_has_parameter(call, "touches") ? left_ns / 2 : TOUCHES_NS;
    const FlowTouchQuestion touched = {.defined = &defined,
                                       .flows = &source->defined,
                                       .asked = question,
                                       .names = call->api->map,
                                       .until_ns = now_ns + MIN(budget_ns, left_ns / 2)};
    return flow_touches_ask(&touched, &call->arena, &flow->touches, &flow->n_touches,
                            ret_truncated);
}

int flow_source_ask(ApiCall *call, const FlowSource *source, const MapFlowQuestion *question,
                    MapFlowAnswer *ret_flow)
{
    if (map_flow_ask(source->map, question, &call->arena, ret_flow) == 0) {
        return 0;
    }
    *ret_flow = (MapFlowAnswer){0};
    return source->is_defined ? 0 : flow_not_found(call);
}
