// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/json.h"

/* Names with values, as Prometheus has them: what an alert is told apart and matched by. */
typedef struct AlertLabel {
    Str name, value;
} AlertLabel;

enum {
    ALERT_LABELS_MAX = 64,         /* of an alert */
    ALERT_LABELS_WRITTEN_MAX = 32, /* of a rule or a silence */
    ALERT_LABEL_BYTES_MAX = 1024,  /* of a name, of a value */
};

typedef struct AlertLabels {
    AlertLabel *items; /* by name, each name once, once labels_sort() was called */
    size_t n;
} AlertLabels;

void labels_sort(AlertLabels *labels);

/* The value of @name; empty: it has none. */
Str labels_get(const AlertLabels *labels, Str name);

/* A copy that lives as long as the arena. */
AlertLabels labels_copy(const AlertLabels *labels, Arena *arena);

/* A stable number for sorted labels: their identity. */
uint64_t labels_fingerprint(const AlertLabels *labels);

/* An object of texts. Reading: in the arena, sorted. Returns 0; 1 when it is none, too large, or
 * names one thing twice. */
void labels_write(JsonWriter *json, const AlertLabels *labels);
MUST_USE int labels_read(JsonReader *reader, AlertLabels *ret_labels);
