// SPDX-License-Identifier: Apache-2.0
#include "alert/alert.h"

/* Alerts and silences as the desk keeps them (docs/format/desk.md). */

static void names_write(JsonWriter *json, const char *key, uint32_t bits, const Str *names)
{
    json_key(json, str_from_cstr(key));
    json_open(json, '[');
    for (size_t i = 0; i < ALERT_RECEIVERS_MAX; i++) {
        if ((bits >> i & 1) != 0 && names[i].len > 0) {
            json_string(json, names[i]);
        }
    }
    json_close(json, ']');
}

static uint64_t last_told(const Alert *alert)
{
    uint64_t last = 0;

    for (size_t i = 0; i < ALERT_RECEIVERS_MAX; i++) {
        last = MAX(last, alert->told_ns[i]);
    }
    return last;
}

void alert_keep(const Alert *alert, const Str *names, Buf *buf)
{
    JsonWriter json = {.buf = buf};

    json_open(&json, '{');
    json_key(&json, STR("labels"));
    labels_write(&json, &alert->labels);
    json_key(&json, STR("annotations"));
    labels_write(&json, &alert->annotations);
    json_key_u64(&json, "state", alert->state);
    json_key_double(&json, "a", alert->a);
    json_key_double(&json, "b", alert->b);
    json_key_double(&json, "significance", alert->significance);
    json_key_u64(&json, "active_ns", alert->active_ns);
    json_key_u64(&json, "firing_ns", alert->firing_ns);
    json_key_u64(&json, "resolved_ns", alert->resolved_ns);
    json_key_u64(&json, "told_ns", last_told(alert));
    names_write(&json, "told_firing", alert->told_firing, names);
    names_write(&json, "told_resolved", alert->told_resolved, names);
    names_write(&json, "not_for", alert->not_for, names);
    json_close(&json, '}');
}

/* Receivers that are no longer there are forgotten. */
static int names_read(JsonReader *reader, const Str *names, uint32_t *ret_bits)
{
    Str name;
    int more;

    *ret_bits = 0;
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        TRY(json_read_string(reader, &name));
        for (size_t i = 0; i < ALERT_RECEIVERS_MAX && name.len > 0; i++) {
            *ret_bits |= (uint32_t)str_equal(name, names[i]) << i;
        }
    }
    return more < 0;
}

static int field_read(JsonReader *reader, Str key, const Str *names, Alert *alert)
{
    const struct {
        Str key;
        uint64_t *ns;
    } times[] = {{STR("active_ns"), &alert->active_ns},
                 {STR("firing_ns"), &alert->firing_ns},
                 {STR("resolved_ns"), &alert->resolved_ns},
                 {STR("told_ns"), &alert->told_ns[0]}};
    const struct {
        Str key;
        double *number;
    } numbers[] = {
        {STR("a"), &alert->a}, {STR("b"), &alert->b}, {STR("significance"), &alert->significance}};
    uint64_t state;

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        if (str_equal(key, times[i].key)) {
            return json_read_u64(reader, times[i].ns);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (str_equal(key, numbers[i].key)) {
            return json_read_double(reader, numbers[i].number);
        }
    }
    if (str_equal(key, STR("labels"))) {
        return labels_read(reader, &alert->labels);
    } else if (str_equal(key, STR("annotations"))) {
        return labels_read(reader, &alert->annotations);
    } else if (str_equal(key, STR("told_firing"))) {
        return names_read(reader, names, &alert->told_firing);
    } else if (str_equal(key, STR("told_resolved"))) {
        return names_read(reader, names, &alert->told_resolved);
    } else if (str_equal(key, STR("not_for"))) {
        return names_read(reader, names, &alert->not_for);
    } else if (str_equal(key, STR("state"))) {
        TRY(json_read_u64(reader, &state));
        alert->state = (AlertState)state;
        return state > ALERT_RESOLVED;
    }
    return json_skip(reader, NULL);
}

int alert_restore(Alerts *alerts, uint64_t fingerprint, Str text, const Str *names)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    JsonReader reader;
    Alert read = {0};
    Str key;
    int more;

    json_reader_init(&reader, text, &arena);
    TRY(json_enter_object(&reader));
    while ((more = json_next_key(&reader, &key)) > 0) {
        TRY(field_read(&reader, key, names, &read));
    }
    if (more < 0 || read.labels.n == 0 || alerts_find(alerts, fingerprint) != NULL) {
        return 1;
    }
    Alert *alert = alerts_add(alerts, fingerprint);
    if (alert == NULL) {
        return 1;
    }
    *alert = read;
    alert->fingerprint = fingerprint;
    alert->labels = labels_copy(&read.labels, &alert->arena);
    alert->annotations = labels_copy(&read.annotations, &alert->arena);
    for (size_t i = 1; i < ALERT_RECEIVERS_MAX; i++) {
        alert->told_ns[i] = read.told_ns[0];
    }
    return 0;
}

void alert_silence_keep(const AlertSilence *silence, Buf *buf)
{
    JsonWriter json = {.buf = buf};

    json_open(&json, '{');
    json_key(&json, STR("match"));
    labels_write(&json, &silence->match);
    json_key_u64(&json, "from_ns", silence->from_ns);
    json_key_u64(&json, "to_ns", silence->to_ns);
    json_key_string(&json, "author", silence->author);
    json_key_string(&json, "comment", silence->comment);
    json_close(&json, '}');
}

static int silence_field_read(JsonReader *reader, Str key, AlertSilence *silence)
{
    if (str_equal(key, STR("match"))) {
        return labels_read(reader, &silence->match);
    } else if (str_equal(key, STR("from_ns"))) {
        return json_read_u64(reader, &silence->from_ns);
    } else if (str_equal(key, STR("to_ns"))) {
        return json_read_u64(reader, &silence->to_ns);
    } else if (str_equal(key, STR("author"))) {
        return json_read_string(reader, &silence->author);
    } else if (str_equal(key, STR("comment"))) {
        return json_read_string(reader, &silence->comment);
    }
    return json_skip(reader, NULL);
}

int alert_silence_restore(Str text, Arena *arena, AlertSilence *ret_silence)
{
    JsonReader reader;
    AlertSilence silence = {0};
    Str key;
    int more;

    json_reader_init(&reader, text, arena);
    TRY(json_enter_object(&reader));
    while ((more = json_next_key(&reader, &key)) > 0) {
        TRY(silence_field_read(&reader, key, &silence));
    }
    if (more < 0 || silence.match.n == 0) {
        return 1;
    }
    *ret_silence = silence;
    return 0;
}
