// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alert/watch.h"
#include "map/flow/runs.h"
#include "query/flow/touches.h"
#include "serve/api/api_call.h"
#include "serve/api/live.h"

/*
 * What the program says about itself, in numbers: /metrics in Prometheus' text format (version
 * 0.0.4) and /api/v1/status. Both read the same METRICS table, which is also their documentation.
 */
typedef struct Vitals {
    StoreStatus store;
    MapStatus map;
    AssemblyStatus assembly;
    RunsStatus runs;
    ServerCounters server;
    LiveStatus live;
    AlertWatchStatus alerts;
    FlowCacheStatus flow_cache;
    uint64_t flow_touch_bytes;
    IngestLast last;
    uint64_t calls, calls_failed, calls_busy;
    uint64_t pool_depth, memory_bytes, uptime_s;
    bool desk_damaged;
} Vitals;

/* Each row: name, type, unit's scale to the value, expression over `v` (a Vitals), help. Times are
 * shown in seconds, as Prometheus asks. Receivers have rows of their own (INGEST_COUNTERS). */
#define METRICS(ROW)                                                                               \
    ROW("weft_uptime_seconds", "gauge", 1, v->uptime_s, "Time since the start.")                   \
    ROW("weft_memory_bytes", "gauge", 1, v->memory_bytes, "Resident memory of the process.")       \
    ROW("weft_store_spans", "gauge", 1, v->store.spans_stored, "Spans in blocks and head.")        \
    ROW("weft_store_bytes", "gauge", 1, v->store.bytes_stored, "Files of the data directory.")     \
    ROW("weft_store_block_bytes", "gauge", 1, v->store.block_bytes, "Blocks of spans.")            \
    ROW("weft_store_table_bytes", "gauge", 1, v->store.table_bytes, "Tables of the map.")          \
    ROW("weft_store_log_bytes", "gauge", 1, v->store.log_bytes, "Log of spans not yet in blocks.") \
    ROW("weft_store_head_bytes", "gauge", 1, v->store.head_bytes, "Memory of the head.")           \
    ROW("weft_store_blocks", "gauge", 1, v->store.n_blocks, "Blocks.")                             \
    ROW("weft_store_head_spans", "gauge", 1, v->store.head_spans, "Spans in the head.")            \
    ROW("weft_store_unsettled_spans", "gauge", 1, v->store.unsettled_spans,                        \
        "Spans in the head whose trace is still open.")                                            \
    ROW("weft_store_queue_bytes", "gauge", 1, v->store.queue_bytes,                                \
        "Bodies acknowledged or waiting that queries do not see yet.")                             \
    ROW("weft_store_appended_batches_total", "counter", 1, v->store.appended_batches,              \
        "Requests written to the log.")                                                            \
    ROW("weft_store_appended_spans_total", "counter", 1, v->store.appended_spans,                  \
        "Spans written to the log.")                                                               \
    ROW("weft_store_appended_bytes_total", "counter", 1, v->store.appended_bytes,                  \
        "Bytes of requests written to the log.")                                                   \
    ROW("weft_store_failed_appends_total", "counter", 1, v->store.failed_appends,                  \
        "Requests that the disk refused.")                                                         \
    ROW("weft_store_busy_appends_total", "counter", 1, v->store.busy_appends,                      \
        "Requests refused because too much waited.")                                               \
    ROW("weft_store_commits_total", "counter", 1, v->store.commits, "Group commits of the log.")   \
    ROW("weft_store_commit_seconds_total", "counter", 1e9, v->store.commit_ns_total,               \
        "Time in the log's fdatasync.")                                                            \
    ROW("weft_store_spilled_keys_total", "counter", 1, v->store.spilled_keys,                      \
        "Attributes that went into a block's map because of "                                      \
        "exporters.weft.block.attribute_columns.")                                                 \
    ROW("weft_store_retired_blocks_total", "counter", 1, v->store.retired_blocks,                  \
        "Blocks deleted by retention.")                                                            \
    ROW("weft_store_retired_traces_total", "counter", 1, v->store.retired_traces,                  \
        "Traces deleted by retention rules, counted per block.")                                   \
    ROW("weft_store_deleted_traces_total", "counter", 1, v->store.deleted_traces,                  \
        "Traces deleted by somebody.")                                                             \
    ROW("weft_store_tombstones", "gauge", 1, v->store.tombstones,                                  \
        "Deleted traces that are not yet gone from all files.")                                    \
    ROW("weft_store_compactions_total", "counter", 1, v->store.compactions,                        \
        "Times that blocks were written again.")                                                   \
    ROW("weft_store_compacted_spans_total", "counter", 1, v->store.compacted_spans,                \
        "Spans in blocks that were written again.")                                                \
    ROW("weft_store_damaged_blocks_total", "counter", 1, v->store.damaged_blocks,                  \
        "Blocks found damaged when they were to be written again; they are left as they are.")     \
    ROW("weft_store_write_error", "gauge", 1, v->store.write_error != 0,                           \
        "1 while the disk refuses writes.")                                                        \
    ROW("weft_disk_free_bytes", "gauge", 1, v->store.disk_free_bytes, "Free on the disk.")         \
    ROW("weft_disk_total_bytes", "gauge", 1, v->store.disk_total_bytes, "Size of the disk.")       \
    ROW("weft_map_nodes", "gauge", 1, v->map.nodes, "Nodes that the map knows.")                   \
    ROW("weft_map_edges", "gauge", 1, v->map.edges, "Edges that the map knows.")                   \
    ROW("weft_map_bytes", "gauge", 1, v->map.bytes, "Memory of the map.")                          \
    ROW("weft_map_deltas_total", "counter", 1, v->map.deltas_applied, "Deltas applied.")           \
    ROW("weft_map_series", "gauge", 1, v->map.series,                                              \
        "Edges by rule, entry points, labels and such that the map knows.")                        \
    ROW("weft_map_series_max", "gauge", 1, v->map.series_max, "... and how many it may.")          \
    ROW("weft_map_folded_total", "counter", 1, v->map.folded,                                      \
        "Deltas told in (other) because of that limit.")                                           \
    ROW("weft_map_folded_variants_total", "counter", 1, v->map.folded_variants,                    \
        "Runs told in (other), as their flows have too many variants.")                            \
    ROW("weft_map_refused_total", "counter", 1, v->map.refused,                                    \
        "Deltas that not even (other) tells.")                                                     \
    ROW("weft_map_unnamed_total", "counter", 1, v->map.unnamed,                                    \
        "Deltas told in (other) for good: too many names between two cuts.")                       \
    ROW("weft_map_cut_names_total", "counter", 1, v->map.cut_names,                                \
        "Names cut because they are too long.")                                                    \
    ROW("weft_map_file_reads_total", "counter", 1, v->map.file_reads,                              \
        "Table files read for questions and late spans.")                                          \
    ROW("weft_map_damaged_reads_total", "counter", 1, v->map.damaged_reads,                        \
        "... that could not be read.")                                                             \
    ROW("weft_map_left_files", "gauge", 1, v->map.left_files,                                      \
        "Cut files and days of too many series to be merged, since the start.")                    \
    ROW("weft_map_evicted_hours_total", "counter", 1, v->map.evicted_hours,                        \
        "Hours of sums let go from memory.")                                                       \
    ROW("weft_map_sparse_hours", "gauge", 1, v->map.sparse_hours,                                  \
        "Hours of few rows far from when they came: of senders whose clock is wrong.")             \
    ROW("weft_assembly_open_traces", "gauge", 1, v->assembly.open_traces,                          \
        "Traces that may still get spans.")                                                        \
    ROW("weft_assembly_settled_traces_total", "counter", 1, v->assembly.settled_traces,            \
        "Traces whose map part was computed.")                                                     \
    ROW("weft_assembly_reopened_traces_total", "counter", 1, v->assembly.reopened_traces,          \
        "Traces computed again because a span came late.")                                         \
    ROW("weft_assembly_early_settled_total", "counter", 1, v->assembly.early_settled,              \
        "Traces settled before they were quiet, for want of room.")                                \
    ROW("weft_assembly_failed_batches_total", "counter", 1, v->assembly.failed_batches,            \
        "Tries to settle traces that could not read them; they are tried again.")                  \
    ROW("weft_flow_limits_met_total", "counter", 1, v->assembly.cut_contexts,                      \
        "Times a limit cut what a trace says of business flows (docs/adr, Flows).")                \
    ROW("weft_flow_open_changes", "gauge", 1, v->runs.open_changes,                                \
        "Changes of runs that are in no table yet.")                                               \
    ROW("weft_flow_files", "gauge", 1, v->runs.files, "Tables of runs.")                           \
    ROW("weft_flow_bytes", "gauge", 1, v->runs.file_bytes, "Their bytes.")                         \
    ROW("weft_flow_large_runs", "gauge", 1, v->runs.large_runs,                                    \
        "Runs with too many spans, met since the start: the map leaves them out.")                 \
    ROW("weft_flow_damaged_files", "gauge", 1, v->runs.damaged_files,                              \
        "Tables of runs that cannot be read: answers lack what they have.")                        \
    ROW("weft_flow_left_changes_total", "counter", 1, v->runs.left_changes,                        \
        "Times that a run changed which may be in one of these: it stays on the map as it was.")   \
    ROW("weft_assembly_spans_beyond_total", "counter", 1, v->assembly.spans_beyond,                \
        "Spans of traces larger than the map reads: kept, not in the map.")                        \
    ROW("weft_assembly_too_late_spans_total", "counter", 1, v->assembly.too_late_spans,            \
        "Spans older than the retention when they came, whose trace is not stored: a trace of "    \
        "their own.")                                                                              \
    ROW("weft_assembly_damaged_traces_total", "counter", 1, v->assembly.damaged_traces,            \
        "Times that a trace changed which is partly in a damaged block, or was linked with one "   \
        "that is gone: it stays on the map as it was.")                                            \
    ROW("weft_desk_damaged", "gauge", 1, v->desk_damaged,                                          \
        "1 when desk.sqlite was damaged at the start and is in damaged/ now.")                     \
    ROW("weft_queries_total", "counter", 1, v->calls, "Query API calls answered.")                 \
    ROW("weft_queries_failed_total", "counter", 1, v->calls_failed, "... with an error.")          \
    ROW("weft_queries_busy_total", "counter", 1, v->calls_busy,                                    \
        "... refused because too many waited.")                                                    \
    ROW("weft_query_queue_depth", "gauge", 1, v->pool_depth, "Queries that wait.")                 \
    ROW("weft_live_readers", "gauge", 1, v->live.readers, "Readers of the live map.")              \
    ROW("weft_live_events_total", "counter", 1, v->live.events, "Pictures sent to them.")          \
    ROW("weft_live_refused_total", "counter", 1, v->live.refused, "Readers beyond the limit.")     \
    ROW("weft_live_cut_off_total", "counter", 1, v->live.cut_off, "Readers who read too slowly.")  \
    ROW("weft_flow_cache_bytes", "gauge", 1, v->flow_cache.bytes,                                  \
        "What blocks are to flows that people define, in memory.")                                 \
    ROW("weft_flow_touch_bytes", "gauge", 1, v->flow_touch_bytes,                                  \
        "What steps of such flows touched, and links of traces, in memory.")                                  \
    ROW("weft_flow_cache_entries", "gauge", 1, v->flow_cache.entries,                              \
        "... how many, one per block and definition.")                                             \
    ROW("weft_flow_cache_found_total", "counter", 1, v->flow_cache.found,                          \
        "... that a question found.")                                                              \
    ROW("weft_flow_cache_read_total", "counter", 1, v->flow_cache.read,                            \
        "... for which a block had to be read.")                                                   \
    ROW("weft_flow_cache_evicted_total", "counter", 1, v->flow_cache.evicted,                      \
        "... that went for room.")                                                                 \
    ROW("weft_alert_rules", "gauge", 1, v->alerts.rules, "Rules of alerts.")                       \
    ROW("weft_alert_receivers", "gauge", 1, v->alerts.receivers, "Webhooks that are told.")        \
    ROW("weft_alert_silences", "gauge", 1, v->alerts.silences, "Silences that are not over.")      \
    ROW("weft_alerts_pending", "gauge", 1, v->alerts.pending, "Alerts that wait for their time.")  \
    ROW("weft_alerts_firing", "gauge", 1, v->alerts.firing, "Alerts that fire.")                   \
    ROW("weft_alerts_silenced", "gauge", 1, v->alerts.silenced, "... of them held back.")          \
    ROW("weft_alert_evaluations_total", "counter", 1, v->alerts.evaluations,                       \
        "Evaluations of all rules.")                                                               \
    ROW("weft_alert_evaluation_seconds_total", "counter", 1e9, v->alerts.evaluation_ns,            \
        "Time that they took.")                                                                    \
    ROW("weft_alert_notifications_total", "counter", 1, v->alerts.notified,                        \
        "Notifications that receivers took.")                                                      \
    ROW("weft_alert_notifications_failed_total", "counter", 1, v->alerts.failed,                   \
        "Tries that they did not take; each is tried again.")                                      \
    ROW("weft_alerts_dropped_total", "counter", 1, v->alerts.dropped,                              \
        "Alerts beyond the limit of 1000.")                                                        \
    ROW("weft_alerts_untold_total", "counter", 1, v->alerts.untold,                                \
        "Alerts that were forgotten before a receiver was told that they are over.")               \
    ROW("weft_alert_defined_unknown_total", "counter", 1, v->alerts.unknown,                       \
        "Pairs of windows for which flows that people define could not be evaluated.")             \
    ROW("weft_alert_signals_dropped_total", "counter", 1, v->alerts.dropped_signals,               \
        "Differences that no rule saw, beyond 5000 of a pair of windows.")                         \
    ROW("weft_http_connections_total", "counter", 1, v->server.connections, "Connections taken.")  \
    ROW("weft_http_connections", "gauge", 1, v->server.connections_open, "Connections open now.")  \
    ROW("weft_http_connections_refused_total", "counter", 1, v->server.connections_refused,        \
        "Connections beyond the limit.")                                                           \
    ROW("weft_http_requests_total", "counter", 1, v->server.requests, "Requests on all ports.")    \
    ROW("weft_http_requests_in_flight", "gauge", 1, v->server.requests_open, "Requests open now.") \
    ROW("weft_http_received_bytes_total", "counter", 1, v->server.bytes_in, "Bytes received.")     \
    ROW("weft_http_sent_bytes_total", "counter", 1, v->server.bytes_out, "Bytes sent.")            \
    ROW("weft_http_client_errors_total", "counter", 1, v->server.status_4xx, "Answers 4xx.")       \
    ROW("weft_http_server_errors_total", "counter", 1, v->server.status_5xx, "Answers 5xx.")       \
    ROW("weft_http_timeouts_total", "counter", 1, v->server.timeouts,                              \
        "Requests ended because they made no progress.")                                           \
    ROW("weft_http_bodies_refused_total", "counter", 1, v->server.bodies_refused,                  \
        "Requests asked to come later because too many bodies were half here.")                    \
    ROW("weft_http_protocol_errors_total", "counter", 1, v->server.protocol_errors,                \
        "Connections ended because what came was no HTTP.")

#define SYNC_METRIC "weft_log_sync_seconds"
#define SYNC_METRIC_HELP "How long the log's fdatasync took."

/* Endpoints' runs. */
int api_metrics(ApiCall *call);
int api_status(ApiCall *call);

/* docs/guide/reference.md: every metric and every error code, as Markdown. */
void metrics_document(Buf *buf);
