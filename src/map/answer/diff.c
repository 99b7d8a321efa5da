// SPDX-License-Identifier: Apache-2.0
#include "map/answer/diff.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/answer/significance.h"

/*
 * Every test is one on counts: calls against calls, failed of all calls, calls slower than a
 * boundary of all calls. Calls come in bursts, several in one trace, and so vary more than
 * independent ones would; how much more is the index of dispersion, measured between the slices of
 * both windows and pulled towards an assumed one by PRIOR_WEIGHT slices' worth, which is all there
 * is in a window of one minute. Counts are divided by it before an exact test sees them, so thin or
 * bursty data has little to say (quasi-likelihood; Wedderburn 1974, McCullagh & Nelder 1989, 9).
 *
 * Latency: the boundary lies half way, on the logarithmic scale of the sketch, between the two
 * windows' quantiles. Means would follow a single slow call, and distances of whole distributions
 * would call a microsecond a change.
 *
 * All probabilities of an answer's edges are adjusted together, and all of its services' requests:
 * a service's requests are mostly the calls of edges once more. A change also has to be large
 * enough to care.
 */
#define PRIOR_WEIGHT 4.0
#define PRIOR_RATE_SQUARED 0.02 /* a rate varies by 14 % from minute to minute */
#define PRIOR_ERRORS 1.0
#define PRIOR_LATENCY 2.0
#define FALSE_ALARMS_MAX 0.01
#define RATIO_MIN 1.25 /* and as much as RATIO_MIN_THIN more in a window of a single minute */
#define RATIO_MIN_THIN 0.5
#define ERROR_RATIO_MIN 1.5
#define ERROR_SHARE_MIN 0.005
#define SIGNIFICANCE_MAX 300.0
#define NS_PER_MINUTE 60e9
#define MINUTES_MIN 0.1

enum {
    TAIL_CALLS_MIN = 2000, /* for the 99th percentile */
    TESTS_PER_THING = 5,
};

static const double quantiles[] = {0.5, 0.9, 0.99};

/* One window of an edge, or of a service's requests. */
typedef struct Side {
    const MapDuration *duration;
    const MapProfile *profile; /* NULL: the window lacks it */
    double minutes, count, errors;
} Side;

typedef struct Comparison {
    Arena *arena;
    MapDiff diff;
    double minutes_a, minutes_b;
    MapChange *tests; /* each with its probability in the array beside */
    double *probabilities;
    double *ratios;
    size_t n_tests;
} Comparison;

/* Minutes of a window that are known already, the one that is not over in parts. */
static double known_minutes(uint32_t from, uint32_t to, uint64_t complete_to_ns)
{
    double end = (double)complete_to_ns / NS_PER_MINUTE;

    return end > from && end < to ? fmax(end - from, MINUTES_MIN) : fmax((double)to - from, 1);
}

static double mean_per_slice(const Side *side)
{
    return side->count / fmax(side->profile->n_slices, 1);
}

static double pulled(double squares, double freedom, double prior)
{
    return fmax(1, (squares + PRIOR_WEIGHT * prior) / (freedom + PRIOR_WEIGHT));
}

/* Adds what the slices' counts say of the index of dispersion, from the first slice with calls to
 * the last: before and after, the edge was not there rather than quiet. */
static void add_rate_variation(const Side *side, double *squares, double *freedom)
{
    const ProfileSlice *slices = side->profile->slices;
    uint32_t first = 0, end = side->profile->n_slices, minutes = 0;

    while (first < end && slices[first].count == 0) {
        first++;
    }
    while (end > first && slices[end - 1].count == 0) {
        end--;
    }
    for (uint32_t i = first; i < end; i++) {
        minutes += slices[i].minutes;
    }
    for (uint32_t i = first; i < end; i++) {
        double expected = side->count * slices[i].minutes / fmax(minutes, 1);
        double off = (double)slices[i].count - expected;

        *squares += expected > 0 ? off * off / expected : 0;
    }
    *freedom += fmax((double)end - first, 1) - 1;
}

static double rate_dispersion(const Side *a, const Side *b)
{
    double squares = 0, freedom = 0, mean = 0, sides = 0;
    const Side *both[] = {a, b};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        if (both[i]->profile != NULL) {
            add_rate_variation(both[i], &squares, &freedom);
            mean += mean_per_slice(both[i]);
            sides++;
        }
    }
    return pulled(squares, freedom, 1 + PRIOR_RATE_SQUARED * mean / fmax(sides, 1));
}

static double slice_total(const ProfileSlice *slice)
{
    double total = 0;

    for (uint32_t i = 0; i < slice->n_buckets; i++) {
        total += slice->buckets[i].count;
    }
    return total;
}

static double slice_above(const ProfileSlice *slice, double boundary)
{
    double above = 0;

    for (uint32_t i = 0; i < slice->n_buckets; i++) {
        above += slice->buckets[i].index > boundary ? slice->buckets[i].count : 0;
    }
    return above;
}

/* Hits among all calls of a side, in total and by slice; hits are errors when @boundary < 0. */
typedef struct Share {
    double hits, of;
} Share;

static Share slice_share(const ProfileSlice *slice, double boundary)
{
    if (boundary < 0) {
        return (Share){(double)slice->errors, (double)slice->count};
    }
    return (Share){slice_above(slice, boundary), slice_total(slice)};
}

static Share side_share(const Side *side, double boundary)
{
    Share sum = {0};

    for (uint32_t i = 0; i < side->profile->n_slices; i++) {
        Share share = slice_share(&side->profile->slices[i], boundary);

        sum.hits += share.hits;
        sum.of += share.of;
    }
    return sum;
}

static void add_share_variation(const Side *side, double boundary, double *squares, double *freedom)
{
    Share all = side_share(side, boundary);
    double share = all.hits / fmax(all.of, 1), slices = 0;

    for (uint32_t i = 0; i < side->profile->n_slices; i++) {
        Share part = slice_share(&side->profile->slices[i], boundary);
        double off = part.hits - share * part.of, variance = part.of * share * (1 - share);

        *squares += variance > 0 ? off * off / variance : 0;
        slices += part.of > 0;
    }
    *freedom += fmax(slices, 1) - 1;
}

static double share_probability(const Side *a, const Side *b, double boundary, double prior)
{
    double squares = 0, freedom = 0;
    Share left = side_share(a, boundary), right = side_share(b, boundary);

    add_share_variation(a, boundary, &squares, &freedom);
    add_share_variation(b, boundary, &squares, &freedom);
    double dispersion = pulled(squares, freedom, prior);
    return significance_shares(left.hits / dispersion, left.of / dispersion,
                               right.hits / dispersion, right.of / dispersion);
}

/* The sketch's index of a quantile over all slices, by nearest rank. */
static int32_t quantile_index(const Side *side, double quantile)
{
    double rank = fmax(1, ceil(quantile * side_share(side, 0).of));
    int32_t low = 0, high = SKETCH_INDEXES - 1;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        Share above = side_share(side, middle);

        if (above.of - above.hits >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static double quantile_ns(const Side *side, size_t which)
{
    const MapDuration *duration = side->duration;
    const uint64_t values[] = {duration->p50_ns, duration->p90_ns, duration->p99_ns};

    return (double)values[which];
}

/* --- The tests of what both windows have --- */

static void add_test(Comparison *comparison, const MapChange *test, double probability,
                     double ratio)
{
    comparison->tests[comparison->n_tests] = *test;
    comparison->probabilities[comparison->n_tests] = probability;
    comparison->ratios[comparison->n_tests++] = ratio;
}

static double ratio_of(double a, double b)
{
    return a > 0 && b > 0 ? fmax(a / b, b / a) : HUGE_VAL;
}

/* Below this a change is too small to tell of. */
static double ratio_min(const Side *a, const Side *b)
{
    uint32_t slices = MIN(a->profile->n_slices, b->profile->n_slices);

    return RATIO_MIN + RATIO_MIN_THIN / MAX(slices, 1U);
}

static double rate_probability(const Comparison *comparison, const Side *a, const Side *b)
{
    double dispersion = rate_dispersion(a, b);

    return significance_rates(a->count / dispersion, b->count / dispersion,
                              comparison->minutes_b /
                                  (comparison->minutes_a + comparison->minutes_b));
}

static void test_rate(Comparison *comparison, const Side *a, const Side *b, size_t index)
{
    MapChange test = {.index = index,
                      .kind = CHANGE_RATE,
                      .a = a->count / comparison->minutes_a,
                      .b = b->count / comparison->minutes_b};
    double ratio = ratio_of(test.a, test.b);

    add_test(comparison, &test, rate_probability(comparison, a, b),
             ratio >= ratio_min(a, b) ? ratio : 0);
}

static void test_errors(Comparison *comparison, const Side *a, const Side *b, size_t index)
{
    MapChange test = {.index = index,
                      .kind = CHANGE_ERRORS,
                      .a = a->errors / fmax(a->count, 1),
                      .b = b->errors / fmax(b->count, 1)};
    /* Half an error more on both sides, so that none at all is a number, too. */
    double ratio = ratio_of((a->errors + 0.5) / (a->count + 1), (b->errors + 0.5) / (b->count + 1));

    if (a->errors + b->errors > 0) {
        add_test(comparison, &test, share_probability(a, b, -1, PRIOR_ERRORS),
                 ratio >= ERROR_RATIO_MIN && fabs(test.a - test.b) >= ERROR_SHARE_MIN ? ratio : 0);
    }
}

static void test_latency(Comparison *comparison, const Side *a, const Side *b, size_t index)
{
    double calls = fmin(side_share(a, 0).of, side_share(b, 0).of);

    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        MapChange test = {.index = index, .kind = CHANGE_LATENCY, .quantile = quantiles[i]};
        bool is_tail = i + 1 == ARRAY_LEN(quantiles);

        if (calls * (1 - quantiles[i]) < 1 || (is_tail && calls < TAIL_CALLS_MIN)) {
            continue;
        }
        double boundary = (quantile_index(a, quantiles[i]) + quantile_index(b, quantiles[i])) / 2.0;
        test.a = quantile_ns(a, i);
        test.b = quantile_ns(b, i);
        double ratio = ratio_of(test.a, test.b);
        add_test(comparison, &test, share_probability(a, b, boundary, PRIOR_LATENCY),
                 ratio >= ratio_min(a, b) ? ratio : 0);
    }
}

static Side side_of(const MapEdge *edge)
{
    if (edge == NULL) {
        return (Side){0};
    }
    bool of_server = edge->profile != NULL && edge->profile->of_server;
    return (Side){.duration = of_server ? &edge->server_duration : &edge->duration,
                  .profile = edge->profile,
                  .count = (double)edge->count,
                  .errors = (double)MIN(edge->errors, edge->count)};
}

static Side side_of_requests(const MapNode *node)
{
    return (Side){.duration = &node->duration,
                  .profile = node->profile,
                  .count = (double)node->requests,
                  .errors = (double)MIN(node->errors, node->requests)};
}

static void compare(Comparison *comparison, Side a, Side b, size_t index)
{
    if (a.profile == NULL || b.profile == NULL) {
        return;
    }
    test_rate(comparison, &a, &b, index);
    test_errors(comparison, &a, &b, index);
    if (a.profile->of_server == b.profile->of_server) {
        test_latency(comparison, &a, &b, index);
    }
}

static double significance_of(double probability)
{
    return fmin(SIGNIFICANCE_MAX, -log10(fmax(probability, 1e-320)));
}

static MapCame came(const Comparison *comparison, const MapEdge *a, const MapEdge *b, size_t index)
{
    Side left = side_of(a), right = side_of(b);

    return (MapCame){index, significance_of(rate_probability(comparison, &left, &right))};
}

/* --- Joining the two answers --- */

/* Positions of @n things in the order of their ids. */
typedef struct IdPosition {
    Str id;
    size_t at;
} IdPosition;

static int compare_id_positions(const void *a, const void *b)
{
    return str_compare(((const IdPosition *)a)->id, ((const IdPosition *)b)->id);
}

static IdPosition *edge_ids(const MapAnswer *answer, Arena *arena)
{
    IdPosition *ids = ARENA_ARRAY(arena, IdPosition, answer->n_edges + 1);

    for (size_t i = 0; i < answer->n_edges; i++) {
        ids[i] = (IdPosition){answer->edges[i].id, i};
    }
    qsort(ids, answer->n_edges, sizeof(ids[0]), compare_id_positions);
    return ids;
}

static int compare_came(const void *a, const void *b)
{
    const MapCame *left = a, *right = b;

    if (left->significance != right->significance) {
        return left->significance > right->significance ? -1 : 1;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Of @n things at most. */
static void begin_tests(Comparison *comparison, size_t n)
{
    size_t n_tests = TESTS_PER_THING * n + 1;

    comparison->n_tests = 0;
    comparison->tests = ARENA_ARRAY(comparison->arena, MapChange, n_tests);
    comparison->probabilities = ARENA_ARRAY(comparison->arena, double, n_tests);
    comparison->ratios = ARENA_ARRAY(comparison->arena, double, n_tests);
}

static void join_edges(Comparison *comparison)
{
    MapDiff *diff = &comparison->diff;
    const IdPosition *a = edge_ids(&diff->a, comparison->arena);
    const IdPosition *b = edge_ids(&diff->b, comparison->arena);

    diff->removed_edges = ARENA_ARRAY(comparison->arena, MapCame, diff->a.n_edges + 1);
    diff->added_edges = ARENA_ARRAY(comparison->arena, MapCame, diff->b.n_edges + 1);
    begin_tests(comparison, diff->b.n_edges);
    for (size_t i = 0, k = 0; i < diff->a.n_edges || k < diff->b.n_edges;) {
        int order = i == diff->a.n_edges   ? 1
                    : k == diff->b.n_edges ? -1
                                           : str_compare(a[i].id, b[k].id);

        if (order < 0) {
            diff->removed_edges[diff->n_removed_edges++] =
                came(comparison, &diff->a.edges[a[i].at], NULL, a[i].at);
        } else if (order > 0) {
            diff->added_edges[diff->n_added_edges++] =
                came(comparison, NULL, &diff->b.edges[b[k].at], b[k].at);
        } else {
            compare(comparison, side_of(&diff->a.edges[a[i].at]), side_of(&diff->b.edges[b[k].at]),
                    b[k].at);
        }
        i += order <= 0;
        k += order >= 0;
    }
    qsort(diff->removed_edges, diff->n_removed_edges, sizeof(MapCame), compare_came);
    qsort(diff->added_edges, diff->n_added_edges, sizeof(MapCame), compare_came);
}

static void join_nodes(Comparison *comparison)
{
    MapDiff *diff = &comparison->diff;
    size_t i = 0, k = 0;

    begin_tests(comparison, diff->b.n_nodes);
    diff->removed_nodes = ARENA_ARRAY(comparison->arena, size_t, diff->a.n_nodes + 1);
    diff->added_nodes = ARENA_ARRAY(comparison->arena, size_t, diff->b.n_nodes + 1);
    while (i < diff->a.n_nodes || k < diff->b.n_nodes) {
        int order = i == diff->a.n_nodes   ? 1
                    : k == diff->b.n_nodes ? -1
                                           : str_compare(diff->a.nodes[i].id, diff->b.nodes[k].id);

        if (order < 0) {
            diff->removed_nodes[diff->n_removed_nodes++] = i;
        } else if (order > 0) {
            diff->added_nodes[diff->n_added_nodes++] = k;
        } else {
            compare(comparison, side_of_requests(&diff->a.nodes[i]),
                    side_of_requests(&diff->b.nodes[k]), k);
        }
        i += order <= 0;
        k += order >= 0;
    }
}

/* --- Ranking --- */

/* How much a change matters: how large and how certain it is, and of which kind: at equal size and
 * certainty errors come before latency before rate. */
static double weight_of(const MapChange *change, double ratio)
{
    static const double kinds[] = {[CHANGE_RATE] = 1, [CHANGE_LATENCY] = 2, [CHANGE_ERRORS] = 3};

    return kinds[change->kind] * fmin(log2(ratio), 10) * fmin(change->significance, 10);
}

typedef struct Ranked {
    MapChange change;
    double weight;
} Ranked;

static int compare_ranked(const void *a, const void *b)
{
    const Ranked *left = a, *right = b;

    if (left->weight != right->weight) {
        return left->weight > right->weight ? -1 : 1;
    }
    return left->change.index < right->change.index ? -1 : left->change.index > right->change.index;
}

/* A latency changed once, at the quantile where that is clearest. */
static bool is_other_quantile(const Ranked *before, const MapChange *change)
{
    return before->change.kind == CHANGE_LATENCY && change->kind == CHANGE_LATENCY &&
           before->change.index == change->index;
}

static MapChange *rank_changes(const Comparison *comparison, size_t *ret_n)
{
    Ranked *ranked = ARENA_ARRAY(comparison->arena, Ranked, comparison->n_tests + 1);
    size_t n = 0;

    significance_adjust(comparison->probabilities, comparison->n_tests);
    for (size_t i = 0; i < comparison->n_tests; i++) {
        Ranked one = {.change = comparison->tests[i]};

        if (comparison->probabilities[i] > FALSE_ALARMS_MAX || comparison->ratios[i] == 0) {
            continue;
        }
        one.change.significance = significance_of(comparison->probabilities[i]);
        one.weight = weight_of(&one.change, comparison->ratios[i]);
        if (n > 0 && is_other_quantile(&ranked[n - 1], &one.change)) {
            if (one.change.significance <= ranked[n - 1].change.significance) {
                continue;
            }
            n--;
        }
        ranked[n++] = one;
    }
    qsort(ranked, n, sizeof(ranked[0]), compare_ranked);
    MapChange *changes = ARENA_ARRAY(comparison->arena, MapChange, n + 1);
    for (size_t i = 0; i < n; i++) {
        changes[i] = ranked[i].change;
    }
    *ret_n = n;
    return changes;
}

void map_diff_answers(const MapAnswer *a, const MapAnswer *b, Arena *arena, MapDiff *ret_diff)
{
    Comparison comparison = {
        .arena = arena, .diff = {.a = *a, .b = *b}, .minutes_a = 1, .minutes_b = 1};

    join_nodes(&comparison);
    join_edges(&comparison);
    *ret_diff = comparison.diff;
}

static int ask_window(Map *map, const MapDiffQuestion *question, bool second, Arena *arena,
                      MapAnswer *ret_answer)
{
    MapQuestion window = question->filters;

    window.from_minute = second ? question->b_from : question->a_from;
    window.to_minute = second ? question->b_to : question->a_to;
    window.with_profiles = true;
    return map_ask(map, &window, arena, ret_answer);
}

int map_diff(Map *map, const MapDiffQuestion *question, Arena *arena, MapDiff *ret_diff)
{
    Comparison comparison = {
        .arena = arena,
        .minutes_a = known_minutes(question->a_from, question->a_to, question->complete_to_ns),
        .minutes_b = known_minutes(question->b_from, question->b_to, question->complete_to_ns),
    };
    int a = ask_window(map, question, false, arena, &comparison.diff.a);
    int b = ask_window(map, question, true, arena, &comparison.diff.b);

    if (a != 0 && b != 0) {
        return MAP_NO_SUCH_NODE;
    }
    join_nodes(&comparison);
    comparison.diff.requests = rank_changes(&comparison, &comparison.diff.n_requests);
    join_edges(&comparison);
    comparison.diff.changes = rank_changes(&comparison, &comparison.diff.n_changes);
    *ret_diff = comparison.diff;
    return 0;
}
