// SPDX-License-Identifier: Apache-2.0
#include "serve/api/metrics.h"

#include "serve/api/saved.h"
#include "serve/api/service_metrics.h"

#include <fcntl.h>
#include <unistd.h>

enum { QUEUE_BYTES_MAX = 64 << 20 }; /* as the store's default */

/* Resident pages are the second number of /proc/self/statm; 0 where there is no /proc. */
static uint64_t memory_bytes(void)
{
    char text[128];
    Str total, rest, pages;
    uint64_t n = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

    if (fd >= 0) {
        close(fd);
    }
    if (len <= 0 || !str_split(str_from_bytes(text, (size_t)len), ' ', &total, &rest)) {
        return 0;
    }
    str_split(rest, ' ', &pages, &rest);
    return str_parse_u64(pages, &n) == 0 ? n * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void vitals_read(ApiCall *call, Vitals *vitals)
{
    ApiContext *api = call->api;

    *vitals = (Vitals){
        .calls = atomic_load_explicit(&api->calls, memory_order_relaxed),
        .calls_failed = atomic_load_explicit(&api->calls_failed, memory_order_relaxed),
        .calls_busy = atomic_load_explicit(&api->calls_busy, memory_order_relaxed),
        .pool_depth = pool_depth(api->pool),
        .memory_bytes = memory_bytes(),
        .uptime_s = (call->now_ns - MIN(api->started_ns, call->now_ns)) / 1000000000,
    };
    store_status(api->store, &vitals->store);
    map_status(api->map, &vitals->map);
    assembly_status(api->assembly, &vitals->assembly);
    runs_status(map_runs(api->map), &vitals->runs);
    if (api->server != NULL) {
        server_counters(api->server, &vitals->server);
    }
    if (api->live != NULL) {
        live_status(api->live, &vitals->live);
    }
    vitals->desk_damaged = api->saved != NULL && saved_was_damaged(api->saved);
    if (api->flow_memory != NULL) {
        FlowCacheStatus links;

        flow_cache_status(api->flow_memory->cache, &vitals->flow_cache);
        flow_cache_status(api->flow_memory->links, &links);
        vitals->flow_touch_bytes = flow_touch_memory_bytes(api->flow_memory->touches) + links.bytes;
    }
    if (api->alerts != NULL) {
        alert_watch_status(api->alerts, &vitals->alerts);
    }
    if (api->ingest != NULL) {
        ingest_last(api->ingest, &vitals->last);
    }
}

static void metric_head(Buf *buf, const char *name, const char *type, const char *help)
{
    buf_append_format(buf, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
}

static void metrics_write(const Vitals *v, Buf *buf)
{
    /* Counts are written as integers: a double would round them from 2^53 on. */
#define METRIC_WRITE(name, type, scale, value, help)                                               \
    metric_head(buf, name, type, help);                                                            \
    if ((scale) == 1) {                                                                            \
        buf_append_u64(buf, (uint64_t)(value));                                                    \
    } else {                                                                                       \
        buf_append_format(buf, "%.9f", (double)(value) / (double)(scale));                         \
    }                                                                                              \
    buf_append_byte(buf, '\n');
    METRICS(METRIC_WRITE)
#undef METRIC_WRITE
}

/* A histogram as Prometheus has it: each bucket counts the smaller ones, too. */
static void syncs_write(const LogSyncs *syncs, Buf *buf)
{
    static const uint64_t bounds_us[LOG_SYNC_BOUNDS] = LOG_SYNC_BOUNDS_US;
    uint64_t below = 0;

    buf_append_str(buf, STR("# HELP " SYNC_METRIC " " SYNC_METRIC_HELP "\n# TYPE " SYNC_METRIC
                            " histogram\n"));
    for (size_t i = 0; i < LOG_SYNC_BOUNDS; i++) {
        below += syncs->buckets[i];
        buf_append_format(buf, SYNC_METRIC "_bucket{le=\"%g\"} %llu\n", (double)bounds_us[i] / 1e6,
                          (unsigned long long)below);
    }
    buf_append_format(buf, SYNC_METRIC "_bucket{le=\"+Inf\"} %llu\n" SYNC_METRIC "_sum %.9f\n",
                      (unsigned long long)syncs->count, (double)syncs->ns_total / 1e9);
    buf_append_format(buf, SYNC_METRIC "_count %llu\n", (unsigned long long)syncs->count);
}

static uint64_t counter(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

int api_metrics(ApiCall *call)
{
    Buf *buf = &call->response.body;
    Vitals vitals;

    vitals_read(call, &vitals);
    call->response.content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    buf_append_format(
        buf,
        "# HELP weft_build_info The program's version.\n# TYPE weft_build_info gauge\n"
        "weft_build_info{version=\"%s\"} 1\n",
        call->api->version);
    metrics_write(&vitals, buf);
    syncs_write(&vitals.store.syncs, buf);
    if (call->api->ingest != NULL) {
        const IngestCounters *counters = ingest_counters(call->api->ingest);

#define COUNTER_WRITE(field, name, help)                                                           \
    metric_head(buf, name "_total", "counter", help);                                              \
    buf_append_u64(buf, counter(&counters->field));                                                \
    buf_append_byte(buf, '\n');
        INGEST_COUNTERS(COUNTER_WRITE)
#undef COUNTER_WRITE
    }
    if (call->api->service_metrics != NULL) {
        service_metrics_write(call->api->service_metrics, buf);
    }
    return 0;
}

void metrics_document(Buf *buf)
{
    buf_append_str(buf, STR("# Metrics and errors\n\nGenerated from src/serve/api/metrics.h, "
                            "src/serve/api/service_metrics.c, src/serve/ingest.h and "
                            "src/serve/api/api_call.h; a test compares them.\n\n"
                            "## `/metrics`\n\n| metric | type | what |\n|---|---|---|\n"));
#define METRIC_ROW(name, type, scale, value, help)                                                 \
    buf_append_str(buf, STR("| `" name "` | " type " | " help " |\n"));
    METRICS(METRIC_ROW)
#undef METRIC_ROW
    buf_append_str(buf, STR("| `" SYNC_METRIC "` | histogram | " SYNC_METRIC_HELP " |\n"));
#define COUNTER_ROW(field, name, help)                                                             \
    buf_append_str(buf, STR("| `" name "_total` | counter | " help " |\n"));
    INGEST_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
    service_metrics_document(buf);
    buf_append_str(buf,
                   STR("\n## Errors of `/api/v1`\n\n| code | status | when |\n|---|---|---|\n"));
#define ERROR_ROW(name, status, code, help)                                                        \
    buf_append_str(buf, STR("| `" code "` | " #status " | " help " |\n"));
    API_ERRORS(ERROR_ROW)
#undef ERROR_ROW
}

/*
 * Spans a second since the rate was last taken; at most once a second, so that several pages that
 * look do not cut the time into pieces too short to measure.
 */
static double rate_take(ApiCall *call, uint64_t spans)
{
    ApiContext *api = call->api;
    uint64_t before = atomic_load(&api->rate_time_ns), elapsed = call->now_ns - before;

    if (before == 0 || call->now_ns < before || elapsed >= 1000000000) {
        uint64_t since = before == 0 ? api->started_ns : before;
        uint64_t spans_before = atomic_load(&api->rate_spans);

        if (call->now_ns > since && spans >= spans_before &&
            atomic_compare_exchange_strong(&api->rate_time_ns, &before, call->now_ns)) {
            atomic_store(&api->rate_milli, (uint64_t)((double)(spans - spans_before) * 1e12 /
                                                      (double)(call->now_ns - since)));
            atomic_store(&api->rate_spans, spans);
        }
    }
    return (double)atomic_load(&api->rate_milli) / 1000;
}

static void status_spans_write(ApiCall *call, const Vitals *v)
{
    JsonWriter *json = &call->json;
    const IngestCounters *counters =
        call->api->ingest == NULL ? NULL : ingest_counters(call->api->ingest);

    json_key_open(json, "spans", '{');
    json_key_u64(json, "stored", v->store.spans_stored);
    json_key_time_or_null(json, "oldest", v->store.oldest_ns);
    json_key_time_or_null(json, "newest", v->store.newest_ns);
    json_key_u64(json, "received", v->store.appended_spans);
    json_key_u64(json, "rejected", counters == NULL ? 0 : counter(&counters->spans_invalid_id));
    json_key_double(json, "rate_per_s", rate_take(call, v->store.appended_spans));
    json_close(json, '}');
    json_key_open(json, "bytes", '{');
    json_key_u64(json, "stored", v->store.bytes_stored);
    json_key_u64(json, "blocks", v->store.block_bytes);
    json_key_u64(json, "tables", v->store.table_bytes);
    json_key_u64(json, "log", v->store.log_bytes);
    json_key_u64(json, "head", v->store.head_bytes);
    json_close(json, '}');
}

static void drop_write(JsonWriter *json, const char *reason, uint64_t count)
{
    json_open(json, '{');
    json_key_string(json, "reason", str_from_cstr(reason));
    json_key_u64(json, "count", count);
    json_close(json, '}');
}

/* Everything that was not kept, by reason, spans or requests as the reason says; none is silent. */
static void status_drops_write(ApiCall *call, const Vitals *v)
{
    JsonWriter *json = &call->json;

    json_key_open(json, "drops", '[');
    if (call->api->ingest != NULL) {
        const IngestCounters *counters = ingest_counters(call->api->ingest);

        drop_write(json, "spans with an invalid id", counter(&counters->spans_invalid_id));
        drop_write(json, "requests not decodable", counter(&counters->bodies_undecodable));
        drop_write(json, "requests too large", counter(&counters->bodies_too_large));
        drop_write(json, "requests of an unknown type", counter(&counters->bodies_unsupported));
        drop_write(json, "requests asked to retry: busy", counter(&counters->refused_busy));
        drop_write(json, "requests asked to retry: other large ones",
                   counter(&counters->refused_large));
        drop_write(json, "requests asked to retry: disk", counter(&counters->refused_disk));
        drop_write(json, "metric points, not kept", counter(&counters->metrics_unused));
        drop_write(json, "log records, not kept", counter(&counters->logs_unused));
    }
    drop_write(json, "spans beyond a trace's limit, not in the map", v->assembly.spans_beyond);
    drop_write(json, "spans older than the retention when they came, traces of their own",
               v->assembly.too_late_spans);
    drop_write(json, "traces partly unreadable or gone, left as they were on the map",
               v->assembly.damaged_traces);
    drop_write(json, "changes of runs partly unreadable, left as they were on the map",
               v->runs.left_changes);
    drop_write(json, "blocks deleted by retention", v->store.retired_blocks);
    drop_write(json, "map deltas beyond the limit of series, in (other)", v->map.folded);
    drop_write(json, "map deltas beyond the limit of series, not shown", v->map.refused);
    drop_write(json, "map names cut for their length", v->map.cut_names);
    drop_write(json, "traces deleted by retention rules", v->store.retired_traces);
    drop_write(json, "traces deleted by somebody", v->store.deleted_traces);
    drop_write(json, "damaged blocks, not merged", v->store.damaged_blocks);
    drop_write(json, "damaged files of what people saved, in damaged/ now", v->desk_damaged);
    json_close(json, ']');
}

static void queue_write(JsonWriter *json, const char *name, uint64_t depth, uint64_t max)
{
    json_open(json, '{');
    json_key_string(json, "name", str_from_cstr(name));
    json_key_u64(json, "depth", depth);
    json_key_u64(json, "max", max);
    json_close(json, '}');
}

static void status_machine_write(ApiCall *call, const Vitals *v)
{
    JsonWriter *json = &call->json;

    json_key_open(json, "queues", '[');
    queue_write(json, "store_bytes", v->store.queue_bytes, QUEUE_BYTES_MAX);
    queue_write(json, "queries", v->pool_depth, API_QUERIES_MAX);
    json_close(json, ']');
    json_key_open(json, "durability", '{');
    json_key_string(json, "mode",
                    v->store.sync_interval_ms == 0 ? STR("group_commit") : STR("interval"));
    json_key_u64(json, "sync_interval_ns", v->store.sync_interval_ms * 1000000);
    json_close(json, '}');
    json_key_open(json, "disk", '{');
    json_key_u64(json, "free_bytes", v->store.disk_free_bytes);
    json_key_u64(json, "total_bytes", v->store.disk_total_bytes);
    json_close(json, '}');
    json_key_open(json, "endpoints", '{');
    json_key_u64(json, "otlp_grpc", call->api->endpoints.otlp_grpc);
    json_key_u64(json, "otlp_http", call->api->endpoints.otlp_http);
    json_key_u64(json, "zipkin", call->api->endpoints.zipkin);
    json_close(json, '}');
    json_key_u64(json, "memory_bytes", v->memory_bytes);
}

static void status_last_write(ApiCall *call, const Vitals *v)
{
    JsonWriter *json = &call->json;
    const IngestCounters *counters =
        call->api->ingest == NULL ? NULL : ingest_counters(call->api->ingest);

    json_key(json, STR("last_service"));
    if (v->last.time_ns == 0) {
        json_null(json);
    } else {
        json_open(json, '{');
        json_key_string(json, "name", str_from_cstr(v->last.service));
        json_key_string(json, "span", str_from_cstr(v->last.span));
        json_key_time(json, "time", v->last.time_ns);
        json_close(json, '}');
    }
    json_key_open(json, "requests", '{');
    json_key_u64(json, "metrics", counters == NULL ? 0 : counter(&counters->metrics_unused));
    json_key_u64(json, "logs", counters == NULL ? 0 : counter(&counters->logs_unused));
    json_close(json, '}');
}

int api_status(ApiCall *call)
{
    JsonWriter *json = &call->json;
    Vitals vitals;

    vitals_read(call, &vitals);
    json_open(json, '{');
    json_key_string(json, "version", str_from_cstr(call->api->version));
    json_key_u64(json, "uptime_ns", call->now_ns - MIN(call->api->started_ns, call->now_ns));
    json_key_time(json, "now", call->now_ns);
    status_spans_write(call, &vitals);
    json_key_open(json, "map", '{');
    json_key_u64(json, "nodes", vitals.map.nodes);
    json_key_u64(json, "edges", vitals.map.edges);
    json_key_u64(json, "open_traces", vitals.assembly.open_traces);
    json_key_time(json, "complete_to", vitals.assembly.complete_to_ns);
    json_close(json, '}');
    status_drops_write(call, &vitals);
    status_machine_write(call, &vitals);
    status_last_write(call, &vitals);
    json_close(json, '}');
    return 0;
}
