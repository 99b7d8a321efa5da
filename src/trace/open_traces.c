// SPDX-License-Identifier: Apache-2.0
#include "trace/open_traces.h"

#include "base/assert.h"

/*
 * Records lie in a hash table and are chained by their index in two lists. The table fills the gap
 * of a removed record with its last one, whose neighbours are then told its new index.
 */
enum { EARLIER, LATER };
#define NOBODY UINT32_MAX

typedef struct Order {
    uint32_t *ends; /* first and last */
    size_t links;   /* offset of the pair in a record */
} Order;

static Order order_of_activity(OpenTraces *traces)
{
    return (Order){.ends = traces->activity, .links = offsetof(OpenTrace, by_activity)};
}

static Order order_of_opening(OpenTraces *traces)
{
    return (Order){.ends = traces->opening, .links = offsetof(OpenTrace, by_opening)};
}

/* The cell of the list that names what stands behind @index in @direction. */
static uint32_t *link_of(OpenTraces *traces, Order order, uint32_t index, int direction)
{
    if (index == NOBODY) {
        return &order.ends[direction == LATER ? 0 : 1];
    }
    uint8_t *record = table_at(&traces->table, index);
    return &((uint32_t *)(void *)(record + order.links))[direction];
}

static void list_append(OpenTraces *traces, Order order, uint32_t index)
{
    uint32_t last = order.ends[1];

    *link_of(traces, order, index, EARLIER) = last;
    *link_of(traces, order, index, LATER) = NOBODY;
    *link_of(traces, order, last, LATER) = index;
    order.ends[1] = index;
}

static void list_remove(OpenTraces *traces, Order order, uint32_t index)
{
    uint32_t earlier = *link_of(traces, order, index, EARLIER);
    uint32_t later = *link_of(traces, order, index, LATER);

    *link_of(traces, order, earlier, LATER) = later;
    *link_of(traces, order, later, EARLIER) = earlier;
}

/* The record that was elsewhere is at @index now. */
static void list_moved(OpenTraces *traces, Order order, uint32_t index)
{
    uint32_t earlier = *link_of(traces, order, index, EARLIER);
    uint32_t later = *link_of(traces, order, index, LATER);

    *link_of(traces, order, earlier, LATER) = index;
    *link_of(traces, order, later, EARLIER) = index;
}

static uint32_t index_of(const OpenTraces *traces, const OpenTrace *trace)
{
    return (uint32_t)(trace - (const OpenTrace *)(const void *)traces->table.records);
}

void open_traces_init(OpenTraces *traces)
{
    *traces = (OpenTraces){.activity = {NOBODY, NOBODY}, .opening = {NOBODY, NOBODY}};
    table_init(&traces->table, sizeof(OpenTrace), TRACE_ID_SIZE);
}

void open_traces_deinit(OpenTraces *traces)
{
    table_deinit(&traces->table);
}

void open_traces_touch(OpenTraces *traces, TraceId id, uint64_t now_ns)
{
    bool is_new;
    OpenTrace *trace = table_put(&traces->table, &id, &is_new);
    uint32_t index = index_of(traces, trace);

    trace->active_ns = now_ns;
    if (is_new) {
        trace->opened_ns = now_ns;
        list_append(traces, order_of_opening(traces), index);
    } else if (traces->activity[1] == index) {
        return;
    } else {
        list_remove(traces, order_of_activity(traces), index);
    }
    list_append(traces, order_of_activity(traces), index);
}

static const OpenTrace *record_at(const OpenTraces *traces, uint32_t index)
{
    return index == NOBODY ? NULL : table_at(&traces->table, index);
}

const OpenTrace *open_traces_quietest(const OpenTraces *traces)
{
    return record_at(traces, traces->activity[0]);
}

const OpenTrace *open_traces_oldest(const OpenTraces *traces)
{
    return record_at(traces, traces->opening[0]);
}

const OpenTrace *open_traces_younger(const OpenTraces *traces, const OpenTrace *trace)
{
    return record_at(traces, trace->by_opening[LATER]);
}

const OpenTrace *open_traces_find(const OpenTraces *traces, TraceId id)
{
    return table_find(&traces->table, &id);
}

void open_traces_close(OpenTraces *traces, const OpenTrace *trace)
{
    uint32_t index = index_of(traces, trace);

    ASSERT(index < traces->table.n_records);
    list_remove(traces, order_of_activity(traces), index);
    list_remove(traces, order_of_opening(traces), index);
    table_remove(&traces->table, table_at(&traces->table, index));
    if (index < traces->table.n_records) {
        list_moved(traces, order_of_activity(traces), index);
        list_moved(traces, order_of_opening(traces), index);
    }
}
