// SPDX-License-Identifier: Apache-2.0
#include "trace/heavy_traces.h"

void heavy_traces_init(HeavyTraces *traces)
{
    table_init(&traces->table, sizeof(HeavyTrace), TRACE_ID_SIZE);
}

void heavy_traces_deinit(HeavyTraces *traces)
{
    table_deinit(&traces->table);
}

static void forget_oldest(HeavyTraces *traces)
{
    HeavyTrace *oldest = table_at(&traces->table, 0);

    for (size_t i = 1; i < traces->table.n_records; i++) {
        HeavyTrace *trace = table_at(&traces->table, i);

        oldest = trace->settled_ns < oldest->settled_ns ? trace : oldest;
    }
    table_remove(&traces->table, oldest);
}

void heavy_traces_note(HeavyTraces *traces, const HeavyTrace *trace)
{
    HeavyTrace *known = table_find(&traces->table, &trace->id);

    if (trace->n_spans < HEAVY_SPANS && trace->full_from_ns == UINT64_MAX) {
        if (known != NULL) {
            table_remove(&traces->table, known);
        }
        return;
    }
    if (known == NULL && traces->table.n_records == HEAVY_TRACES_MAX) {
        forget_oldest(traces);
    }
    known = table_put(&traces->table, &trace->id, NULL);
    *known = *trace;
}

void heavy_traces_forget(HeavyTraces *traces, TraceId id)
{
    HeavyTrace *known = table_find(&traces->table, &id);

    if (known != NULL) {
        table_remove(&traces->table, known);
    }
}

bool heavy_traces_may_settle(const HeavyTraces *traces, TraceId id, uint64_t now_ns,
                             uint64_t quiet_ns)
{
    const HeavyTrace *trace = table_find(&traces->table, &id);

    return trace == NULL || now_ns - trace->settled_ns >= trace->n_spans / HEAVY_SPANS * quiet_ns;
}

bool heavy_traces_is_beyond(const HeavyTraces *traces, TraceId id, uint64_t start_ns)
{
    const HeavyTrace *trace = table_find(&traces->table, &id);

    return trace != NULL && start_ns > trace->full_from_ns;
}
