// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"
#include "wire/cursor.h"
#include "wire/otlp.h"

/*
 * Metrics and logs are only counted: the way from the request to the records is a path of repeated
 * fields, which both encodings share. Each step names the fields that lead on; the last one is what
 * is counted.
 */
enum { STEP_FIELDS_MAX = 5, STEPS_MAX = 5 };

typedef struct Step {
    uint64_t fields; /* protobuf field numbers, as bits */
    Str keys[STEP_FIELDS_MAX];
    Str old_keys[STEP_FIELDS_MAX]; /* snake_case */
} Step;

typedef struct Path {
    size_t n_steps;
    Step steps[STEPS_MAX];
} Path;

static const Path paths[] = {
    [OTLP_METRICS] = {5,
                      {{FIELD(1), {STR("resourceMetrics")}, {STR("resource_metrics")}},
                       {FIELD(2), {STR("scopeMetrics")}, {STR("scope_metrics")}},
                       {FIELD(2), {STR("metrics")}, {STR("metrics")}},
                       {FIELD(5) | FIELD(7) | FIELD(9) | FIELD(10) | FIELD(11),
                        {STR("gauge"), STR("sum"), STR("histogram"), STR("exponentialHistogram"),
                         STR("summary")},
                        {STR("gauge"), STR("sum"), STR("histogram"), STR("exponential_histogram"),
                         STR("summary")}},
                       {FIELD(1), {STR("dataPoints")}, {STR("data_points")}}}},
    [OTLP_LOGS] = {3,
                   {{FIELD(1), {STR("resourceLogs")}, {STR("resource_logs")}},
                    {FIELD(2), {STR("scopeLogs")}, {STR("scope_logs")}},
                    {FIELD(2), {STR("logRecords")}, {STR("log_records")}}}},
};

static int count_messages(const Path *path, size_t step, Cursor in, uint64_t *count)
{
    while (cursor_more(&in)) {
        Cursor body;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        bool leads_on = tag >> 3 < 64 && (path->steps[step].fields >> (tag >> 3) & 1) != 0;
        if (!leads_on || (tag & 7) != WIRE_BYTES) {
            TRY(cursor_skip_unknown(&in, tag, path->steps[step].fields));
            continue;
        }
        TRY(cursor_take_message(&in, &body));
        if (step + 1 == path->n_steps) {
            ++*count;
        } else {
            TRY(count_messages(path, step + 1, body, count));
        }
    }
    return 0;
}

int otlp_count_protobuf(OtlpSignal signal, Str body, uint64_t *ret_count, ParseError *ret_error)
{
    CursorSource source;
    uint64_t count = 0;

    if (count_messages(&paths[signal], 0, cursor_start(body, &source), &count) != 0) {
        *ret_error = source.error;
        return WIRE_BAD;
    }
    *ret_count = count;
    return 0;
}

static bool key_leads_on(const Step *step, Str key)
{
    for (size_t i = 0; i < STEP_FIELDS_MAX && step->keys[i].len != 0; i++) {
        if (str_equal(key, step->keys[i]) || str_equal(key, step->old_keys[i])) {
            return true;
        }
    }
    return false;
}

static int count_members(const Path *path, size_t step, JsonReader *reader, uint64_t *count);

/* The elements of a list, or one object where the field is not repeated. */
static int count_elements(const Path *path, size_t step, JsonReader *reader, uint64_t *count)
{
    JsonType type;
    int more;

    TRY(json_peek(reader, &type));
    if (type == JSON_NULL) {
        return json_read_null(reader);
    }
    if (type == JSON_OBJECT) {
        return count_members(path, step, reader, count);
    }
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        if (step == path->n_steps) {
            ++*count;
            TRY(json_skip(reader, NULL));
        } else {
            TRY(count_members(path, step, reader, count));
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

static int count_members(const Path *path, size_t step, JsonReader *reader, uint64_t *count)
{
    Str key;
    int more;

    if (step == path->n_steps) {
        return json_fail(reader, "a list was expected");
    }
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (key_leads_on(&path->steps[step], key)) {
            TRY(count_elements(path, step + 1, reader, count));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

int otlp_count_json(OtlpSignal signal, Str body, Arena *arena, uint64_t *ret_count,
                    ParseError *ret_error)
{
    JsonReader reader;
    uint64_t count = 0;

    json_reader_init(&reader, body, arena);
    if (count_members(&paths[signal], 0, &reader, &count) != 0 || json_end(&reader) != 0) {
        *ret_error = reader.error;
        return WIRE_BAD;
    }
    *ret_count = count;
    return 0;
}
