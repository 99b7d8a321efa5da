// SPDX-License-Identifier: Apache-2.0
#include "query/flow/results.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/memory.h"
#include "os/condition.h"

/* A short list, newest first; what falls off its end lives as long as somebody uses it. */
struct FlowResults {
    const Clock *clock;
    pthread_mutex_t mutex;
    pthread_cond_t made; /* on the monotonic clock */
    FlowResult *kept[FLOW_RESULTS_KEPT + 1];
    size_t n_kept;
};

/* Waits are cut, so that a test's clock is looked at, too. */
enum { RESULT_WAIT_NS = 20000000 };

FlowResults *flow_results_new(const Clock *clock)
{
    FlowResults *results = NEW(FlowResults);

    ASSERT(pthread_mutex_init(&results->mutex, NULL) == 0);
    condition_init(&results->made);
    results->clock = clock;
    return results;
}

FlowResults *flow_results_free(FlowResults *results)
{
    if (results != NULL) {
        flow_results_clear(results);
        ASSERT(results->n_kept == 0); /* nobody asks any more */
        pthread_cond_destroy(&results->made);
        pthread_mutex_destroy(&results->mutex);
        mem_free(results);
    }
    return NULL;
}

FlowResult *flow_result_new(Map *map)
{
    FlowResult *result = NEW(FlowResult);

    result->refs = 1;
    result->map = map;
    return result;
}

FlowResult *flow_result_unref(FlowResult *result)
{
    if (result != NULL && atomic_fetch_sub(&result->refs, 1) == 1) {
        map_free(result->map);
        mem_free(result);
    }
    return NULL;
}

/* ---- the list, under the mutex ---- */

static void drop_at(FlowResults *results, size_t at)
{
    flow_result_unref(results->kept[at]);
    results->n_kept--;
    mem_move(&results->kept[at], &results->kept[at + 1],
             (results->n_kept - at) * sizeof(results->kept[0]));
}

static size_t place_of(const FlowResults *results, FlowVersion content)
{
    size_t at = 0;

    while (at < results->n_kept && !flow_version_equal(results->kept[at]->content, content)) {
        at++;
    }
    return at;
}

static void put_first(FlowResults *results, FlowResult *result)
{
    mem_move(&results->kept[1], &results->kept[0], results->n_kept * sizeof(results->kept[0]));
    results->kept[0] = result;
    results->n_kept++;
}

/* One in the making stays: others may come to wait for it. So there may be a few more members than
 * are to be kept, while they are used anyway. */
static void trim(FlowResults *results)
{
    size_t members = 0;

    for (size_t at = 0; at < results->n_kept;) {
        const FlowResult *result = results->kept[at];
        bool is_made = result->map != NULL || result->failed;

        members += result->n_members;
        if (at >= FLOW_RESULTS_KEPT || (is_made && members > FLOW_RESULTS_MEMBERS_KEPT)) {
            members -= result->n_members;
            drop_at(results, at);
        } else {
            at++;
        }
    }
}

static FlowResult *ref(FlowResult *result)
{
    atomic_fetch_add(&result->refs, 1);
    return result;
}

/* Waits for another's result. Returns whether it came. */
static bool wait_for(FlowResults *results, const FlowResult *result, uint64_t deadline_ns)
{
    while (result->map == NULL && !result->failed) {
        if (deadline_ns != 0 && clock_monotonic_ns(results->clock) >= deadline_ns) {
            return false;
        }
        condition_wait_for(&results->made, &results->mutex, RESULT_WAIT_NS);
    }
    return !result->failed;
}

int flow_results_get(FlowResults *results, FlowVersion content, size_t n_members,
                     uint64_t deadline_ns, FlowResult **ret_result)
{
    FlowResult *result;
    int r = 0;

    pthread_mutex_lock(&results->mutex);
    size_t at = place_of(results, content);
    if (at < results->n_kept) {
        result = ref(results->kept[at]);
        mem_move(&results->kept[1], &results->kept[0], at * sizeof(results->kept[0]));
        results->kept[0] = result;
        if (!wait_for(results, result, deadline_ns)) {
            flow_result_unref(result);
            result = flow_result_new(NULL);
            r = FLOW_RESULT_MAKE;
        }
    } else {
        result = flow_result_new(NULL);
        result->content = content;
        result->n_members = n_members;
        put_first(results, ref(result));
        trim(results);
        r = FLOW_RESULT_MAKE;
    }
    pthread_mutex_unlock(&results->mutex);
    *ret_result = result;
    return r;
}

void flow_results_made(FlowResults *results, FlowResult *result, Map *map)
{
    pthread_mutex_lock(&results->mutex);
    result->map = map;
    result->failed = map == NULL;
    size_t at = 0;
    while (at < results->n_kept && results->kept[at] != result) {
        at++;
    }
    if (at < results->n_kept && result->failed) {
        drop_at(results, at);
    }
    trim(results);
    pthread_cond_broadcast(&results->made);
    pthread_mutex_unlock(&results->mutex);
}

void flow_results_clear(FlowResults *results)
{
    pthread_mutex_lock(&results->mutex);
    for (size_t at = 0; at < results->n_kept;) {
        if (atomic_load(&results->kept[at]->refs) == 1) {
            drop_at(results, at);
        } else {
            at++;
        }
    }
    pthread_mutex_unlock(&results->mutex);
}
