// SPDX-License-Identifier: Apache-2.0
#include "app/sim_trace.h"

#include <math.h>

#include "base/assert.h"

typedef struct ServiceFacts {
    const char *name, *version, *language;
} ServiceFacts;

static const ServiceFacts services[SIM_SERVICES] = {
    [SIM_WEB] = {"web", "4.11.0", "nodejs"},
    [SIM_GATEWAY] = {"gateway", "2.7.3", "go"},
    [SIM_CHECKOUT] = {"checkout", "3.2.0", "java"},
    [SIM_CART] = {"cart", "1.18.1", "dotnet"},
    [SIM_PAYMENT] = {"payment", "2.2.4", "nodejs"},
    [SIM_INVENTORY] = {"inventory", "1.9.2", "java"},
    [SIM_SHIPPING] = {"shipping", "0.14.0", "rust"},
    [SIM_MAIL] = {"mail", "1.3.5", "ruby"},
    [SIM_SEARCH] = {"search", "5.0.1", "go"},
    [SIM_RECOMMENDATION] = {"recommendation", "2.1.0", "python"},
    [SIM_FRAUD] = {"fraud", "0.8.7", "python"},
    [SIM_ACCOUNTING] = {"accounting", "1.0.12", "java"},
};

static const char payment_version_after[] = "2.3.0";

uint64_t sim_random(Sim *sim)
{
    /* SplitMix64 (Steele, Lea, Flood 2014): small, fast, and any seed is a good one. */
    uint64_t z = sim->random += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

double sim_uniform(Sim *sim)
{
    return (double)(sim_random(sim) >> 11) * 0x1p-53;
}

bool sim_chance(Sim *sim, double probability)
{
    return sim_uniform(sim) < probability;
}

Str sim_hex(Sim *sim, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(sim->arena, n);

    for (size_t i = 0; i < n; i++) {
        text[i] = digits[sim_random(sim) & 15];
    }
    return (Str){.ptr = text, .len = n};
}

static void add(Attribute *attributes, size_t *n, const char *key, Str value)
{
    attributes[(*n)++] = (Attribute){.key = str_from_cstr(key), .value = value_string(value)};
}

static Resource *make_resource(Sim *sim, SimService service, uint32_t pod)
{
    const ServiceFacts *facts = &services[service];
    Attribute *attributes = ARENA_ARRAY(sim->arena, Attribute, SIM_ATTRIBUTES_MAX);
    Resource *resource = ARENA_NEW(sim->arena, Resource);
    bool deployed = service == SIM_PAYMENT && sim->second * 1000000000U >= sim->options->deploy_ns;
    size_t n = 0;

    add(attributes, &n, "service.name", str_from_cstr(facts->name));
    add(attributes, &n, "service.namespace", STR("shop"));
    add(attributes, &n, "service.version",
        str_from_cstr(deployed ? payment_version_after : facts->version));
    add(attributes, &n, "deployment.environment.name", STR("prod"));
    add(attributes, &n, "k8s.pod.name",
        arena_format(sim->arena, "%s-%s-%c", facts->name, deployed ? "7f9c4d" : "5d8b6f",
                     (char)('a' + (int)pod)));
    add(attributes, &n, "host.name", arena_format(sim->arena, "node-%u", 1 + (service + pod) % 3));
    add(attributes, &n, "telemetry.sdk.name", STR("opentelemetry"));
    add(attributes, &n, "telemetry.sdk.language", str_from_cstr(facts->language));
    resource->attributes = (Attributes){attributes, n};
    return resource;
}

void sim_init(Sim *sim, const SimOptions *options, uint64_t second, Arena *arena)
{
    *sim = (Sim){.options = options,
                 .second = second,
                 .random = options->seed ^ second * 0xd1342543de82ef95U,
                 .arena = arena,
                 .scope = ARENA_NEW(arena, Scope)};
    *sim->scope = (Scope){.name = STR("weft.shop"), .version = STR("1.0.0")};
    for (SimService service = 0; service < SIM_SERVICES; service++) {
        for (uint32_t pod = 0; pod < SIM_PODS; pod++) {
            sim->resources[service][pod] = make_resource(sim, service, pod);
        }
    }
}

void sim_trace_init(SimTrace *trace, Sim *sim, uint64_t start_ns)
{
    uint64_t words[2] = {sim_random(sim) | 1, sim_random(sim)};

    *trace = (SimTrace){.sim = sim, .now_ns = start_ns, .pod = (uint32_t)words[1] % SIM_PODS};
    mem_copy(trace->id.bytes, words, sizeof(words));
}

void sim_work(SimTrace *trace, double median_us)
{
    Sim *sim = trace->sim;
    double radius = sqrt(-2 * log(1 - sim_uniform(sim)));
    double normal = radius * cos(2 * M_PI * sim_uniform(sim));

    trace->now_ns += (uint64_t)(median_us * 1000 * exp(0.35 * normal)) + 1;
}

static Span *add_span(Sim *sim)
{
    if (sim->n_spans == sim->capacity) {
        size_t capacity = sim->capacity == 0 ? 64 : sim->capacity * 2;
        Span *spans = ARENA_ARRAY(sim->arena, Span, capacity);

        mem_copy(spans, sim->spans, sim->n_spans * sizeof(Span));
        sim->spans = spans;
        sim->capacity = capacity;
    }
    return &sim->spans[sim->n_spans++];
}

static Span *innermost(SimTrace *trace)
{
    ASSERT(trace->depth > 0);
    return &trace->sim->spans[trace->open[trace->depth - 1]];
}

void sim_begin(SimTrace *trace, SimService service, SpanKind kind, Str name)
{
    Sim *sim = trace->sim;
    SpanId parent = trace->depth == 0 ? (SpanId){0} : innermost(trace)->span_id;
    uint64_t id = sim_random(sim) | 1;
    Span *span = add_span(sim);

    ASSERT(trace->depth < SIM_DEPTH_MAX);
    *span = (Span){.trace_id = trace->id,
                   .parent_span_id = parent,
                   .name = name,
                   .start_ns = trace->now_ns,
                   .flags = 1,
                   .kind = (uint8_t)kind,
                   .resource = sim->resources[service][trace->pod],
                   .scope = sim->scope};
    mem_copy(span->span_id.bytes, &id, sizeof(id));
    trace->open[trace->depth++] = (size_t)(span - sim->spans);
}

void sim_end(SimTrace *trace)
{
    innermost(trace)->end_ns = trace->now_ns;
    trace->depth--;
}

static void add_attribute(SimTrace *trace, Str key, Value value)
{
    Span *span = innermost(trace);
    Attribute *items = (Attribute *)span->attributes.items;

    if (items == NULL) {
        items = ARENA_ARRAY(trace->sim->arena, Attribute, SIM_ATTRIBUTES_MAX);
        span->attributes.items = items;
    }
    ASSERT(span->attributes.count < SIM_ATTRIBUTES_MAX);
    items[span->attributes.count++] = (Attribute){.key = key, .value = value};
}

void sim_string(SimTrace *trace, Str key, Str value)
{
    add_attribute(trace, key, value_string(value));
}

void sim_int(SimTrace *trace, Str key, int64_t value)
{
    add_attribute(trace, key, value_int(value));
}

void sim_error(SimTrace *trace, Str message)
{
    Span *span = innermost(trace);

    span->status_code = STATUS_ERROR;
    span->status_message = message;
}

void sim_event(SimTrace *trace, Str name, Str key, Str value)
{
    Span *span = innermost(trace);
    Event *events = ARENA_ARRAY(trace->sim->arena, Event, span->n_events + 1);
    Attribute *attribute = ARENA_NEW(trace->sim->arena, Attribute);

    *attribute = (Attribute){.key = key, .value = value_string(value)};
    mem_copy(events, span->events, span->n_events * sizeof(Event));
    events[span->n_events++] =
        (Event){.time_ns = trace->now_ns, .name = name, .attributes = {attribute, 1}};
    span->events = events;
}

void sim_link(SimTrace *trace, const SimMessage *message)
{
    Link *link = ARENA_NEW(trace->sim->arena, Link);
    Span *span = innermost(trace);

    *link = message->link;
    span->links = link;
    span->n_links = 1;
}

void sim_step(SimTrace *trace, Str step)
{
    sim_string(trace, STR("coordimap.flow.step"), step);
}

void sim_call_begin(SimTrace *trace, SimService from, SimService to, Str method, Str route)
{
    Arena *arena = trace->sim->arena;
    const char *target = services[to].name;
    Str name = arena_format(arena, "%.*s %.*s", STR_ARG(method), STR_ARG(route));

    sim_begin(trace, from, SPAN_KIND_CLIENT, method);
    sim_string(trace, STR("http.request.method"), method);
    sim_string(trace, STR("url.full"),
               arena_format(arena, "http://%s:8080%.*s", target, STR_ARG(route)));
    sim_string(trace, STR("server.address"), str_from_cstr(target));
    sim_int(trace, STR("server.port"), 8080);
    sim_work(trace, 180);
    sim_begin(trace, to, SPAN_KIND_SERVER, name);
    sim_string(trace, STR("http.request.method"), method);
    sim_string(trace, STR("http.route"), route);
    sim_string(trace, STR("url.path"), route);
    sim_string(trace, STR("url.scheme"), STR("http"));
    sim_string(trace, STR("network.protocol.version"), STR("1.1"));
    sim_work(trace, 120);
}

void sim_call_end(SimTrace *trace, int status)
{
    sim_int(trace, STR("http.response.status_code"), status);
    if (status >= 500) {
        sim_error(trace, STR(""));
    }
    sim_work(trace, 60);
    sim_end(trace);
    sim_work(trace, 150);
    sim_int(trace, STR("http.response.status_code"), status);
    if (status >= 400) {
        sim_error(trace, arena_format(trace->sim->arena, "HTTP %d", status));
    }
    sim_end(trace);
}

void sim_sql(SimTrace *trace, SimService service, Str operation, Str table, Str text)
{
    Str name = arena_format(trace->sim->arena, "%.*s %.*s", STR_ARG(operation), STR_ARG(table));

    sim_begin(trace, service, SPAN_KIND_CLIENT, name);
    sim_string(trace, STR("db.system.name"), STR("postgresql"));
    sim_string(trace, STR("db.namespace"), STR("shop"));
    sim_string(trace, STR("db.operation.name"), operation);
    sim_string(trace, STR("db.collection.name"), table);
    sim_string(trace, STR("db.query.text"), text);
    sim_string(trace, STR("server.address"), STR("postgres"));
    sim_int(trace, STR("server.port"), 5432);
    sim_work(trace, 2400);
    sim_end(trace);
}

void sim_redis(SimTrace *trace, SimService service, Str command, Str key)
{
    sim_begin(trace, service, SPAN_KIND_CLIENT, command);
    sim_string(trace, STR("db.system.name"), STR("redis"));
    sim_string(trace, STR("db.operation.name"), command);
    sim_string(trace, STR("db.query.text"),
               arena_format(trace->sim->arena, "%.*s %.*s", STR_ARG(command), STR_ARG(key)));
    sim_string(trace, STR("server.address"), STR("redis"));
    sim_int(trace, STR("server.port"), 6379);
    sim_work(trace, 420);
    sim_end(trace);
}

static void message_attributes(SimTrace *trace, Str operation, Str topic, Str key)
{
    sim_string(trace, STR("messaging.system"), STR("kafka"));
    sim_string(trace, STR("messaging.destination.name"), topic);
    sim_string(trace, STR("messaging.operation.type"), operation);
    sim_string(trace, STR("messaging.kafka.message.key"), key);
}

SimMessage sim_publish(SimTrace *trace, SimService service, Str topic, Str key)
{
    SimMessage message = {.key = key};

    sim_begin(trace, service, SPAN_KIND_PRODUCER,
              arena_format(trace->sim->arena, "send %.*s", STR_ARG(topic)));
    message_attributes(trace, STR("send"), topic, key);
    sim_string(trace, STR("server.address"), STR("kafka"));
    sim_int(trace, STR("server.port"), 9092);
    message.link = (Link){.trace_id = trace->id, .span_id = innermost(trace)->span_id, .flags = 1};
    sim_work(trace, 1900);
    message.sent_ns = trace->now_ns;
    sim_end(trace);
    return message;
}

void sim_consume_begin(SimTrace *trace, Sim *sim, SimService service, Str topic,
                       const SimMessage *message)
{
    sim_trace_init(trace, sim, message->sent_ns);
    sim_work(trace, 350000);
    sim_begin(trace, service, SPAN_KIND_CONSUMER,
              arena_format(sim->arena, "process %.*s", STR_ARG(topic)));
    message_attributes(trace, STR("process"), topic, message->key);
    sim_string(trace, STR("messaging.consumer.group.name"), str_from_cstr(services[service].name));
    sim_link(trace, message);
    sim_work(trace, 300);
}
