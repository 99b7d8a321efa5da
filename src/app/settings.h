// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

/*
 * The configuration: the Collector's YAML, read into one flat table of settings. With no file every
 * setting has its default, which wires the otlp and zipkin receivers to the store. `--set a.b=c`
 * overrides a file; a later file overrides an earlier one.
 *
 * One row per setting: field, type, path, default, help. The table also prints the documentation
 * (`weft help settings`).
 */
#define SETTINGS(ROW)                                                                              \
    ROW(otlp_grpc, TEXT, "receivers.otlp.protocols.grpc.endpoint", "localhost:4317",               \
        "OTLP/gRPC: host:port")                                                                    \
    ROW(otlp_grpc_cert, TEXT, "receivers.otlp.protocols.grpc.tls.cert_file", "",                   \
        "certificate chain (PEM); turns TLS on")                                                   \
    ROW(otlp_grpc_key, TEXT, "receivers.otlp.protocols.grpc.tls.key_file", "", "its private key")  \
    ROW(otlp_grpc_client_ca, TEXT, "receivers.otlp.protocols.grpc.tls.client_ca_file", "",         \
        "clients must show a certificate of this authority")                                       \
    ROW(otlp_http, TEXT, "receivers.otlp.protocols.http.endpoint", "localhost:4318",               \
        "OTLP/HTTP: host:port")                                                                    \
    ROW(otlp_http_cert, TEXT, "receivers.otlp.protocols.http.tls.cert_file", "",                   \
        "certificate chain (PEM); turns TLS on")                                                   \
    ROW(otlp_http_key, TEXT, "receivers.otlp.protocols.http.tls.key_file", "", "its private key")  \
    ROW(otlp_http_client_ca, TEXT, "receivers.otlp.protocols.http.tls.client_ca_file", "",         \
        "clients must show a certificate of this authority")                                       \
    ROW(zipkin, TEXT, "receivers.zipkin.endpoint", "localhost:9411", "Zipkin: host:port")          \
    ROW(zipkin_cert, TEXT, "receivers.zipkin.tls.cert_file", "",                                   \
        "certificate chain (PEM); turns TLS on")                                                   \
    ROW(zipkin_key, TEXT, "receivers.zipkin.tls.key_file", "", "its private key")                  \
    ROW(zipkin_client_ca, TEXT, "receivers.zipkin.tls.client_ca_file", "",                         \
        "clients must show a certificate of this authority")                                       \
    ROW(http, TEXT, "extensions.weft_query.endpoint", "localhost:16686",                           \
        "page and query APIs: host:port")                                                          \
    ROW(http_cert, TEXT, "extensions.weft_query.tls.cert_file", "",                                \
        "certificate chain (PEM); turns TLS on")                                                   \
    ROW(http_key, TEXT, "extensions.weft_query.tls.key_file", "", "its private key")               \
    ROW(http_client_ca, TEXT, "extensions.weft_query.tls.client_ca_file", "",                      \
        "clients must show a certificate of this authority")                                       \
    ROW(query_threads, NUMBER, "extensions.weft_query.threads", "2",                               \
        "threads that answer queries")                                                             \
    ROW(directory, TEXT, "exporters.weft.directory", "weft-data", "where spans and map are kept")  \
    ROW(retention_age, DURATION, "exporters.weft.retention.age", "7d",                             \
        "spans that came longer ago are deleted")                                                  \
    ROW(retention_bytes, BYTES, "exporters.weft.retention.bytes", "0",                             \
        "oldest spans are deleted beyond this size; 0: no limit")                                  \
    ROW(retention_disk_percent, NUMBER, "exporters.weft.retention.disk_percent", "0",              \
        "oldest spans are deleted while the disk is fuller than this; 0: no limit")                \
    ROW(retention_rules, TEXT, "exporters.weft.retention.rules", "",                               \
        "other ages for some traces: the first rule that any span of a trace matches counts, "     \
        "like { status = error } 30d; { duration > 1s } 14d")                                      \
    ROW(compaction_spans, NUMBER, "exporters.weft.compaction.spans", "2097152",                    \
        "merged blocks grow to about so many spans")                                               \
    ROW(compaction_rate, BYTES, "exporters.weft.compaction.rate", "64MiB",                         \
        "bytes a second that merging reads and writes at most; 0: no limit")                       \
    ROW(commit_delay, DURATION, "exporters.weft.log.commit_delay", "1ms",                          \
        "how long a group commit may collect requests")                                            \
    ROW(sync_interval, DURATION, "exporters.weft.log.sync_interval", "0",                          \
        "0: an answer means that spans are on disk; else answers do not wait and the disk is "     \
        "synced this often: faster, but a power cut loses as much")                                \
    ROW(queue_bytes, BYTES, "exporters.weft.log.queue", "16MiB",                                   \
        "what may wait between socket and store; beyond it clients are asked to retry")            \
    ROW(block_spans, NUMBER, "exporters.weft.block.spans", "131072", "spans of a block")           \
    ROW(block_columns, NUMBER, "exporters.weft.block.attribute_columns", "256",                    \
        "attributes of a block that get a column of their own; the rarer ones go into a map")      \
    ROW(block_age, DURATION, "exporters.weft.block.age", "60s",                                    \
        "a block is written at this age even if it is small")                                      \
    ROW(quiet, DURATION, "exporters.weft.assembly.quiet", "5s",                                    \
        "a trace without new spans for this long goes to the map")                                 \
    ROW(open_age, DURATION, "exporters.weft.assembly.open_age", "60s",                             \
        "a trace that never is quiet goes to the map at this age, and again")                      \
    ROW(trace_spans, NUMBER, "exporters.weft.assembly.trace_spans", "200000",                      \
        "spans of one trace that are read at most, by the map and in an answer: the earliest; "    \
        "the others are kept and found by search")                                                 \
    ROW(open_traces, NUMBER, "exporters.weft.assembly.open_traces", "1000000",                     \
        "traces held open at most; beyond it the quietest settle early")                           \
    ROW(presence_gap, DURATION, "exporters.weft.map.presence_gap", "5m",                           \
        "an edge is present through gaps up to this long")                                         \
    ROW(map_nodes, NUMBER, "exporters.weft.map.nodes", "10000",                                    \
        "nodes of a scope in an answer at most; the rarest fold into (other)")                     \
    ROW(map_edges, NUMBER, "exporters.weft.map.edges", "100000",                                   \
        "edges of a scope in an answer at most; the rarest fold into (other)")                     \
    ROW(map_collections, NUMBER, "exporters.weft.map.collections", "1000",                         \
        "collections of a database in an answer at most; the rarest fold into (other)")            \
    ROW(map_flow_names, NUMBER, "exporters.weft.map.flow_names", "1000",                           \
        "steps of a flow on the map at most; the rarest fold into (other)")                        \
    ROW(map_variants, NUMBER, "exporters.weft.map.variants", "10000",                              \
        "variants of a flow that the map tells apart at most; the rarest are told in (other)")     \
    ROW(map_mappings, TEXT, "exporters.weft.map.mappings", "",                                     \
        "what unpaired names mean: lines of PATTERN -> TYPE NAME (service, database, queue, "      \
        "external)")                                                                               \
    ROW(map_series, NUMBER, "exporters.weft.map.series", "4194304",                                \
        "edges, entry points, labels and such that the map tells apart at most; others are told "  \
        "in (other)")                                                                              \
    ROW(map_memory, BYTES, "exporters.weft.map.memory", "96MiB",                                   \
        "sums of the map kept in memory beside their files")                                       \
    ROW(map_retention, DURATION, "exporters.weft.map.retention", "396d",                           \
        "sums of the map that came longer ago are deleted; the default is 13 months")              \
    ROW(map_minutes, DURATION, "exporters.weft.map.minutes_retention", "31d",                      \
        "hours of the map that came longer ago keep their sums, but not those of each minute")     \
    ROW(map_flows, TEXT, "exporters.weft.map.flows", "",                                           \
        "flows over spans that name none: a JSON list as PUT /api/v1/flow-definitions takes it")   \
    ROW(flow_memory, BYTES, "exporters.weft.map.flow_memory", "32MiB",                             \
        "what blocks are to such flows, kept in memory from question to question")                 \
    ROW(alert_rules, TEXT, "extensions.weft_alerts.rules", "",                                     \
        "rules of alerts: a JSON list, as /api/v1/alerts/rules has them")                          \
    ROW(alert_receivers, TEXT, "extensions.weft_alerts.receivers", "",                             \
        "webhooks that alerts are sent to: lines of NAME URL [bearer_file=…, user=… …]")           \
    ROW(alert_interval, DURATION, "extensions.weft_alerts.interval", "60s",                        \
        "how often rules of alerts are evaluated")                                                 \
    ROW(alert_external_url, TEXT, "extensions.weft_alerts.external_url", "",                       \
        "address of this page in notifications; none: localhost and its port")                     \
    ROW(loops, NUMBER, "service.loops", "0", "event loops; 0: one per core")                       \
    ROW(log_level, TEXT, "service.telemetry.logs.level", "info", "debug, info, warn or error")

/* Durations are kept in nanoseconds, sizes in bytes. */
typedef struct Settings {
#define SETTINGS_TYPE_TEXT Str
#define SETTINGS_TYPE_NUMBER uint64_t
#define SETTINGS_TYPE_DURATION uint64_t
#define SETTINGS_TYPE_BYTES uint64_t
#define SETTINGS_FIELD(field, type, path, default_text, help) SETTINGS_TYPE_##type field;
    SETTINGS(SETTINGS_FIELD)
#undef SETTINGS_FIELD
    Arena arena; /* of the texts */
} Settings;

enum { SETTINGS_FILE_MAX = 1 << 20, SETTINGS_DEPTH_MAX = 32 };

/* All defaults. */
void settings_init(Settings *settings);
void settings_deinit(Settings *settings);

/* Sets one by its path. Returns 0; 1 with a sentence in @why: no such setting (names the nearest)
 * or no such value. */
MUST_USE int settings_set(Settings *settings, Str path, Str value, Buf *why);

/* Reads a YAML file over the settings. Returns 0; 1 with a sentence in @why that names file, line
 * and path. */
MUST_USE int settings_load(Settings *settings, const char *file, Buf *why);

/* Calls @visit with the path of every setting that differs. */
void settings_compare(const Settings *a, const Settings *b,
                      void (*visit)(void *context, const char *path), void *context);

/* What `service.telemetry.logs.level` says. */
LogLevel settings_log_level(const Settings *settings);

/* All settings as the Collector's YAML, which settings_load() reads back to the same. */
void settings_print_yaml(const Settings *settings, Buf *buf);

/* The receivers, exporters and so on that there are, as `otelcol components` lists them. */
void settings_print_components(Buf *buf);

/* The whole table as text: path, help, default. */
void settings_print_help(Buf *buf);

/* "1.5s", "200ms", "7d", "5m" to nanoseconds; "64MiB", "10GB", "512" to bytes. Returns 0; 1 when it
 * is none. */
MUST_USE int settings_parse_duration(Str text, uint64_t *ret_ns);
MUST_USE int settings_parse_bytes(Str text, uint64_t *ret_bytes);
