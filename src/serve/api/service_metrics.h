// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/totals.h"
#include "os/clock.h"

/*
 * traces_service_graph_* and traces_spanmetrics_* of /metrics, in the names and labels of Tempo's
 * metrics generator, which Grafana's service graph reads. Counters since the program started, by
 * the time of the spans; the number of series is bounded (totals.h), and what is left out is
 * counted. Thread-safe.
 */
typedef struct ServiceMetrics ServiceMetrics;

ServiceMetrics *service_metrics_new(Map *map, const Clock *clock);
ServiceMetrics *service_metrics_free(ServiceMetrics *metrics);

/* Appends rows of Markdown: name, type, what. */
void service_metrics_document(Buf *buf);

/* Appends them in Prometheus' text format. */
void service_metrics_write(ServiceMetrics *metrics, Buf *buf);
