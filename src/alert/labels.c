// SPDX-License-Identifier: Apache-2.0
#include "alert/labels.h"

#include <stdlib.h>

#include "base/buf.h"
#include "codec/hash.h"

static int compare(const void *a, const void *b)
{
    return str_compare(((const AlertLabel *)a)->name, ((const AlertLabel *)b)->name);
}

void labels_sort(AlertLabels *labels)
{
    if (labels->n > 1) {
        qsort(labels->items, labels->n, sizeof(AlertLabel), compare);
    }
}

Str labels_get(const AlertLabels *labels, Str name)
{
    for (size_t i = 0; i < labels->n; i++) {
        if (str_equal(labels->items[i].name, name)) {
            return labels->items[i].value;
        }
    }
    return (Str){0};
}

AlertLabels labels_copy(const AlertLabels *labels, Arena *arena)
{
    AlertLabels copy = {ARENA_ARRAY(arena, AlertLabel, labels->n + 1), labels->n};

    for (size_t i = 0; i < labels->n; i++) {
        copy.items[i] = (AlertLabel){arena_copy(arena, labels->items[i].name),
                                     arena_copy(arena, labels->items[i].value)};
    }
    return copy;
}

uint64_t labels_fingerprint(const AlertLabels *labels)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < labels->n; i++) {
        hash = hash_stable_seeded(labels->items[i].name, hash);
        hash = hash_stable_seeded(labels->items[i].value, hash + 1);
    }
    return hash;
}

void labels_write(JsonWriter *json, const AlertLabels *labels)
{
    json_open(json, '{');
    for (size_t i = 0; i < labels->n; i++) {
        json_key(json, labels->items[i].name);
        json_string(json, labels->items[i].value);
    }
    json_close(json, '}');
}

static bool is_twice(const AlertLabels *sorted)
{
    for (size_t i = 1; i < sorted->n; i++) {
        if (str_equal(sorted->items[i - 1].name, sorted->items[i].name)) {
            return true;
        }
    }
    return false;
}

int labels_read(JsonReader *reader, AlertLabels *ret_labels)
{
    AlertLabels labels = {ARENA_ARRAY(reader->arena, AlertLabel, ALERT_LABELS_MAX), 0};
    Str name, value;
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &name)) > 0) {
        TRY(json_read_string(reader, &value));
        if (labels.n == ALERT_LABELS_MAX || name.len == 0 || name.len > ALERT_LABEL_BYTES_MAX ||
            value.len > ALERT_LABEL_BYTES_MAX) {
            return 1;
        }
        labels.items[labels.n++] = (AlertLabel){name, value};
    }
    labels_sort(&labels);
    if (more < 0 || is_twice(&labels)) {
        return 1;
    }
    *ret_labels = labels;
    return 0;
}
