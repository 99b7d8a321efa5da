// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run.h"

#include <stdlib.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "map/contract.h"

/*
 * Everything that is counted per run is one delta per run and thing, in the run's own minute, so
 * that a window counts runs whole. "How many runs have it" stands in `adjusted` of the first delta
 * that a run has for a step or a transition.
 */
#define MINUTE_NS UINT64_C(60000000000)

Member *members_add(Members *members)
{
    if (members->count == members->capacity) {
        size_t capacity = members->capacity == 0 ? 16 : members->capacity * 2;
        Member *items = arena_alloc(members->arena, capacity * sizeof(*items));

        if (members->count > 0) {
            mem_copy(items, members->items, members->count * sizeof(*items));
        }
        members->items = items;
        members->capacity = capacity;
    }
    Member *member = &members->items[members->count++];
    *member = (Member){0};
    return member;
}

EntityLink *members_add_entity(Members *members)
{
    if (members->n_entities == members->entities_capacity) {
        size_t capacity = members->entities_capacity == 0 ? 16 : members->entities_capacity * 2;
        EntityLink *items = arena_alloc(members->arena, capacity * sizeof(*items));

        if (members->n_entities > 0) {
            mem_copy(items, members->entities, members->n_entities * sizeof(*items));
        }
        members->entities = items;
        members->entities_capacity = capacity;
    }
    EntityLink *link = &members->entities[members->n_entities++];
    *link = (EntityLink){0};
    return link;
}

/* ---- the sequence ---- */

int member_compare(const Member *a, const Member *b)
{
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    if (a->end_ns != b->end_ns) {
        return a->end_ns > b->end_ns ? -1 : 1;
    }
    int order = span_id_compare(a->span_id, b->span_id);
    order = order != 0 ? order : trace_id_compare(a->trace_id, b->trace_id);
    return order != 0 ? order : (int)a->client - (int)b->client;
}

static int compare_members(const void *a, const void *b)
{
    const Member *left = a;
    const Member *right = b;
    int order = (left->kind != MEMBER_STEP) - (right->kind != MEMBER_STEP);

    return order != 0 ? order : member_compare(left, right);
}

void run_sort(Member *members, size_t n)
{
    if (n > 1) {
        qsort(members, n, sizeof(*members), compare_members);
    }
}

RunSummary run_summary(const Member *members, size_t n)
{
    RunSummary summary = {.start_ns = UINT64_MAX};
    bool has_envelope = false;
    bool shadowed = false;

    for (size_t i = 0; i < n; i++) {
        const Member *member = &members[i];

        summary.n_steps += member->kind == MEMBER_STEP;
        has_envelope |= member->kind == MEMBER_ENVELOPE;
        shadowed |= member->shadowed;
        summary.failed |= member->failed;
        summary.no_run_id |= member->no_run_id && member->kind != MEMBER_JOINER;
        summary.start_ns = MIN(summary.start_ns, member->start_ns);
        summary.end_ns = MAX(summary.end_ns, member->end_ns);
    }
    summary.counts = summary.n_steps > 0 || (has_envelope && !shadowed);
    summary.first_ns = summary.n_steps > 0 ? members[0].start_ns : summary.start_ns;
    return summary;
}

void variant_append(const Member *steps, size_t n_steps, Buf *buf)
{
    size_t start = buf->len;
    size_t kept = start;

    for (size_t i = 0; i < n_steps; i++) {
        bytes_append_counted(buf, steps[i].step);
        if (buf->len - start <= VARIANT_BYTES_MAX) {
            kept = buf->len;
        }
    }
    if (kept < buf->len) {
        uint64_t hash = hash_stable(str_slice(buf_str(buf), start, buf->len));

        buf->len = kept;
        bytes_append_counted(buf, (Str){0}); /* no step has an empty name */
        buf_append(buf, &hash, sizeof(hash));
    }
}

int variant_take(Str *variant, Str *ret_step, bool *ret_cut)
{
    Str step;

    if (variant->len == 0 || bytes_take_counted(variant, &step) != 0) {
        return 1;
    }
    if (step.len == 0) {
        *ret_cut = true;
        return 1;
    }
    *ret_step = step;
    return 0;
}

/* ---- deltas ---- */

typedef struct Contribution {
    const Member *members;
    size_t n;
    RunSummary summary;
    Deltas *deltas;
    Str *steps; /* node keys, by member */
    NodeKey flow;
    Buf *scratch;
} Contribution;

static Delta *add(const Contribution *run, DeltaKind kind, Str source, const Member *from)
{
    Delta *delta = deltas_add(run->deltas);

    delta->kind = kind;
    delta->source = source;
    delta->minute = (uint32_t)(run->summary.first_ns / MINUTE_NS);
    delta->count = 1;
    delta->trace_id = from->trace_id;
    delta->span_id = from->span_id;
    delta->start_ns = from->start_ns;
    return delta;
}

static Str step_key(const Contribution *run, const Member *member)
{
    NodeKey key = run->flow;

    key.type = NODE_STEP;
    key.part = member->step;
    buf_clear(run->scratch);
    node_key_append(&key, run->scratch);
    return arena_copy(run->deltas->arena, buf_str(run->scratch));
}

static void set_duration(Delta *delta, uint64_t from_ns, uint64_t to_ns)
{
    delta->has_duration = true;
    delta->duration_ns = to_ns > from_ns ? to_ns - from_ns : 0;
}

static void contribute_run(const Contribution *run)
{
    const Member *first = &run->members[0];
    Delta *delta = add(run, DELTA_RUN, first->flow, first);

    delta->errors = run->summary.failed;
    set_duration(delta, run->summary.start_ns, run->summary.end_ns);
    if (run->summary.no_run_id) {
        add(run, DELTA_NO_RUN_ID, first->flow, first);
    }
}

static void contribute_variant(const Contribution *run)
{
    const Member *first = &run->members[0];
    Delta *delta = add(run, DELTA_VARIANT, first->flow, first);

    buf_clear(run->scratch);
    variant_append(run->members, run->summary.n_steps, run->scratch);
    delta->name = arena_copy(run->deltas->arena, buf_str(run->scratch));
    delta->errors = run->summary.failed;
    set_duration(delta, run->summary.start_ns, run->summary.end_ns);
}

static void contribute_ends(const Contribution *run)
{
    size_t last = run->summary.n_steps - 1;

    add(run, DELTA_START, run->steps[0], &run->members[0])->errors = run->summary.failed;
    add(run, DELTA_END, run->steps[last], &run->members[last])->errors = run->summary.failed;
}

/* A run's steps, or transitions, by their names and place; the first of equal ones stands for the
 * run. */
typedef struct Place {
    Str from, to;
    size_t at;
} Place;

static int compare_places(const void *a, const void *b)
{
    const Place *left = a;
    const Place *right = b;
    int order = str_compare(left->from, right->from);

    order = order != 0 ? order : str_compare(left->to, right->to);
    return order != 0 ? order : (left->at < right->at ? -1 : left->at > right->at);
}

static void contribute_places(const Contribution *run, DeltaKind kind, size_t n,
                              Delta *(*place)(const Contribution *run, size_t at))
{
    Place *places = arena_alloc(run->deltas->arena, n * sizeof(*places));

    for (size_t i = 0; i < n; i++) {
        places[i] = (Place){.from = run->members[i].step, .at = i};
        if (kind == DELTA_NEXT) {
            places[i].to = run->members[i + 1].step;
        }
    }
    qsort(places, n, sizeof(*places), compare_places);
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || !str_equal(places[i].from, places[i - 1].from) ||
                     !str_equal(places[i].to, places[i - 1].to);

        place(run, places[i].at)->adjusted = first ? ADJUSTED_ONE : 0;
    }
}

static Delta *add_step(const Contribution *run, size_t at)
{
    const Member *step = &run->members[at];
    Delta *delta = add(run, DELTA_STEP, run->steps[at], step);

    delta->errors = step->failed;
    set_duration(delta, step->start_ns, step->end_ns);
    return delta;
}

static Delta *add_next(const Contribution *run, size_t at)
{
    const Member *step = &run->members[at];
    const Member *next = step + 1;
    Delta *delta = add(run, DELTA_NEXT, run->steps[at], next);

    delta->target = run->steps[at + 1];
    delta->errors = next->start_ns < step->end_ns;
    set_duration(delta, step->end_ns, next->start_ns);
    return delta;
}

/* The edge of §6, in the later step's minute. */
static void contribute_follows(const Contribution *run, size_t at)
{
    const Member *later = &run->members[at + 1];
    Delta *delta = add(run, DELTA_EDGE, run->steps[at], later);

    delta->relation = RELATION_FOLLOWS;
    delta->rule = RULE_FLOW;
    delta->target = run->steps[at + 1];
    delta->minute = (uint32_t)(later->start_ns / MINUTE_NS);
    delta->errors = later->failed;
    delta->adjusted = contract_weight(later->threshold);
    set_duration(delta, later->start_ns, later->end_ns);
}

static void name_steps(Contribution *run)
{
    run->steps = arena_alloc(run->deltas->arena, run->summary.n_steps * sizeof(Str));
    for (size_t i = 0; i < run->summary.n_steps; i++) {
        bool again = i > 0 && str_equal(run->members[i].step, run->members[i - 1].step);

        run->steps[i] = again ? run->steps[i - 1] : step_key(run, &run->members[i]);
    }
}

void run_contribute(const Member *members, size_t n, Deltas *deltas)
{
    CLEANUP(buf_deinit) Buf scratch = {0};
    Contribution run = {.members = members,
                        .n = n,
                        .summary = run_summary(members, n),
                        .deltas = deltas,
                        .scratch = &scratch};
    size_t n_steps = run.summary.n_steps;

    if (!run.summary.counts) {
        return;
    }
    contribute_run(&run);
    if (n_steps == 0) {
        return;
    }
    ASSERT(node_key_parse(members[0].flow, &run.flow) == 0);
    name_steps(&run);
    contribute_variant(&run);
    contribute_ends(&run);
    contribute_places(&run, DELTA_STEP, n_steps, add_step);
    if (n_steps > 1) {
        contribute_places(&run, DELTA_NEXT, n_steps - 1, add_next);
    }
    for (size_t i = 0; i + 1 < n_steps; i++) {
        contribute_follows(&run, i);
    }
}
