// SPDX-License-Identifier: Apache-2.0

/*
 * The worked examples of CONTRACT.md (shared/data/contract/examples.jsonl): small worlds of spans
 * and the lines of the map that they must give. Names are compared as the contract leaves them:
 * what an unpaired name means is the map's business, so a line that resolves one is matched with
 * its unresolved form by the caller and service of a known name, see resolve_name().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "map/contract.h"
#include "map/contract/example.h"
#include "map/flow/runs.h"
#include "map/map.h"

enum { FILE_MAX = 16 << 20 };

/* ---- the map of an example ---- */

/* All traces' spans one after the other, each trace deduplicated. */
static size_t group_traces(Example *example, ContractTrace *traces)
{
    size_t n = 0;

    for (size_t i = 0; i < example->n_spans;) {
        TraceId id = example->spans[i].trace_id;
        size_t end = i;

        for (size_t j = i; j < example->n_spans; j++) {
            if (trace_id_equal(example->spans[j].trace_id, id)) {
                Span moved = example->spans[end];
                example->spans[end++] = example->spans[j];
                example->spans[j] = moved;
            }
        }
        traces[n++] = (ContractTrace){.id = id,
                                      .spans = &example->spans[i],
                                      .n_spans = spans_deduplicate(&example->spans[i], end - i)};
        i = end;
    }
    return n;
}

static void apply_runs(Map *map, const Members *members, Arena *arena)
{
    const Members none = {.arena = arena};
    Deltas minus = {.arena = arena};
    Deltas plus = {.arena = arena};

    MUST(runs_prepare(map_runs(map), &none, members, &minus, &plus));
    runs_commit(map_runs(map));
    assert_int_equal(minus.count, 0);
    map_apply(map, &plus, 1);
}

/* Every other trace is a neighbour: more than needed does no harm. */
static void contribute_all(Example *example, Map *map, Deltas *deltas)
{
    ContractTrace traces[SPANS_MAX];
    size_t n = group_traces(example, traces);

    for (size_t i = 0; i < n; i++) {
        ContractTrace others[SPANS_MAX];
        size_t n_others = 0;
        size_t before = deltas->count;

        for (size_t j = 0; j < n; j++) {
            others[n_others] = traces[j];
            n_others += j != i;
        }
        contract_contribution(&traces[i], others, n_others, deltas);
        const Deltas own = {.items = deltas->items + before, .count = deltas->count - before};
        map_apply(map, &own, 1);
    }
    apply_runs(map, deltas->members, deltas->arena);
}

/* ---- lines ---- */

typedef struct Lines {
    Str items[LINES_MAX];
    size_t count;
    Arena *arena;
} Lines;

static void append_place(Buf *buf, const NodeKey *key)
{
    bool plain = str_equal(key->scope, STR("default")) && key->environment.len == 0;
    bool spaced = key->type == NODE_SERVICE && key->namespace.len > 0;

    if (!plain || spaced) {
        buf_append_format(buf, "{%.*s,%.*s", STR_ARG(key->scope), STR_ARG(key->environment));
        if (spaced) {
            buf_append_format(buf, ",%.*s", STR_ARG(key->namespace));
        }
        buf_append_byte(buf, '}');
    }
}

static void append_database(Buf *buf, const NodeKey *key)
{
    NodeKey owner;

    if (key->owner.len > 0) {
        MUST(node_key_parse(key->owner, &owner));
        buf_append_format(buf, "%.*s!", STR_ARG(owner.name));
    }
    buf_append_format(buf, "%.*s@%.*s/%.*s", STR_ARG(key->system), STR_ARG(key->address),
                      STR_ARG(key->namespace));
}

static void append_node(Buf *buf, const NodeKey *key)
{
    switch (key->type) {
    case NODE_SERVICE:
    case NODE_FLOW:
        buf_append_str(buf, key->name);
        break;
    case NODE_EXTERNAL:
    case NODE_NAME:
        buf_append_format(buf, "ext(%.*s)", STR_ARG(key->name));
        break;
    case NODE_DATABASE:
        append_database(buf, key);
        break;
    case NODE_TABLE:
        append_database(buf, key);
        buf_append_format(buf, ":%.*s", STR_ARG(key->part));
        break;
    case NODE_QUEUE:
        buf_append_format(buf, "%.*s>%.*s", STR_ARG(key->system), STR_ARG(key->name));
        break;
    case NODE_STEP:
        buf_append_format(buf, "%.*s#%.*s", STR_ARG(key->name), STR_ARG(key->part));
        break;
    }
    append_place(buf, key);
}

static void append_node_bytes(Buf *buf, Str bytes)
{
    NodeKey key;

    MUST(node_key_parse(bytes, &key));
    append_node(buf, &key);
}

static void add_line(Lines *lines, const Buf *buf)
{
    assert_true(lines->count < LINES_MAX);
    lines->items[lines->count++] = arena_copy(lines->arena, buf_str(buf));
}

static int compare_texts(const void *a, const void *b)
{
    return str_compare(*(const Str *)a, *(const Str *)b);
}

static void append_rules(Buf *buf, const MapEdge *edge)
{
    Str texts[RULE_COUNT];
    size_t n = 0;

    for (int rule = 0; rule < RULE_COUNT; rule++) {
        bool silent = (rule == RULE_MESSAGING) || rule == RULE_FLOW;

        if (edge->rules[rule] > 0 && !silent) {
            texts[n++] = rule_name((Rule)rule);
        }
    }
    qsort(texts, n, sizeof(texts[0]), compare_texts);
    for (size_t i = 0; i < n; i++) {
        Rule rule;

        MUST(rule_parse(texts[i], &rule));
        buf_append_format(buf, "%s%.*s:%llu", i == 0 ? " " : ",", STR_ARG(texts[i]),
                          (unsigned long long)edge->rules[rule]);
    }
}

static void append_flows(Buf *buf, const MapEdge *edge)
{
    Str texts[64];
    CLEANUP(arena_deinit) Arena arena = {0};

    for (size_t i = 0; i < edge->n_flows; i++) {
        texts[i] =
            arena_format(&arena, "%.*s#%.*s:%llu", STR_ARG(edge->flows[i].flow),
                         STR_ARG(edge->flows[i].step), (unsigned long long)edge->flows[i].count);
    }
    qsort(texts, edge->n_flows, sizeof(texts[0]), compare_texts);
    for (size_t i = 0; i < edge->n_flows; i++) {
        buf_append_format(buf, "%s%.*s", i == 0 ? " for " : ",", STR_ARG(texts[i]));
    }
}

static void edge_lines(const MapAnswer *answer, Lines *lines)
{
    for (size_t i = 0; i < answer->n_edges; i++) {
        const MapEdge *edge = &answer->edges[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        append_node(&buf, &answer->nodes[edge->source].key);
        buf_append_format(&buf, " %.*s ", STR_ARG(relation_name(edge->relation)));
        append_node(&buf, &answer->nodes[edge->target].key);
        buf_append_format(&buf, " %llu", (unsigned long long)edge->count);
        if (edge->errors > 0) {
            buf_append_format(&buf, " errors=%llu", (unsigned long long)edge->errors);
        }
        if ((uint64_t)edge->adjusted_count != edge->count) {
            buf_append_format(&buf, " adjusted=%g", edge->adjusted_count);
        }
        append_rules(&buf, edge);
        append_flows(&buf, edge);
        add_line(lines, &buf);
    }
}

static void hop_lines(const MapAnswer *answer, Lines *lines)
{
    for (size_t i = 0; i < answer->n_hops; i++) {
        const MapHop *hop = &answer->hops[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        buf_append_str(&buf, STR("hop "));
        append_node(&buf, &answer->nodes[hop->producer].key);
        buf_append_byte(&buf, ' ');
        append_node(&buf, &answer->nodes[hop->queue].key);
        buf_append_byte(&buf, ' ');
        append_node(&buf, &answer->nodes[hop->consumer].key);
        buf_append_format(&buf, " %llu", (unsigned long long)hop->count);
        add_line(lines, &buf);
    }
}

static void node_lines(const MapAnswer *answer, Lines *lines)
{
    static const char *const types[] = {"service",  "database", "table", "queue",
                                        "external", "flow",     "step"};

    for (size_t i = 0; i < answer->n_nodes; i++) {
        const MapNode *node = &answer->nodes[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        assert_true(node->key.type < ARRAY_LEN(types));
        buf_append_format(&buf, "node %s ", types[node->key.type]);
        append_node(&buf, &node->key);
        add_line(lines, &buf);
        if (node->requests > 0) {
            buf_clear(&buf);
            buf_append_str(&buf, STR("entry "));
            append_node(&buf, &node->key);
            buf_append_format(&buf, " %llu", (unsigned long long)node->requests);
            if (node->errors > 0) {
                buf_append_format(&buf, " errors=%llu", (unsigned long long)node->errors);
            }
            add_line(lines, &buf);
        }
    }
}

/* Orphans and unresolved spans, summed over the deltas themselves. */
static void finding_lines(const Deltas *deltas, Lines *lines)
{
    for (size_t i = 0; i < deltas->count; i++) {
        const Delta *delta = &deltas->items[i];
        uint64_t count = 0;
        bool first = true;
        CLEANUP(buf_deinit) Buf buf = {0};

        if (delta->kind != DELTA_ORPHAN && delta->kind != DELTA_UNRESOLVED) {
            continue;
        }
        for (size_t j = 0; j < deltas->count; j++) {
            if (deltas->items[j].kind == delta->kind &&
                str_equal(deltas->items[j].source, delta->source)) {
                first = first && j >= i;
                count += deltas->items[j].count;
            }
        }
        if (first) {
            buf_append_str(&buf,
                           delta->kind == DELTA_ORPHAN ? STR("orphans ") : STR("unresolved "));
            append_node_bytes(&buf, delta->source);
            buf_append_format(&buf, " %llu", (unsigned long long)count);
            add_line(lines, &buf);
        }
    }
}

/* ---- flows ---- */

static void append_count(Buf *buf, uint64_t count)
{
    buf_append_format(buf, " %llu", (unsigned long long)count);
}

static void step_lines(const MapFlowAnswer *flow, Str name, Lines *lines)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        const MapFlowStep *step = &flow->steps[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        if (step->starts > 0) {
            buf_append_format(&buf, "starts %.*s %.*s", STR_ARG(name), STR_ARG(step->name));
            append_count(&buf, step->starts);
            add_line(lines, &buf);
        }
        if (step->ends > 0) {
            buf_clear(&buf);
            buf_append_format(&buf, "ends %.*s %.*s", STR_ARG(name), STR_ARG(step->name));
            append_count(&buf, step->ends);
            add_line(lines, &buf);
        }
    }
}

static void variant_lines(const MapFlowAnswer *flow, Str name, Lines *lines)
{
    for (size_t i = 0; i < flow->n_variants; i++) {
        const MapFlowVariant *variant = &flow->variants[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        buf_append_format(&buf, "variant %.*s ", STR_ARG(name));
        for (size_t k = 0; k < variant->n_steps; k++) {
            buf_append_format(&buf, "%s%.*s", k > 0 ? ">" : "", STR_ARG(variant->steps[k]));
        }
        append_count(&buf, variant->runs);
        add_line(lines, &buf);
    }
}

static void touch_lines(const MapFlowAnswer *flow, Str name, Lines *lines)
{
    for (size_t i = 0; i < flow->n_touches; i++) {
        const MapFlowTouch *touch = &flow->touches[i];
        CLEANUP(buf_deinit) Buf buf = {0};

        buf_append_format(&buf, "touches %.*s %.*s %.*s ", STR_ARG(name), STR_ARG(touch->step),
                          STR_ARG(relation_name(touch->relation)));
        append_node(&buf, &touch->node);
        append_count(&buf, touch->count);
        add_line(lines, &buf);
    }
}

static void run_lines(Map *map, const NodeKey *flow, Str name, Lines *lines)
{
    const RunsQuestion question = {.name = flow->name,
                                   .scope = flow->scope,
                                   .has_environment = true,
                                   .environment = flow->environment,
                                   .to_ns = UINT64_MAX,
                                   .limit = LINES_MAX};
    RunsPage page;

    MUST(runs_list(map_runs(map), &question, lines->arena, &page));
    for (size_t i = 0; i < page.n; i++) {
        CLEANUP(buf_deinit) Buf buf = {0};

        buf_append_format(&buf, "run %.*s %.*s", STR_ARG(name), STR_ARG(page.items[i].run.id));
        add_line(lines, &buf);
    }
}

static void flow_lines(Map *map, Lines *lines)
{
    MapFlow *flows;
    size_t n;

    map_flow_list(map, 0, UINT32_MAX, lines->arena, &flows, &n);
    for (size_t i = 0; i < n; i++) {
        const MapFlowQuestion question = {.name = flows[i].key.name,
                                          .scope = flows[i].key.scope,
                                          .has_environment = true,
                                          .environment = flows[i].key.environment,
                                          .to_minute = UINT32_MAX};
        CLEANUP(buf_deinit) Buf name = {0};
        CLEANUP(buf_deinit) Buf buf = {0};
        MapFlowAnswer flow;

        append_node(&name, &flows[i].key);
        buf_append_format(&buf, "flow %s runs=%llu failed=%llu", buf_cstr(&name),
                          (unsigned long long)flows[i].runs, (unsigned long long)flows[i].failures);
        add_line(lines, &buf);
        MUST(map_flow_ask(map, &question, lines->arena, &flow));
        assert_int_equal(flow.flow.runs, flows[i].runs);
        step_lines(&flow, buf_str(&name), lines);
        variant_lines(&flow, buf_str(&name), lines);
        touch_lines(&flow, buf_str(&name), lines);
        run_lines(map, &flows[i].key, buf_str(&name), lines);
    }
}

static void lost_lines(Map *map, Lines *lines)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    MapLostStep *steps;
    size_t n;
    uint64_t sum = 0;

    map_lost_steps(map, 0, UINT32_MAX, lines->arena, &steps, &n);
    for (size_t i = 0; i < n; i++) {
        sum += steps[i].count;
    }
    if (sum > 0) {
        buf_append_str(&buf, STR("steps_without_flow"));
        append_count(&buf, sum);
        add_line(lines, &buf);
    }
}

/* ---- comparing ---- */

static Str kind_of_line(Str line)
{
    static const Str kinds[] = {
        STR("hop"),     STR("entry"),      STR("node"),    STR("flow"),
        STR("run"),     STR("variant"),    STR("starts"),  STR("ends"),
        STR("touches"), STR("unresolved"), STR("orphans"), STR("steps_without_flow"),
        STR("finding"),
    };
    Str word;
    Str rest;

    str_split(line, ' ', &word, &rest);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_equal(word, kinds[i])) {
            return kinds[i];
        }
    }
    return STR("edge");
}

/* Findings are told by the API. */
static bool is_compared(Str line)
{
    return !str_equal(kind_of_line(line), STR("finding"));
}

static bool is_complete(const Example *example, Str line)
{
    for (size_t i = 0; i < example->n_kinds; i++) {
        if (str_equal(example->kinds[i], kind_of_line(line))) {
            return true;
        }
    }
    return false;
}

static bool has_line(const Str *lines, size_t n, Str line)
{
    for (size_t i = 0; i < n; i++) {
        if (str_equal(lines[i], line)) {
            return true;
        }
    }
    return false;
}

/* Prints what differs; returns how many lines do. */
static size_t compare_lines(const Example *example, const Lines *lines)
{
    size_t differences = 0;

    for (size_t i = 0; i < example->n_expect; i++) {
        Str line = example->expect[i];

        if (is_compared(line) && !has_line(lines->items, lines->count, line)) {
            printf("  %.*s: missing: %.*s\n", STR_ARG(example->name), STR_ARG(line));
            differences++;
        }
    }
    for (size_t i = 0; i < lines->count; i++) {
        Str line = lines->items[i];

        if (is_complete(example, line) && !has_line(example->expect, example->n_expect, line)) {
            printf("  %.*s: too much: %.*s\n", STR_ARG(example->name), STR_ARG(line));
            differences++;
        }
    }
    return differences;
}

static bool run_example(Str line)
{
    Example *example = NEW(Example);
    Arena arena = {0};
    Members members = {.arena = &arena};
    Deltas deltas = {.arena = &arena, .members = &members};
    Lines lines = {.arena = &arena};
    MapAnswer answer;
    const MapOptions options = {0};
    /* Flows and steps are nodes only where they are asked for. */
    const MapQuestion question = {.to_minute = UINT32_MAX};
    const MapQuestion everything = {.to_minute = UINT32_MAX, .types = ~0U};

    read_example(line, example);
    Map *map = map_new(&options);
    contribute_all(example, map, &deltas);
    MUST(map_ask(map, &everything, &arena, &answer));
    edge_lines(&answer, &lines);
    MUST(map_ask(map, &question, &arena, &answer));
    hop_lines(&answer, &lines);
    node_lines(&answer, &lines);
    finding_lines(&deltas, &lines);
    flow_lines(map, &lines);
    lost_lines(map, &lines);
    bool holds = compare_lines(example, &lines) == 0;
    map_free(map);
    arena_deinit(&arena);
    arena_deinit(&example->arena);
    mem_free(example);
    return holds;
}

static Str read_shared(const char *path, Buf *buf)
{
    const char *root = getenv("WEFT_SOURCE_ROOT");
    char full[4096];

    snprintf(full, sizeof(full), "%s/../shared/%s", root == NULL ? "." : root, path);
    FILE *file = fopen(full, "rb");
    if (file == NULL) {
        return (Str){0};
    }
    uint8_t *bytes = buf_grow(buf, FILE_MAX);
    buf->len = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    return buf_str(buf);
}

static void test_the_worked_examples_of_the_contract_hold(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf buf = {0};
    Str rest = read_shared("data/contract/examples.jsonl", &buf);
    size_t n = 0;
    size_t failed = 0;

    if (rest.len == 0) {
        printf("shared/data/contract/examples.jsonl is not there: skipped\n");
        skip();
    }
    while (rest.len > 0) {
        Str line;

        str_split(rest, '\n', &line, &rest);
        if (line.len > 0) {
            n++;
            failed += !run_example(line);
        }
    }
    printf("%zu examples, %zu fail\n", n, failed);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worked_examples_of_the_contract_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
