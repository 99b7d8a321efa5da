// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * Contract health, CONTRACT.md §7: what instrumentation does wrong in a window, how often, with an
 * example trace and what to change. A code is a row of HEALTH_CODES: name, what is counted of what,
 * and the advice.
 */
#define HEALTH_CODES(ROW)                                                                          \
    ROW(HEALTH_DYNAMIC_NAME, "dynamic_name",                                                       \
        "A flow or step name is made per call, or a flow has more than 100 step names in an "      \
        "hour: give steps fixed names, and put what varies into coordimap.flow.run_id, "           \
        "entity.id or another attribute.")                                                         \
    ROW(HEALTH_STEP_WITHOUT_FLOW, "step_without_flow",                                             \
        "A step belongs to no flow: set coordimap.flow.name on it, on a span above it, or on the " \
        "span that published the message it works on, and pass the trace's context on.")           \
    ROW(HEALTH_MISSING_RUN_ID, "missing_run_id",                                                   \
        "Runs are told apart by their trace, so one that spans traces falls apart: set "           \
        "coordimap.flow.run_id beside coordimap.flow.name.")                                       \
    ROW(HEALTH_ORPHANS, "orphans",                                                                 \
        "Spans whose parent never came: send all spans of a trace here, end spans that are "       \
        "started, and flush exporters when a process stops.")                                      \
    ROW(HEALTH_BROKEN_QUEUE, "broken_queue_context",                                               \
        "Messages are consumed without a parent or link to the span that published them: inject "  \
        "the context into the message's headers when publishing, extract it when consuming.")      \
    ROW(HEALTH_UNRESOLVED_PEER, "unresolved_peer",                                                 \
        "Outgoing calls do not say whom they call: set server.address (or service.peer.name) on "  \
        "client spans, and pass the context on so that the server's span becomes a child.")        \
    ROW(HEALTH_UNKNOWN_SERVICE, "unknown_service",                                                 \
        "Spans without a service name: set OTEL_SERVICE_NAME, or service.name in the resource.")   \
    ROW(HEALTH_MISSING_ENVIRONMENT, "missing_environment",                                         \
        "Some instances set an environment and some do not, so the service is two nodes: set "     \
        "deployment.environment.name in OTEL_RESOURCE_ATTRIBUTES of all of them.")                 \
    ROW(HEALTH_SKEW, "clock_skew",                                                                 \
        "Spans start before their parent on another host: synchronise the hosts' clocks (NTP).")   \
    ROW(HEALTH_OVER_SPANS, "over_spanning",                                                        \
        "More than half of the spans are inner ones shorter than 100 µs: remove them, or make "   \
        "them events or attributes of the span around.")

typedef enum HealthCode {
#define HEALTH_CODE_NAME(name, code, advice) name,
    HEALTH_CODES(HEALTH_CODE_NAME)
#undef HEALTH_CODE_NAME
        HEALTH_CODE_COUNT,
} HealthCode;

Str health_code_name(HealthCode code);
Str health_code_advice(HealthCode code);

typedef struct HealthItem {
    HealthCode code;
    Str node_id;
    NodeKey node;       /* a service, queue, flow or step */
    Str subject;        /* what it is about, when that is not the node: a step without a flow */
    uint64_t count, of; /* of so many spans of the service; 0: no share */
    TraceId example;    /* zero: none is kept */
} HealthItem;

/* What is wrong in from <= minute < to, by code, then by the subject's name and id. In @arena. */
void map_health(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                HealthItem **ret_items, size_t *ret_n);
