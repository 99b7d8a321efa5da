// SPDX-License-Identifier: Apache-2.0
#include "bench/corpus.h"

#include "base/assert.h"

enum { SERVICES = 5, EASY_ATTRIBUTES = 10, HARD_ATTRIBUTES = 20 };

typedef struct Corpus {
    CorpusKind kind;
    uint64_t random;
    Arena *arena;
    Resource *resources[SERVICES]; /* wide: of the trace */
    uint32_t wide[SERVICES];       /* the trace's services, by number, and its round over all */
    uint32_t round;
    Scope *scope;
} Corpus;

/* A span of the trace's fixed shape. */
typedef struct Shape {
    int parent; /* index in the trace; -1: root */
    int service;
    SpanKind kind;
    const char *name;
    uint32_t start_us, duration_us;
} Shape;

static const Shape shapes[CORPUS_TRACE_SPANS] = {
    {-1, 0, SPAN_KIND_SERVER, "POST /checkout", 0, 52000},
    {0, 0, SPAN_KIND_CLIENT, "POST", 300, 51000},
    {1, 1, SPAN_KIND_SERVER, "POST /api/orders", 600, 50000},
    {2, 1, SPAN_KIND_CLIENT, "GET", 900, 8000},
    {3, 2, SPAN_KIND_SERVER, "GET /cart/{id}", 1200, 7000},
    {4, 2, SPAN_KIND_CLIENT, "SELECT carts", 1500, 4000},
    {2, 1, SPAN_KIND_CLIENT, "POST", 9500, 30000},
    {6, 3, SPAN_KIND_SERVER, "POST /charges", 9900, 29000},
    {7, 3, SPAN_KIND_CLIENT, "INSERT payments", 11000, 6000},
    {2, 1, SPAN_KIND_PRODUCER, "send orders", 42000, 2000},
};

static const char *const services[SERVICES] = {"web", "orders", "cart", "payment", "mail"};

static uint64_t next_random(Corpus *corpus)
{
    uint64_t z = corpus->random += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static Str service_name(const Corpus *corpus, int service)
{
    return corpus->kind == CORPUS_WIDE
               ? arena_format(corpus->arena, "service-%05u", (unsigned)corpus->wide[service])
               : str_from_cstr(services[service]);
}

/* Of a server span, one of the service's hundred: in each round every service has four more. */
static Str span_name(const Corpus *corpus, const Shape *shape)
{
    static const uint32_t quarter[SERVICES] = {0, 1, 2, 3, 0};
    uint32_t operation = corpus->round + WIDE_OPERATIONS / 4 * quarter[shape->service];

    return corpus->kind == CORPUS_WIDE && shape->kind == SPAN_KIND_SERVER
               ? arena_format(corpus->arena, "GET /v1/operation-%u", (unsigned)operation)
               : str_from_cstr(shape->name);
}

/* A wide trace's services: each round over all of them takes another of the calls of each. */
static void choose_services(Corpus *corpus, uint64_t trace)
{
    uint32_t first = (uint32_t)(trace % WIDE_SERVICES);
    uint32_t call = (uint32_t)(trace / WIDE_SERVICES), step = 37 * (call % WIDE_CALLS) + 1;

    corpus->round = call % (WIDE_OPERATIONS / 4);
    corpus->wide[0] = first;
    corpus->wide[1] = (first + step) % WIDE_SERVICES;
    corpus->wide[2] = (first + 2 * step) % WIDE_SERVICES;
    corpus->wide[3] = (first + step + 37 * ((call + 1) % WIDE_CALLS) + 1) % WIDE_SERVICES;
    corpus->wide[4] = (first + 3 * step) % WIDE_SERVICES;
}

static Attribute text(Corpus *corpus, const char *key, Str value)
{
    (void)corpus;
    return (Attribute){.key = str_from_cstr(key), .value = value_string(value)};
}

static Attribute number(const char *key, int64_t value)
{
    return (Attribute){.key = str_from_cstr(key), .value = value_int(value)};
}

static Str uuid(Corpus *corpus)
{
    uint64_t a = next_random(corpus), b = next_random(corpus);

    return arena_format(corpus->arena, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32),
                        (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52),
                        (unsigned long long)(b & 0xffffffffffff));
}

static void fill_easy(Corpus *corpus, const Shape *shape, Attribute *out)
{
    uint64_t r = next_random(corpus);
    bool database = shape->name[0] == 'S' || shape->name[0] == 'I';

    out[0] = text(corpus, "http.request.method", r % 3 == 0 ? STR("POST") : STR("GET"));
    out[1] = text(corpus, "http.route",
                  arena_format(corpus->arena, "/api/v1/orders/{id}/%u", (unsigned)(r % 40)));
    out[2] = text(corpus, "url.path",
                  arena_format(corpus->arena, "/api/v1/orders/%u", (unsigned)(r % 20000)));
    out[3] = number("http.response.status_code", r % 50 == 0 ? 500 : 200);
    out[4] = text(corpus, "server.address",
                  arena_format(corpus->arena, "%.*s.shop.svc.cluster.local",
                               STR_ARG(service_name(corpus, (shape->service + 1) % SERVICES))));
    out[5] = number("server.port", 8080);
    out[6] = text(corpus, "user_agent.original", STR("Mozilla/5.0 (X11; Linux x86_64)"));
    out[7] = text(corpus, "network.protocol.version", STR("1.1"));
    out[8] = text(corpus, "customer.id",
                  arena_format(corpus->arena, "c-%06u", (unsigned)(r >> 20) % 100000));
    out[9] = database ? text(corpus, "db.system.name", STR("postgresql"))
                      : text(corpus, "thread.name",
                             arena_format(corpus->arena, "worker-%u", (unsigned)(r >> 40) % 32));
}

static void fill_hard(Corpus *corpus, Attribute *out)
{
    uint64_t r = next_random(corpus);

    out[10] = text(corpus, "session.id", uuid(corpus));
    out[11] = text(corpus, "request.id", uuid(corpus));
    out[12] =
        text(corpus, "db.query.text",
             arena_format(corpus->arena,
                          "SELECT o.id, o.total FROM orders o JOIN items i ON i.order_id = o.id "
                          "WHERE o.customer_id = %u AND o.placed > '2026-%02u-%02u' LIMIT %u",
                          (unsigned)(r % 1000000), (unsigned)(r >> 20) % 12 + 1,
                          (unsigned)(r >> 24) % 28 + 1, (unsigned)(r >> 30) % 100));
    out[13] = number("http.request.body.size", (int64_t)(r % 60000));
    out[14] = number("http.response.body.size", (int64_t)((r >> 16) % 900000));
    out[15] = text(corpus, "client.address",
                   arena_format(corpus->arena, "10.%u.%u.%u", (unsigned)r % 256,
                                (unsigned)(r >> 8) % 256, (unsigned)(r >> 16) % 256));
    out[16] =
        (Attribute){.key = STR("cache.hit"), .value = {.type = VALUE_BOOL, .boolean = r % 4 == 0}};
    out[17] = (Attribute){.key = STR("queue.wait"),
                          .value = {.type = VALUE_DOUBLE, .number = (double)(r % 100000) / 977}};
    out[18] =
        text(corpus, "feature.flags", r % 2 == 0 ? STR("new-cart,fast-pay") : STR("new-cart"));
    out[19] = text(corpus, "deployment.id",
                   arena_format(corpus->arena, "d-%04x", (unsigned)(r >> 48) % 64));
}

static void make_resources(Corpus *corpus)
{
    for (size_t i = 0; i < SERVICES; i++) {
        Attribute *attributes = ARENA_ARRAY(corpus->arena, Attribute, 4);

        Str name = service_name(corpus, (int)i);

        attributes[0] = text(corpus, "service.name", name);
        attributes[1] = text(corpus, "service.version", STR("1.4.2"));
        attributes[2] = text(corpus, "deployment.environment.name", STR("prod"));
        attributes[3] = text(corpus, "k8s.pod.name",
                             arena_format(corpus->arena, "%.*s-6c9d-x2", STR_ARG(name)));
        corpus->resources[i] = ARENA_NEW(corpus->arena, Resource);
        corpus->resources[i]->attributes = (Attributes){attributes, 4};
    }
    corpus->scope = ARENA_NEW(corpus->arena, Scope);
    *corpus->scope = (Scope){.name = STR("bench.instrumentation"), .version = STR("1.0.0")};
}

static void make_span(Corpus *corpus, const Span *trace, const Shape *shape, uint64_t start_ns,
                      Span *span)
{
    size_t n = corpus->kind == CORPUS_HARD ? HARD_ATTRIBUTES : EASY_ATTRIBUTES;
    Attribute *attributes = ARENA_ARRAY(corpus->arena, Attribute, n);
    uint64_t id = next_random(corpus) | 1;

    fill_easy(corpus, shape, attributes);
    if (corpus->kind == CORPUS_HARD) {
        fill_hard(corpus, attributes);
    }
    *span = (Span){.name = span_name(corpus, shape),
                   .start_ns =
                       start_ns + (uint64_t)shape->start_us * 1000 + next_random(corpus) % 90000,
                   .flags = 0x101,
                   .kind = (uint8_t)shape->kind,
                   .attributes = {attributes, n},
                   .resource = corpus->resources[shape->service],
                   .scope = corpus->scope};
    span->end_ns =
        span->start_ns + (uint64_t)shape->duration_us * 1000 + next_random(corpus) % 900000;
    mem_copy(span->span_id.bytes, &id, sizeof(id));
    if (shape->parent >= 0) {
        span->parent_span_id = trace[shape->parent].span_id;
    }
}

Span *corpus_make(CorpusKind kind, uint64_t first, size_t n_traces, uint64_t start_ns, Arena *arena)
{
    Corpus corpus = {.kind = kind, .random = first * 0x632be59bd9b4e019U, .arena = arena};
    Span *spans = ARENA_ARRAY(arena, Span, n_traces * CORPUS_TRACE_SPANS);

    make_resources(&corpus);
    for (size_t i = 0; i < n_traces; i++) {
        Span *trace = spans + i * CORPUS_TRACE_SPANS;
        uint64_t id[2] = {next_random(&corpus) | 1, next_random(&corpus)};
        uint64_t start = start_ns + next_random(&corpus) % 1000000000;

        if (kind == CORPUS_WIDE) {
            choose_services(&corpus, (first - 1) * n_traces + i);
            make_resources(&corpus);
        }
        for (size_t j = 0; j < CORPUS_TRACE_SPANS; j++) {
            make_span(&corpus, trace, &shapes[j], start, &trace[j]);
            mem_copy(trace[j].trace_id.bytes, id, sizeof(id));
        }
    }
    return spans;
}
