// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/sim.h"

/*
 * The words in which the shop's transactions are written: a trace under construction with a clock
 * of its own and a stack of open spans. begin opens a span under the innermost open one, end closes
 * it; work lets time pass.
 */
typedef enum SimService {
    SIM_WEB,
    SIM_GATEWAY,
    SIM_CHECKOUT,
    SIM_CART,
    SIM_PAYMENT,
    SIM_INVENTORY,
    SIM_SHIPPING,
    SIM_MAIL,
    SIM_SEARCH,
    SIM_RECOMMENDATION,
    SIM_FRAUD,
    SIM_ACCOUNTING,
    SIM_SERVICES,
} SimService;

enum { SIM_DEPTH_MAX = 32, SIM_ATTRIBUTES_MAX = 16, SIM_PODS = 2 };

/* One second of the shop: where its spans are collected. */
typedef struct Sim {
    const SimOptions *options;
    uint64_t second;
    uint64_t random; /* state of the generator */
    Arena *arena;
    Resource *resources[SIM_SERVICES][SIM_PODS];
    Scope *scope;
    Span *spans;
    size_t n_spans, capacity;
} Sim;

typedef struct SimTrace {
    Sim *sim;
    TraceId id;
    uint64_t now_ns;
    uint32_t pod;
    size_t open[SIM_DEPTH_MAX]; /* indexes of the open spans */
    size_t depth;
} SimTrace;

/* A published message, for its consumers. */
typedef struct SimMessage {
    Link link;
    uint64_t sent_ns;
    Str key;
} SimMessage;

void sim_init(Sim *sim, const SimOptions *options, uint64_t second, Arena *arena);

uint64_t sim_random(Sim *sim);
/* Uniform in [0, 1). */
double sim_uniform(Sim *sim);
bool sim_chance(Sim *sim, double probability);
/* Text of @n random hex digits. */
Str sim_hex(Sim *sim, size_t n);

void sim_trace_init(SimTrace *trace, Sim *sim, uint64_t start_ns);

/* Lets about @median_us pass: log-normal, with a long tail. */
void sim_work(SimTrace *trace, double median_us);

void sim_begin(SimTrace *trace, SimService service, SpanKind kind, Str name);
void sim_end(SimTrace *trace);

/* On the innermost open span. */
void sim_string(SimTrace *trace, Str key, Str value);
void sim_int(SimTrace *trace, Str key, int64_t value);
void sim_error(SimTrace *trace, Str message);
void sim_event(SimTrace *trace, Str name, Str key, Str value);
void sim_link(SimTrace *trace, const SimMessage *message);

/* Marks the innermost span as step @step of the run. */
void sim_step(SimTrace *trace, Str step);

/* A call from @from to @to over HTTP: the client and the server span are open behind begin. */
void sim_call_begin(SimTrace *trace, SimService from, SimService to, Str method, Str route);
void sim_call_end(SimTrace *trace, int status);

/* One query of PostgreSQL database `shop`, one command of Redis, whole. */
void sim_sql(SimTrace *trace, SimService service, Str operation, Str table, Str text);
void sim_redis(SimTrace *trace, SimService service, Str command, Str key);

/* Publishes to Kafka topic @topic; consumes in a trace of its own that links back. */
SimMessage sim_publish(SimTrace *trace, SimService service, Str topic, Str key);
void sim_consume_begin(SimTrace *trace, Sim *sim, SimService service, Str topic,
                       const SimMessage *message);
