// SPDX-License-Identifier: Apache-2.0
#include "serve/api/service_metrics.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * A scrape sums only the minutes that are new since the one before: those older than OPEN_MINUTES
 * are added to what is counted for good, the others are summed again each time, on top. A late span
 * in a minute that is counted for good is not seen here (it is on the map). Nothing that was shown
 * falls.
 */
enum {
    OPEN_MINUTES = 10,
    CATCH_UP_MINUTES = 1440, /* of a pause between scrapes at most */
};

struct ServiceMetrics {
    Map *map;
    const Clock *clock;
    pthread_mutex_t lock; /* the rest */
    uint32_t counted_to;  /* minute */
    Totals counted, shown;
};

static uint32_t minute_now(const ServiceMetrics *metrics)
{
    return (uint32_t)(clock_realtime_ns(metrics->clock) / UINT64_C(60000000000));
}

ServiceMetrics *service_metrics_new(Map *map, const Clock *clock)
{
    ServiceMetrics *metrics = NEW(ServiceMetrics);

    metrics->map = map;
    metrics->clock = clock;
    ASSERT(pthread_mutex_init(&metrics->lock, NULL) == 0);
    metrics->counted_to = minute_now(metrics);
    totals_init(&metrics->counted);
    totals_init(&metrics->shown);
    return metrics;
}

ServiceMetrics *service_metrics_free(ServiceMetrics *metrics)
{
    if (metrics != NULL) {
        pthread_mutex_destroy(&metrics->lock);
        totals_deinit(&metrics->counted);
        totals_deinit(&metrics->shown);
        mem_free(metrics);
    }
    return NULL;
}

static void count(ServiceMetrics *metrics)
{
    uint32_t now = minute_now(metrics), closed = now - MIN(now, (uint32_t)OPEN_MINUTES);
    Totals open;

    if (closed > metrics->counted_to) {
        uint32_t from = MAX(metrics->counted_to, closed - MIN(closed, (uint32_t)CATCH_UP_MINUTES));

        map_add_totals(metrics->map, from, closed, &metrics->counted);
        metrics->counted_to = closed;
    }
    totals_init(&open);
    totals_add(&open, &metrics->counted);
    map_add_totals(metrics->map, metrics->counted_to, UINT32_MAX, &open);
    totals_raise(&metrics->shown, &open);
    totals_deinit(&open);
}

/* --- Text --- */

static void head(Buf *buf, const char *name, const char *type, const char *help)
{
    buf_append_format(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line end escaped. */
static void label(Buf *buf, const char *name, Str value)
{
    buf_append_format(buf, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char byte = value.ptr[i];

        if (byte == '\\' || byte == '"') {
            buf_append_byte(buf, '\\');
        }
        if (byte == '\n') {
            buf_append_str(buf, STR("\\n"));
        } else {
            buf_append_byte(buf, (uint8_t)byte);
        }
    }
    buf_append_byte(buf, '"');
}

static void edge_labels(const Totals *totals, const Total *edge, Buf *buf)
{
    static const Str kinds[] = {[CONNECTION_CALL] = STR(""),
                                [CONNECTION_EXTERNAL] = STR("virtual_node"),
                                [CONNECTION_DATABASE] = STR("database"),
                                [CONNECTION_MESSAGING] = STR("messaging_system")};

    label(buf, "client", symbols_get(&totals->texts, edge->key.a));
    buf_append_byte(buf, ',');
    label(buf, "server", symbols_get(&totals->texts, edge->key.b));
    buf_append_byte(buf, ',');
    label(buf, "connection_type", kinds[edge->key.kind]);
}

static void operation_labels(const Totals *totals, const Total *operation, bool failed, Buf *buf)
{
    label(buf, "service", symbols_get(&totals->texts, operation->key.a));
    buf_append_byte(buf, ',');
    label(buf, "span_name", symbols_get(&totals->texts, operation->key.b));
    buf_append_format(buf, ",span_kind=\"SPAN_KIND_SERVER\",status_code=\"STATUS_CODE_%s\"",
                      failed ? "ERROR" : "UNSET");
}

static void counter(Buf *buf, const char *name, Str labels, uint64_t value)
{
    buf_append_format(buf, "%s{%.*s} %llu\n", name, STR_ARG(labels), (unsigned long long)value);
}

static void histogram(Buf *buf, const char *name, Str labels, const TotalHistogram *values)
{
    if (values->count == 0) {
        return;
    }
    for (size_t i = 0; i < TOTALS_BUCKETS; i++) {
        buf_append_format(buf, "%s_bucket{%.*s,le=\"%g\"} %llu\n", name, STR_ARG(labels),
                          totals_bounds[i], (unsigned long long)values->counts[i]);
    }
    buf_append_format(buf, "%s_bucket{%.*s,le=\"+Inf\"} %llu\n", name, STR_ARG(labels),
                      (unsigned long long)values->count);
    buf_append_format(buf, "%s_sum{%.*s} %.9g\n", name, STR_ARG(labels), values->sum_s);
    buf_append_format(buf, "%s_count{%.*s} %llu\n", name, STR_ARG(labels),
                      (unsigned long long)values->count);
}

/* One family: @write is called for each total with its labels. */
typedef struct Family {
    const char *name, *type, *help;
    void (*write)(const struct Family *family, const Total *total, Str labels, Buf *buf);
} Family;

static void write_count(const Family *family, const Total *total, Str labels, Buf *buf)
{
    counter(buf, family->name, labels, total->count);
}

static void write_errors(const Family *family, const Total *total, Str labels, Buf *buf)
{
    counter(buf, family->name, labels, total->errors);
}

static void write_server(const Family *family, const Total *total, Str labels, Buf *buf)
{
    histogram(buf, family->name, labels, &total->server);
}

static void write_client(const Family *family, const Total *total, Str labels, Buf *buf)
{
    histogram(buf, family->name, labels, &total->client);
}

static void write_wait(const Family *family, const Total *total, Str labels, Buf *buf)
{
    histogram(buf, family->name, labels, &total->wait);
}

static const Family edge_families[] = {
    {"traces_service_graph_request_total", "counter", "Calls from client to server.", write_count},
    {"traces_service_graph_request_failed_total", "counter", "Failed calls.", write_errors},
    {"traces_service_graph_request_server_seconds", "histogram",
     "Time the server took; the client's where the server sends no spans.", write_server},
    {"traces_service_graph_request_client_seconds", "histogram", "Time the client waited.",
     write_client},
    {"traces_service_graph_request_messaging_system_seconds", "histogram",
     "Time messages waited in a queue.", write_wait},
};

static void write_edges(const Totals *totals, const Family *family, Buf *buf)
{
    CLEANUP(buf_deinit) Buf labels = {0};

    head(buf, family->name, family->type, family->help);
    for (size_t i = 0; i < totals->edges.n_records; i++) {
        const Total *edge = table_at(&totals->edges, i);

        buf_clear(&labels);
        edge_labels(totals, edge, &labels);
        family->write(family, edge, buf_str(&labels), buf);
    }
}

static const Family calls_family = {"traces_spanmetrics_calls_total", "counter",
                                    "Requests of a service by the name of its entry point's span.",
                                    NULL};
static const Family latency_family = {"traces_spanmetrics_latency", "histogram",
                                      "Durations of the same, in seconds, failed ones included.",
                                      NULL};
static const Family left_out_family = {"weft_service_metrics_left_out_total", "counter",
                                       "Calls and requests beyond the limit of series.", NULL};

static void write_head(const Family *family, Buf *buf)
{
    head(buf, family->name, family->type, family->help);
}

static void write_calls(const Totals *totals, Buf *buf)
{
    CLEANUP(buf_deinit) Buf labels = {0};

    write_head(&calls_family, buf);
    for (size_t i = 0; i < 2 * totals->operations.n_records; i++) {
        const Total *operation = table_at(&totals->operations, i / 2);
        bool failed = i % 2 == 1;

        buf_clear(&labels);
        operation_labels(totals, operation, failed, &labels);
        counter(buf, calls_family.name, buf_str(&labels),
                failed ? operation->errors
                       : operation->count - MIN(operation->errors, operation->count));
    }
}

static void write_latencies(const Totals *totals, Buf *buf)
{
    CLEANUP(buf_deinit) Buf labels = {0};

    write_head(&latency_family, buf);
    for (size_t i = 0; i < totals->operations.n_records; i++) {
        const Total *operation = table_at(&totals->operations, i);

        buf_clear(&labels);
        operation_labels(totals, operation, false, &labels);
        histogram(buf, latency_family.name, buf_str(&labels), &operation->server);
    }
}

void service_metrics_write(ServiceMetrics *metrics, Buf *buf)
{
    pthread_mutex_lock(&metrics->lock);
    count(metrics);
    const Totals *shown = &metrics->shown;
    for (size_t i = 0; i < ARRAY_LEN(edge_families); i++) {
        write_edges(shown, &edge_families[i], buf);
    }
    write_calls(shown, buf);
    write_latencies(shown, buf);
    write_head(&left_out_family, buf);
    counter(buf, left_out_family.name, STR("of=\"service_graph\""), shown->edges_left_out);
    counter(buf, left_out_family.name, STR("of=\"spanmetrics\""), shown->operations_left_out);
    pthread_mutex_unlock(&metrics->lock);
}

static void document(const Family *family, const char *labels, Buf *buf)
{
    buf_append_format(buf, "| `%s{%s}` | %s | %s |\n", family->name, labels, family->type,
                      family->help);
}

void service_metrics_document(Buf *buf)
{
    for (size_t i = 0; i < ARRAY_LEN(edge_families); i++) {
        document(&edge_families[i], "client,server,connection_type", buf);
    }
    document(&calls_family, "service,span_name,span_kind,status_code", buf);
    document(&latency_family, "service,span_name,span_kind,status_code", buf);
    document(&left_out_family, "of", buf);
}
