// SPDX-License-Identifier: Apache-2.0
#include "map/map_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "map/map_fixture.h"
#include "map/tiers.h"

static uint64_t random_state = 4711;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static Str random_service(Fixture *fixture)
{
    const char *names[] = {"web", "cart", "mail", "pay"};

    return service_in(fixture, names[random_below(4)], random_below(3) == 0 ? "shop" : "");
}

/* One delta of any kind, with whatever it can carry. */
static void add_random(Fixture *fixture)
{
    Str a = random_service(fixture), b = random_service(fixture);
    uint32_t minute = TODAY + random_below(50);
    Delta *delta = fixture_edge(fixture, a, RELATION_CALLS, b, RULE_PAIRED, minute);

    delta->kind = (DeltaKind)random_below(DELTA_SPAN + 1);
    delta->via = queue(fixture, "orders");
    delta->name = random_below(2) == 0 ? STR("version") : STR("GET /\xff");
    delta->value = STR("1.2");
    delta->flow = random_below(2) == 0 ? flow(fixture, "order") : (Str){0};
    delta->step = delta->flow.len > 0 ? STR("pay") : (Str){0};
    delta->count = 1 + random_below(3);
    delta->errors = random_below(2);
    delta->adjusted = random_below(2) == 0 ? ADJUSTED_ONE : (ADJUSTED_ONE << 60) + 3;
    delta->has_server_duration = random_below(2) == 0;
    delta->duration_ns = random_below(100000000);
    delta->server_duration_ns = random_below(1000);
    delta->trace_id.bytes[2] = (uint8_t)random_below(200);
    delta->start_ns = (uint64_t)minute * 60000000000U + random_below(1000);
    if (delta->kind == DELTA_PROOF) {
        delta->source = unpaired(fixture, "10.0.0.1");
        delta->minute = minute / 1440;
    }
    if (delta->kind == DELTA_EDGE && random_below(3) == 0) {
        delta->target = unpaired(fixture, "10.0.0.1");
        delta->rule = RULE_SERVER_ADDRESS;
    }
}

static void cut(Fixture *fixture, Buf *file)
{
    MapPending *pending = map_cut(fixture->map);

    assert_non_null(pending);
    assert_int_equal(map_pending_write(pending, file), 0);
    tiers_free(fixture->map, pending);
}

/* What the map holds, in one form: the rows of all of it. */
static void dump(Map *map, Arena *arena, Buf *text)
{
    MapQuestion question = {.to_minute = UINT32_MAX};
    MapAnswer answer;
    MapFinding *findings;
    size_t n;

    assert_int_equal(map_ask(map, &question, arena, &answer), 0);
    for (size_t i = 0; i < answer.n_nodes; i++) {
        const MapNode *node = &answer.nodes[i];

        buf_append_format(text, "%.*s %u %u %lu %lu %lu\n", STR_ARG(node->id), node->first_minute,
                          node->last_minute, node->requests, node->errors, node->duration.p90_ns);
        for (size_t k = 0; k < node->n_labels; k++) {
            buf_append_str(text, node->labels[k].key);
            buf_append_str(text, node->labels[k].value);
        }
    }
    for (size_t i = 0; i < answer.n_edges; i++) {
        const MapEdge *edge = &answer.edges[i];

        buf_append_format(text, "%.*s %lu %lu %a %lu %lu %zu", STR_ARG(edge->id), edge->count,
                          edge->errors, edge->adjusted_count, edge->duration.p99_ns,
                          edge->server_duration.p50_ns, edge->n_intervals);
        for (size_t k = 0; k < edge->n_flows; k++) {
            buf_append_format(text, " %.*s:%lu", STR_ARG(edge->flows[k].step),
                              edge->flows[k].count);
        }
        buf_append(text, edge->latest, edge->n_latest * sizeof(edge->latest[0]));
        buf_append(text, edge->slowest, edge->n_slowest * sizeof(edge->slowest[0]));
    }
    for (size_t i = 0; i < answer.n_hops; i++) {
        buf_append_format(text, "%lu %lu\n", answer.hops[i].count, answer.hops[i].age.p99_ns);
    }
    map_findings(map, 0, UINT32_MAX, arena, &findings, &n);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(text, "%d %lu %lu\n", findings[i].kind, findings[i].count,
                          findings[i].spans);
    }
}

static void assert_same_map(Map *a, Map *b)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf left = {0}, right = {0};

    dump(a, &arena, &left);
    dump(b, &arena, &right);
    assert_true(left.len > 0);
    assert_true(str_equal(buf_str(&left), buf_str(&right)));
}

static void files_give_the_same_map_one_by_one_reversed_and_merged(void **state)
{
    enum { FILES = 6 };
    Fixture fixture;
    Buf files[FILES] = {0};
    CLEANUP(buf_deinit) Buf merged = {0};
    Str views[FILES];
    ParseError error;

    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < FILES; i++) {
        for (int k = 0; k < 150; k++) {
            add_random(&fixture);
        }
        fixture_take(&fixture, 1);
        fixture.deltas.count = 30;
        cut(&fixture, &files[i]);
        if (i + 1 < FILES) {
            fixture_take(&fixture, -1); /* negative in the next file */
        }
        fixture.deltas.count = 0;
        views[i] = buf_str(&files[i]);
    }
    assert_null(map_cut(fixture.map));

    Map *forth = map_new(NULL), *back = map_new(NULL), *once = map_new(NULL);
    for (size_t i = 0; i < FILES; i++) {
        assert_int_equal(map_load(forth, views[i], &error), 0);
        assert_int_equal(map_load(back, views[FILES - 1 - i], &error), 0);
    }
    assert_int_equal(map_merge_files(views, FILES, &merged), 0);
    assert_int_equal(map_load(once, buf_str(&merged), &error), 0);
    assert_same_map(fixture.map, forth);
    assert_same_map(fixture.map, once);
    MapStatus a, b;
    map_status(forth, &a);
    map_status(back, &b);
    assert_int_equal(a.edge_minutes, b.edge_minutes);
    assert_true(a.edge_minutes > 0);
    map_free(forth), map_free(back), map_free(once);
    for (size_t i = 0; i < FILES; i++) {
        buf_deinit(&files[i]);
    }
    fixture_deinit(&fixture);
}

static void loaded_rows_are_not_written_again(void **state)
{
    Fixture fixture;
    CLEANUP(buf_deinit) Buf file = {0};
    ParseError error;

    fixture_init(&fixture, NULL);
    add_random(&fixture);
    fixture_apply(&fixture);
    cut(&fixture, &file);
    Map *map = map_new(NULL);
    assert_int_equal(map_load(map, buf_str(&file), &error), 0);
    assert_null(map_cut(map));
    map_free(map);
    fixture_deinit(&fixture);
}

static void what_cancels_out_leaves_no_row(void **state)
{
    Fixture fixture;
    CLEANUP(buf_deinit) Buf there = {0}, back = {0}, merged = {0};
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    ParseError error;

    fixture_init(&fixture, NULL);
    for (int i = 0; i < 50; i++) {
        add_random(&fixture);
    }
    fixture_take(&fixture, 1);
    cut(&fixture, &there);
    fixture_take(&fixture, -1);
    cut(&fixture, &back);
    Str files[] = {buf_str(&there), buf_str(&back)};
    assert_int_equal(map_merge_files(files, 2, &merged), 0);
    assert_int_equal(map_file_read(buf_str(&merged), true, &arena, &rows, &error), 0);
    for (size_t i = 0; i < rows.count; i++) {
        assert_true(cell_value_is_zero(&rows.items[i].sum)); /* at most an exemplar's shadow */
    }
    fixture_deinit(&fixture);
}

static void damaged_files_are_refused_not_believed(void **state)
{
    Fixture fixture;
    CLEANUP(buf_deinit) Buf file = {0}, bad = {0};
    ParseError error = {0};
    size_t refused = 0, tried = 0;

    fixture_init(&fixture, NULL);
    for (int i = 0; i < 60; i++) {
        add_random(&fixture);
    }
    fixture_apply(&fixture);
    cut(&fixture, &file);
    for (size_t at = 0; at < file.len; at += 1 + file.len / 400) {
        Map *map = map_new(NULL);

        buf_clear(&bad);
        buf_append(&bad, file.ptr, file.len);
        bad.ptr[at] ^= (uint8_t)(1 + at % 255);
        int result = map_load(map, buf_str(&bad), &error);
        assert_true(result == 0 || result == 1);
        refused += result == 1;
        tried++;
        if (result == 1) {
            assert_non_null(error.text);
            assert_true(error.offset <= bad.len);
        }
        map_free(map);
    }
    /* Pages carry a CRC; only unused bytes of the footer can change unseen. */
    assert_true(refused * 10 > tried * 7);
    for (size_t len = 0; len < file.len; len += 97) {
        Map *map = map_new(NULL);

        assert_int_equal(map_load(map, str_slice(buf_str(&file), 0, len), &error), 1);
        map_free(map);
    }
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_give_the_same_map_one_by_one_reversed_and_merged),
        cmocka_unit_test(loaded_rows_are_not_written_again),
        cmocka_unit_test(what_cancels_out_leaves_no_row),
        cmocka_unit_test(damaged_files_are_refused_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
