// SPDX-License-Identifier: Apache-2.0

/*
 * The contract on real traces: shared/data/boutique, 230,101 spans of a shop of ten services, and
 * the spans that its recorder holds twice. Every edge has the calls of every minute that the data's
 * own count says, and a comparison of the minutes before and after shows each fault that was
 * injected into the shop, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/map.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "map/answer/diff.h"
#include "map/contract.h"
#include "wire/otlp.h"

enum { FILE_MAX = 64 << 20, COUNTS_MAX = 4096 };

/* Calls by "client -> server 2022-08-22T06:34Z". */
typedef struct Counts {
    Symbols keys;
    uint64_t calls[COUNTS_MAX];
} Counts;

static void count(Counts *counts, Str key, uint64_t calls)
{
    uint32_t symbol = symbols_intern(&counts->keys, key);

    assert_true(symbol < COUNTS_MAX);
    counts->calls[symbol] += calls;
}

static bool read_data(const char *name, Buf *buf)
{
    const char *root = getenv("WEFT_SOURCE_ROOT");
    char path[4096];

    snprintf(path, sizeof(path), "%s/../shared/data/boutique/%s", root == NULL ? "." : root, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    uint8_t chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_append(buf, chunk, n);
    }
    fclose(file);
    return true;
}

typedef struct Spans {
    Span *items;
    size_t count, capacity;
} Spans;

/* All bodies of a file, each behind its length in four bytes, big-endian. */
static void read_bodies(const char *name, Buf *unpacked, Arena *arena, Spans *spans)
{
    CLEANUP(buf_deinit) Buf packed = {0};

    assert_true(read_data(name, &packed));
    assert_int_equal(decompress(ENCODING_ZSTD, buf_str(&packed), FILE_MAX, unpacked), 0);
    for (size_t at = 0; at < unpacked->len;) {
        const uint8_t *head = unpacked->ptr + at;
        size_t length =
            (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        Batch batch;
        ParseError error;

        at += 4;
        assert_true(length <= unpacked->len - at);
        assert_int_equal(
            otlp_read_protobuf(str_from_bytes(unpacked->ptr + at, length), arena, &batch, &error),
            0);
        at += length;
        for (size_t i = 0; i < batch.n_spans; i++) {
            ARRAY_RESERVE(spans->items, spans->count, spans->capacity);
            spans->items[spans->count++] = batch.spans[i];
        }
    }
}

static int compare_traces(const void *a, const void *b)
{
    return trace_id_compare(((const Span *)a)->trace_id, ((const Span *)b)->trace_id);
}

static void name_minute(uint32_t minute, char *text, size_t size)
{
    time_t seconds = (time_t)minute * 60;
    struct tm utc;

    gmtime_r(&seconds, &utc);
    strftime(text, size, "%Y-%m-%dT%H:%MZ", &utc);
}

static void count_delta(Counts *counts, const Delta *delta)
{
    CLEANUP(buf_deinit) Buf key = {0};
    NodeKey source;
    NodeKey target;
    char minute[32];

    assert_int_equal(delta->relation, RELATION_CALLS);
    assert_int_equal(delta->rule, RULE_PAIRED);
    assert_int_equal(node_key_parse(delta->source, &source), 0);
    assert_int_equal(node_key_parse(delta->target, &target), 0);
    name_minute(delta->minute, minute, sizeof(minute));
    buf_append_format(&key, "%.*s -> %.*s %s", STR_ARG(source.name), STR_ARG(target.name), minute);
    count(counts, buf_str(&key), delta->count);
}

/* The edges of all traces, which @map also gets; no orphans, nothing unresolved. Returns how many
 * spans there are. */
static size_t count_traces(Spans *spans, Counts *counts, Map *map)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t n_spans = 0;

    qsort(spans->items, spans->count, sizeof(Span), compare_traces);
    for (size_t from = 0, to; from < spans->count; from = to) {
        Deltas deltas = {.arena = &arena};

        for (to = from;
             to < spans->count && compare_traces(&spans->items[from], &spans->items[to]) == 0;) {
            to++;
        }
        const ContractTrace trace = {
            .id = spans->items[from].trace_id,
            .spans = &spans->items[from],
            .n_spans = spans_deduplicate(&spans->items[from], to - from),
        };
        contract_contribution(&trace, NULL, 0, &deltas);
        map_apply(map, &deltas, 1);
        for (size_t i = 0; i < deltas.count; i++) {
            const Delta *delta = &deltas.items[i];

            assert_true(delta->kind != DELTA_ORPHAN && delta->kind != DELTA_UNRESOLVED &&
                        delta->kind != DELTA_HOP);
            n_spans += delta->kind == DELTA_SPAN ? delta->count : 0;
            if (delta->kind == DELTA_EDGE) {
                count_delta(counts, delta);
            }
        }
        arena_reset(&arena);
    }
    return n_spans;
}

/* {"client -> server": {"minute": calls}} */
static void read_expected_edges(JsonReader *reader, Counts *counts)
{
    Str edge;
    Str minute;
    Str text;
    uint64_t calls;

    assert_int_equal(json_enter_object(reader), 0);
    while (json_next_key(reader, &edge) > 0) {
        edge = arena_copy(reader->arena, edge);
        assert_int_equal(json_enter_object(reader), 0);
        while (json_next_key(reader, &minute) > 0) {
            Str key = arena_format(reader->arena, "%.*s %.*s", STR_ARG(edge), STR_ARG(minute));

            assert_int_equal(json_read_number(reader, &text), 0);
            assert_int_equal(str_parse_u64(text, &calls), 0);
            count(counts, key, calls);
        }
    }
}

static void read_expected(Str json, Arena *arena, Counts *counts)
{
    JsonReader reader;
    Str key;

    json_reader_init(&reader, json, arena);
    assert_int_equal(json_enter_object(&reader), 0);
    while (json_next_key(&reader, &key) > 0) {
        if (str_equal(key, STR("edges_per_minute"))) {
            read_expected_edges(&reader, counts);
        } else {
            assert_int_equal(json_skip(&reader, NULL), 0);
        }
    }
}

static void assert_same_counts(const Counts *expected, const Counts *got)
{
    uint64_t total = 0;

    assert_int_equal(symbols_count(&expected->keys), symbols_count(&got->keys));
    for (uint32_t i = 0; i < symbols_count(&expected->keys); i++) {
        Str key = symbols_get(&expected->keys, i);
        uint32_t found = symbols_find(&got->keys, key);

        total += expected->calls[i];
        if (found == SYMBOL_NONE || got->calls[found] != expected->calls[i]) {
            fail_msg("%.*s: %llu expected", STR_ARG(key), (unsigned long long)expected->calls[i]);
        }
    }
    assert_int_equal(total, 55355);
}

/* --- Its faults, by comparing the minutes before and after --- */

#define AT(hour, minute) ((uint32_t)(1661126400 / 60 + (hour)*60 + (minute))) /* 2022-08-22 */

/* A fault of boutique.faults.json: the recorded minutes before it and with it. The minute in which
 * it begins belongs to neither, unless the recording has no other. A fault of a service shows in
 * the calls to it (@shown: at least those) and in those of everybody who waits for it. */
typedef struct Fault {
    const char *what;
    uint32_t a_from, a_to, b_from, b_to;
    const char *shown[4]; /* "client>server" */
    const char *waiting[4];
} Fault;

static const Fault faults[] = {
    {"productcatalogservice cpu_consumed",
     AT(6, 34),
     AT(6, 36),
     AT(6, 36),
     AT(6, 38),
     {"frontend>productcatalogservice", "recommendationservice>productcatalogservice",
      "checkoutservice>productcatalogservice"},
     {"frontend>recommendationservice", "frontend>checkoutservice"}},
    {"recommendationservice network_delay",
     AT(6, 52),
     AT(6, 53),
     AT(6, 53),
     AT(6, 55),
     {"frontend>recommendationservice"},
     {"recommendationservice>productcatalogservice"}},
    {"recommendationservice cpu_contention",
     AT(6, 52),
     AT(6, 53),
     AT(7, 2),
     AT(7, 4),
     {"frontend>recommendationservice", "recommendationservice>productcatalogservice"},
     {NULL}},
    {"recommendationservice cpu_consumed",
     AT(7, 9),
     AT(7, 10),
     AT(7, 11),
     AT(7, 13),
     {"frontend>recommendationservice", "recommendationservice>productcatalogservice"},
     {NULL}},
    {"shippingservice network_delay",
     AT(7, 17),
     AT(7, 18),
     AT(7, 18),
     AT(7, 20),
     {"frontend>shippingservice", "checkoutservice>shippingservice"},
     {"frontend>checkoutservice"}},
};

static Str change_name(const MapDiff *diff, const MapChange *change, Arena *arena)
{
    const MapEdge *edge = &diff->b.edges[change->index];

    return arena_format(arena, "%.*s>%.*s", STR_ARG(diff->b.nodes[edge->source].key.name),
                        STR_ARG(diff->b.nodes[edge->target].key.name));
}

static bool is_listed(const char *const list[4], Str name)
{
    for (size_t i = 0; i < 4 && list[i] != NULL; i++) {
        if (str_equal(str_from_cstr(list[i]), name)) {
            return true;
        }
    }
    return false;
}

static MapDiff compare(Map *map, Arena *arena, const uint32_t window[4])
{
    const MapDiffQuestion question = {.a_from = window[0],
                                      .a_to = window[1],
                                      .b_from = window[2],
                                      .b_to = window[3],
                                      .complete_to_ns = UINT64_MAX};
    MapDiff diff;

    assert_int_equal(map_diff(map, &question, arena, &diff), 0);
    assert_int_equal(diff.n_added_edges + diff.n_removed_edges, 0);
    return diff;
}

static size_t count_shown(const Fault *fault, const MapDiff *diff, Arena *arena)
{
    size_t n = 0;

    for (size_t i = 0; i < diff->n_changes; i++) {
        n += diff->changes[i].kind == CHANGE_LATENCY && diff->changes[i].b > diff->changes[i].a &&
             is_listed(fault->shown, change_name(diff, &diff->changes[i], arena));
    }
    return n;
}

static void assert_fault_is_found(Map *map, Arena *arena, const Fault *fault)
{
    MapDiff diff =
        compare(map, arena, (uint32_t[]){fault->a_from, fault->a_to, fault->b_from, fault->b_to});
    size_t n_shown = 0;

    while (n_shown < 4 && fault->shown[n_shown] != NULL) {
        n_shown++;
    }
    for (size_t i = 0; i < diff.n_changes; i++) {
        Str name = change_name(&diff, &diff.changes[i], arena);

        print_message("%s: %.*s %d %.3g %.3g, significance %.1f\n", fault->what, STR_ARG(name),
                      (int)diff.changes[i].kind, diff.changes[i].a, diff.changes[i].b,
                      diff.changes[i].significance);
        if (!is_listed(fault->shown, name) && !is_listed(fault->waiting, name)) {
            fail_msg("%s: a false alarm: %.*s", fault->what, STR_ARG(name));
        }
    }
    assert_int_equal(count_shown(fault, &diff, arena), n_shown);
    assert_true(is_listed(fault->shown, change_name(&diff, &diff.changes[0], arena)));
}

/* The recorded minutes before any fault, each with each: what differs there is chance. */
static void assert_quiet_minutes_are_alike(Map *map, Arena *arena)
{
    const uint32_t quiet[] = {AT(6, 34), AT(6, 52), AT(7, 17)};

    for (size_t i = 0; i < ARRAY_LEN(quiet); i++) {
        for (size_t k = 0; k < ARRAY_LEN(quiet); k++) {
            MapDiff diff =
                compare(map, arena, (uint32_t[]){quiet[i], quiet[i] + 1, quiet[k], quiet[k] + 1});

            assert_int_equal(diff.n_changes, 0);
        }
    }
}

static void test_a_real_shop_has_its_edges_and_shows_its_faults(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf json = {0};
    CLEANUP(buf_deinit) Buf bodies = {0};
    CLEANUP(buf_deinit) Buf duplicates = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    Spans spans = {0};

    if (!read_data("boutique.expect.json", &json)) {
        printf("shared/data/boutique is not there: skipped\n");
        skip();
    }
    Counts *expected = NEW(Counts);
    Counts *got = NEW(Counts);
    read_expected(buf_str(&json), &arena, expected);
    read_bodies("boutique.otlp.zst", &bodies, &arena, &spans);
    assert_int_equal(spans.count, 230101);
    read_bodies("boutique.duplicates.otlp.zst", &duplicates, &arena, &spans);
    Map *map = map_new(NULL);
    assert_int_equal(count_traces(&spans, got, map), 230101);
    assert_same_counts(expected, got);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        assert_fault_is_found(map, &arena, &faults[i]);
    }
    assert_quiet_minutes_are_alike(map, &arena);
    map_free(map);
    symbols_deinit(&expected->keys);
    symbols_deinit(&got->keys);
    mem_free(expected);
    mem_free(got);
    mem_free(spans.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_shop_has_its_edges_and_shows_its_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
