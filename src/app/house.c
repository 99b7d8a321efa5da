// SPDX-License-Identifier: Apache-2.0
#include "app/house.h"

#include <stdio.h>
#include <string.h>

#include "alert/watch.h"
#include "app/retention.h"
#include "base/log.h"
#include "os/pool.h"
#include "serve/api/api.h"
#include "serve/api/live.h"
#include "serve/api/saved.h"
#include "serve/api/service_metrics.h"
#include "serve/page.h"
#include "wire/otlp.h"

/*
 * Order of birth: disk, map, assembly, store (which replays its log into both), receivers and APIs,
 * then the listeners, and last the ready file. Death is the reverse: listeners drain first, so that
 * every request in flight still finds what it needs, then queries, then the store writes its head
 * out.
 */
enum { LISTENERS_MAX = 4, DRAIN_MS = 5000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

typedef struct Listener {
    const char *name;
    uint16_t port;
} Listener;

struct House {
    HouseOptions options;
    const Settings *settings;
    Handover *handover;          /* of the house before; NULL: none. While it is built */
    const Listener *forerunners; /* LISTENERS_MAX of that house; NULL: none */
    FileSystem *fs;
    RetentionRules retention;
    Map *map;
    Assembly *assembly;
    Store *store;
    Pool *queries, *vitals;
    Ingest *ingest;
    Server *server;
    Desk *desk;
    ApiContext api;
    Route *routes; /* of the page's listener: APIs, then the page */
    Listener listeners[LISTENERS_MAX];
    size_t n_listeners;
};

static Str directory_of(const House *house, const HouseOptions *options)
{
    return options->directory != NULL ? str_from_cstr(options->directory)
                                      : house->settings->directory;
}

static int open_directory(House *house, const HouseOptions *options, Buf *why)
{
    Buf text = {0};

    buf_append_str(&text, directory_of(house, options));
    int r = fs_open_directory(buf_cstr(&text), &house->fs);
    if (r != 0) {
        buf_append_format(why, "the data directory %s cannot be used: %s", buf_cstr(&text),
                          strerrordesc_np(-r));
    }
    buf_deinit(&text);
    return r != 0;
}

static int open_store(House *house, const HouseOptions *options, Buf *why)
{
    const Settings *settings = house->settings;
    const MapOptions map_options = {
        .presence_gap_minutes = (uint32_t)(settings->presence_gap / NS_PER_S / 60),
        .nodes_max = settings->map_nodes,
        .edges_max = settings->map_edges,
        .collections_max = settings->map_collections,
        .flow_names_max = settings->map_flow_names,
        .series_max = settings->map_series,
        .variants_max = settings->map_variants,
        .cells_bytes_max = settings->map_memory,
        .kept_s = settings->map_retention / NS_PER_S,
        .minutes_kept_s = MAX(settings->map_minutes / NS_PER_S, UINT64_C(1)),
        .clock = &clock_system,
    };
    const char *problem = NULL;

    TRY(retention_rules_parse(settings->retention_rules, &house->retention, why));
    house->map = map_new(&map_options);
    const AssemblyOptions assembly_options = {
        .map = house->map,
        .clock = &clock_system,
        .quiet_ms = settings->quiet / NS_PER_MS,
        .open_ms = settings->open_age / NS_PER_MS,
        .open_traces_max = settings->open_traces,
    };
    house->assembly = assembly_new(&assembly_options);
    const StoreOptions store_options = {
        .fs = house->fs,
        .decode = otlp_read_protobuf,
        .clock = &clock_system,
        .observer = assembly_observer(house->assembly),
        .commit_delay_us = settings->commit_delay / 1000,
        .sync_interval_ms = (settings->sync_interval + NS_PER_MS - 1) / NS_PER_MS,
        .queue_bytes_max = settings->queue_bytes,
        .generation_rows = settings->block_spans,
        .generation_age_ms = settings->block_age / NS_PER_MS,
        .attribute_columns_max = settings->block_columns,
        .retention_age_s = settings->retention_age / NS_PER_S,
        .retention_bytes = settings->retention_bytes,
        .retention_disk_percent = settings->retention_disk_percent,
        .retention_rules = house->retention.rules,
        .n_retention_rules = house->retention.count,
        .trace_spans_max = settings->trace_spans,
        .compaction_rows = settings->compaction_spans,
        .compaction_bytes_per_s =
            settings->compaction_rate == 0 ? UINT64_MAX : settings->compaction_rate,
    };
    int r = store_open(&store_options, &house->store, &problem);
    if (r != 0) {
        buf_append_format(why, "%.*s: %s", STR_ARG(directory_of(house, options)),
                          problem == NULL ? strerrordesc_np(r < 0 ? -r : EIO) : problem);
        return 1;
    }
    assembly_attach(house->assembly, house->store);
    return 0;
}

/* What people saved, beside the spans; the configuration's mappings come before theirs. */
static int open_desk(House *house, const HouseOptions *options, Buf *why)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Mapping *configured = NULL;
    ParseError error = {0};
    size_t n = 0;
    const char *path =
        arena_format(&arena, "%.*s/desk.sqlite", STR_ARG(directory_of(house, options))).ptr;

    if (mappings_parse(house->settings->map_mappings, &arena, &configured, &n, &error) != 0) {
        buf_append_format(why, "exporters.weft.map.mappings, line %zu: %s", error.offset,
                          error.text);
        return 1;
    }
    if (desk_open(path, &house->desk, why) != 0) {
        return 1;
    }
    TRY(saved_new(house->desk, house->map, configured, n, &house->api.saved, why));
    return saved_use_flows(house->api.saved, house->settings->map_flows, why);
}

/* "host:port", "[::1]:port", ":port". */
static int parse_endpoint(Str endpoint, Str *ret_host, uint16_t *ret_port)
{
    size_t colon = endpoint.len;
    uint64_t port;

    while (colon > 0 && endpoint.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || str_parse_u64(str_slice(endpoint, colon, endpoint.len), &port) != 0 ||
        port > UINT16_MAX) {
        return 1;
    }
    Str host = str_slice(endpoint, 0, colon - 1);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_slice(host, 1, host.len - 1);
    }
    *ret_host = host.len == 0 ? STR("0.0.0.0") : host;
    *ret_port = (uint16_t)port;
    return 0;
}

typedef struct ListenPlan {
    const char *name;
    Str endpoint, cert, key, client_ca;
    const Route *routes;
    size_t n_routes;
    void (*error_body)(const Request *request, int status, Str message, Response *response);
    bool cross_origin;
} ListenPlan;

/* The port that the listener had in the house before; 0: any. */
static uint16_t forerunner_port(const House *house, const char *name)
{
    for (size_t i = 0; house->forerunners != NULL && i < LISTENERS_MAX; i++) {
        const Listener *listener = &house->forerunners[i];

        if (listener->name != NULL && strcmp(listener->name, name) == 0) {
            return listener->port;
        }
    }
    return 0;
}

static int listen_on(House *house, const HouseOptions *options, const ListenPlan *plan, Buf *why)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint16_t port;
    Str host;

    if (parse_endpoint(plan->endpoint, &host, &port) != 0) {
        buf_append_format(why, "the endpoint of %s is host:port, not \"%.*s\"", plan->name,
                          STR_ARG(plan->endpoint));
        return 1;
    }
    const TlsOptions tls = {
        .certificate_file = arena_format(&arena, "%.*s", STR_ARG(plan->cert)).ptr,
        .key_file = arena_format(&arena, "%.*s", STR_ARG(plan->key)).ptr,
        .client_ca_file = plan->client_ca.len == 0
                              ? NULL
                              : arena_format(&arena, "%.*s", STR_ARG(plan->client_ca)).ptr,
    };
    const ListenerOptions listener = {
        .name = plan->name,
        .address = options->listen != NULL ? options->listen
                                           : arena_format(&arena, "%.*s", STR_ARG(host)).ptr,
        .port = options->any_port ? forerunner_port(house, plan->name) : port,
        .routes = plan->routes,
        .n_routes = plan->n_routes,
        .tls = plan->cert.len == 0 ? NULL : &tls,
        .error_body = plan->error_body,
        .cross_origin = plan->cross_origin,
        .handover = house->handover,
    };
    int r = server_listen(house->server, &listener, &port);
    if (r != 0) {
        buf_append_format(
            why, "%s cannot listen on %s port %u: %s%s", plan->name, listener.address,
            listener.port, strerrordesc_np(-r),
            r == -EADDRINUSE ? ". Another program has the port; --ports 0 takes free ones" : "");
        return 1;
    }
    house->listeners[house->n_listeners++] = (Listener){plan->name, port};
    return 0;
}

/* The APIs' routes with the page behind them. */
static size_t make_page_routes(House *house)
{
    Route *api = NULL;
    size_t n = 0;

    api_routes(&house->api, &api, &n);
    house->routes = NEW_ARRAY(Route, n + 1);
    mem_copy(house->routes, api, n * sizeof(Route));
    house->routes[n] = (Route){HTTP_GET, "/{rest...}", page_handle, NULL};
    return n + 1;
}

/* What each listener is by the settings; without routes. */
static void plan_listeners(const Settings *s, ListenPlan plans[LISTENERS_MAX])
{
    const ListenPlan by_settings[LISTENERS_MAX] = {
        {"otlp_grpc", s->otlp_grpc, s->otlp_grpc_cert, s->otlp_grpc_key, s->otlp_grpc_client_ca,
         .error_body = ingest_otlp_error_body},
        {"otlp_http", s->otlp_http, s->otlp_http_cert, s->otlp_http_key, s->otlp_http_client_ca,
         .error_body = ingest_otlp_error_body, .cross_origin = true},
        {"zipkin", s->zipkin, s->zipkin_cert, s->zipkin_key, s->zipkin_client_ca,
         .cross_origin = true},
        {"http", s->http, s->http_cert, s->http_key, s->http_client_ca,
         .error_body = api_error_body},
    };

    mem_copy(plans, by_settings, sizeof(by_settings));
}

static int listen_all(House *house, const HouseOptions *options, Buf *why)
{
    ListenPlan plans[LISTENERS_MAX];

    plan_listeners(house->settings, plans);
    plans[0].routes = ingest_otlp_grpc_routes(house->ingest, &plans[0].n_routes);
    plans[1].routes = ingest_otlp_http_routes(house->ingest, &plans[1].n_routes);
    plans[2].routes = ingest_zipkin_routes(house->ingest, &plans[2].n_routes);
    plans[3].n_routes = make_page_routes(house);
    plans[3].routes = house->routes;
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        TRY(listen_on(house, options, &plans[i], why));
    }
    house->api.endpoints = (ApiEndpoints){.otlp_grpc = house_port(house, "otlp_grpc"),
                                          .otlp_http = house_port(house, "otlp_http"),
                                          .zipkin = house_port(house, "zipkin")};
    return 0;
}

static int read_definitions(void *context, Arena *arena, FlowDefinition **ret_items, size_t *ret_n)
{
    uint64_t version;

    return saved_read_flows(context, arena, ret_items, ret_n, &version);
}

static int start_watching(House *house, Buf *why)
{
    CLEANUP(buf_deinit) Buf url = {0};
    const Settings *settings = house->settings;

    buf_append_str(&url, settings->alert_external_url);
    if (url.len == 0) {
        buf_append_format(&url, "http%s://localhost:%u", settings->http_cert.len > 0 ? "s" : "",
                          house_port(house, "http"));
    }
    return alert_watch_new(&(AlertWatchOptions){.defined = {.store = house->store,
                                                            .memory = house->api.flow_memory,
                                                            .read = read_definitions,
                                                            .context = house->api.saved},
                                                .map = house->map,
                                                .assembly = house->assembly,
                                                .desk = house->desk,
                                                .clock = &clock_system,
                                                .rules = settings->alert_rules,
                                                .receivers = settings->alert_receivers,
                                                .external_url = buf_str(&url),
                                                .interval_ns = settings->alert_interval},
                           &house->api.alerts, why);
}

static int start_serving(House *house, const HouseOptions *options, Buf *why)
{
    if (pool_new("query", house->settings->query_threads, API_QUERIES_MAX, &house->queries) != 0 ||
        pool_new("vitals", 1, API_VITALS_MAX, &house->vitals) != 0 ||
        server_new(house->settings->loops, &house->server) != 0) {
        buf_append_str(why, STR("no threads can be started"));
        return 1;
    }
    house->ingest = ingest_new(house->store, &clock_system);
    house->api.store = house->store;
    house->api.flow_memory = flow_memory_new(house->settings->flow_memory, &clock_system);
    house->api.map = house->map;
    house->api.assembly = house->assembly;
    house->api.pool = house->queries;
    house->api.vitals = house->vitals;
    house->api.clock = &clock_system;
    house->api.ingest = house->ingest;
    house->api.server = house->server;
    house->api.version = WEFT_VERSION;
    house->api.started_ns = clock_realtime_ns(&clock_system);
    if (live_new(&(LiveOptions){.saved = house->api.saved,
                                .map = house->map,
                                .assembly = house->assembly,
                                .clock = &clock_system},
                 &house->api.live) != 0) {
        buf_append_str(why, STR("no threads can be started"));
        return 1;
    }
    house->api.service_metrics = service_metrics_new(house->map, &clock_system);
    TRY(listen_all(house, options, why));
    TRY(start_watching(house, why));
    if (server_start(house->server) != 0) {
        buf_append_str(why, STR("the event loops cannot be started"));
        return 1;
    }
    house->api.ready = true;
    return 0;
}

/* Written under another name and renamed, so that who waits for the file never reads half of it. */
static int write_ready_file(const House *house, const char *path, Buf *why)
{
    CLEANUP(buf_deinit) Buf temporary = {0};

    buf_append_format(&temporary, "%s.tmp", path);
    FILE *file = fopen(buf_cstr(&temporary), "w");
    if (file == NULL) {
        buf_append_format(why, "the ready file %s cannot be written: %s", path,
                          strerrordesc_np(errno));
        return 1;
    }
    for (size_t i = 0; i < house->n_listeners; i++) {
        fprintf(file, "%s\"%s\":%u", i == 0 ? "{" : ",", house->listeners[i].name,
                house->listeners[i].port);
    }
    fputs("}\n", file);
    if (fclose(file) != 0 || rename(buf_cstr(&temporary), path) != 0) {
        buf_append_format(why, "the ready file %s cannot be written: %s", path,
                          strerrordesc_np(errno));
        return 1;
    }
    return 0;
}

static int bring_up(House *house, const HouseOptions *options, Buf *why)
{
    TRY(open_directory(house, options, why));
    TRY(open_store(house, options, why));
    TRY(open_desk(house, options, why));
    TRY(start_serving(house, options, why));
    return options->ready_file == NULL ? 0 : write_ready_file(house, options->ready_file, why);
}

static int start(House *house, const HouseOptions *options, Buf *why)
{
    house->options = *options;
    house->settings = options->settings;
    int r = bring_up(house, options, why);
    house->handover = NULL;
    house->forerunners = NULL;
    return r;
}

int house_start(const HouseOptions *options, House **ret_house, Buf *why)
{
    House *house = NEW(House);

    if (start(house, options, why) != 0) {
        house_stop(house);
        return 1;
    }
    *ret_house = house;
    return 0;
}

/* Whether there could be listeners by these settings: endpoints that are some, certificates that
 * can be read. Listens on free ports for a moment. */
static int try_listeners(const HouseOptions *options, Buf *why)
{
    const HouseOptions trial = {
        .settings = options->settings, .listen = options->listen, .any_port = true};
    House house = {.settings = options->settings};
    ListenPlan plans[LISTENERS_MAX];
    int r = 0;

    if (server_new(1, &house.server) != 0) {
        buf_append_str(why, STR("no threads can be started"));
        return 1;
    }
    plan_listeners(options->settings, plans);
    for (size_t i = 0; i < LISTENERS_MAX && r == 0; i++) {
        r = listen_on(&house, &trial, &plans[i], why);
    }
    server_free(house.server);
    return r;
}

/* Takes over from @old, which is gone by then, whatever comes of it. */
static int succeed(const HouseOptions *options, const House *old, Handover *handover,
                   House **ret_house, Buf *why)
{
    House *house = NEW(House);

    house->handover = handover;
    house->forerunners = old->listeners;
    if (start(house, options, why) != 0) {
        house_stop(house);
        return 1;
    }
    *ret_house = house;
    return 0;
}

int house_replace(House **house, const HouseOptions *options, Buf *why)
{
    CLEANUP(handover_deinit) Handover handover = {0};
    CLEANUP(handover_deinit) Handover spare = {0};
    House *old = *house, *new = NULL;
    int result = 0;

    if (try_listeners(options, why) != 0) {
        return HOUSE_KEPT;
    }
    if (server_hand_over(old->server, &handover) != 0 ||
        server_hand_over(old->server, &spare) != 0) {
        buf_append_str(why, STR("out of files"));
        return HOUSE_KEPT;
    }
    const House remembered = *old; /* its listeners and options */
    house_stop(old);
    if (succeed(options, &remembered, &handover, &new, why) != 0) {
        CLEANUP(buf_deinit) Buf why_old = {0};

        result = succeed(&remembered.options, &remembered, &spare, &new, &why_old) == 0
                     ? HOUSE_KEPT
                     : HOUSE_LOST;
    }
    *house = new;
    return result;
}

void house_use_settings(House *house, const Settings *settings)
{
    house->settings = settings;
    house->options.settings = settings;
}

int house_stop(House *house)
{
    int result = 0;

    if (house == NULL) {
        return 0;
    }
    house->api.ready = false;
    if (house->api.live != NULL) {
        live_stop(house->api.live);
    }
    if (house->api.alerts != NULL) {
        alert_watch_stop(house->api.alerts); /* an evaluation ends while the server drains */
    }
    if (house->server != NULL) {
        server_drain(house->server, DRAIN_MS);
    }
    pool_free(house->queries); /* a last query may still want to become a live reader */
    pool_free(house->vitals);
    house->api.live = live_free(house->api.live);
    house->api.alerts = alert_watch_free(house->api.alerts);
    house->api.flow_memory = flow_memory_free(house->api.flow_memory);
    if (house->store != NULL) {
        result = store_drain(house->store);
        house->store = store_close(house->store);
    }
    server_free(house->server);
    ingest_free(house->ingest);
    assembly_free(house->assembly);
    house->api.saved = saved_free(house->api.saved);
    house->api.service_metrics = service_metrics_free(house->api.service_metrics);
    desk_close(house->desk);
    map_free(house->map);
    if (house->fs != NULL) {
        house->fs->ops->free(house->fs);
    }
    retention_rules_deinit(&house->retention);
    mem_free(house->routes);
    mem_free(house);
    return result;
}

Store *house_store(House *house)
{
    return house->store;
}

uint16_t house_port(const House *house, const char *name)
{
    for (size_t i = 0; i < house->n_listeners; i++) {
        if (strcmp(house->listeners[i].name, name) == 0) {
            return house->listeners[i].port;
        }
    }
    return 0;
}
