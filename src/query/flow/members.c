// SPDX-License-Identifier: Apache-2.0
#include "query/flow/members.h"

#include "base/assert.h"
#include "map/contract.h"

void flow_members_init(FlowMembers *members)
{
    *members = (FlowMembers){0};
    table_init(&members->keys, sizeof(FlowTraceKey), TRACE_ID_SIZE);
}

void flow_members_deinit(FlowMembers *members)
{
    mem_free(members->items);
    table_deinit(&members->keys);
    symbols_deinit(&members->names);
    arena_deinit(&members->arena);
}

size_t flow_members_bytes(const FlowMembers *members)
{
    return sizeof(FlowMembers) + members->capacity * sizeof(Member) +
           members->keys.capacity * sizeof(FlowTraceKey) +
           members->keys.n_slots * sizeof(uint64_t) + symbols_bytes(&members->names) +
           members->arena.allocated;
}

Str flow_key_of(const FlowDefinition *definition, const Span *span, Arena *scratch)
{
    const Value *value = attributes_find(span->attributes, definition->key);

    if (value == NULL || value_is_absent(value)) {
        value = attributes_find(span->resource->attributes, definition->key);
    }
    return value == NULL || value_is_absent(value) ? (Str){0} : value_text(value, scratch);
}

bool flow_key_is_earlier(const FlowTraceKey *other, const FlowTraceKey *key)
{
    return other->start_ns != key->start_ns ? other->start_ns < key->start_ns
                                            : span_id_compare(other->span_id, key->span_id) < 0;
}

static void note_key(FlowMembers *members, const Span *span, Str value)
{
    FlowTraceKey found = {span->trace_id, span->span_id, span->start_ns, value};
    bool is_new;
    FlowTraceKey *key = table_put(&members->keys, span->trace_id.bytes, &is_new);

    if (!is_new && !flow_key_is_earlier(&found, key)) {
        return;
    }
    found.value = str_equal(key->value, value) ? key->value : arena_copy(&members->arena, value);
    *key = found;
}

static Str keep_name(FlowMembers *members, Str name)
{
    return symbols_get(&members->names, symbols_intern(&members->names, name));
}

typedef struct GivenAttributes {
    Str flow, step, run_id;
} GivenAttributes;

/* The span with the attributes it should have had, read by the contract. */
static void add_member(FlowMembers *members, const GivenAttributes *given, const Span *span,
                       Arena *scratch)
{
    const Value *service = attributes_find(span->attributes, STR("service.name"));
    Attribute attributes[4] = {
        {STR("coordimap.flow.name"), value_string(given->flow)},
        {STR("coordimap.flow.step"), value_string(given->step)},
        {STR("coordimap.flow.run_id"), value_string(given->run_id)}, /* an empty one is none */
    };
    Members found = {.arena = scratch};
    Deltas deltas = {.arena = scratch, .members = &found};
    Span alone = *span;
    const ContractTrace trace = {span->trace_id, &alone, 1};

    if (service != NULL) {
        attributes[3] = (Attribute){STR("service.name"), *service};
    }
    alone.attributes = (Attributes){attributes, service != NULL ? 4 : 3};
    alone.parent_span_id = (SpanId){0};
    alone.n_events = alone.n_links = 0;
    contract_contribution(&trace, NULL, 0, &deltas);
    ASSERT(found.count == 1);
    ARRAY_RESERVE(members->items, members->n, members->capacity);
    Member *member = &members->items[members->n++];
    *member = found.items[0];
    member->flow = keep_name(members, member->flow);
    member->step = keep_name(members, member->step);
    member->service = keep_name(members, member->service);
    member->run_id = arena_copy(&members->arena, member->run_id);
}

void flow_members_take(FlowMembers *members, const CompiledFlow *flow, const Span *span,
                       Arena *scratch)
{
    const CompiledStep *step = flow_step_of(flow, span);
    Str key = {0};

    if (flow->definition->key.len > 0) {
        key = flow_key_of(flow->definition, span, scratch);
        if (key.len > 0) {
            note_key(members, span, key);
        }
    }
    if (step != NULL) {
        const GivenAttributes given = {flow->definition->name, step->name, key};

        add_member(members, &given, span, scratch);
    }
}
