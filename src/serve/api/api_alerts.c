// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "alert/watch.h"
#include "query/times.h"
#include "serve/api/map_question.h"
#include "serve/api/saved.h"

static int need_watch(ApiCall *call)
{
    return call->api->alerts == NULL
               ? api_fail(call, API_BUSY, "try again", "nothing is watched yet")
               : 0;
}

static int body_bad(ApiCall *call, const JsonReader *reader)
{
    return api_fail(call, API_BAD_BODY, "its form is in /api/v1/openapi.yaml",
                    "the body is not what this call takes, at byte %zu: %s", reader->error.offset,
                    reader->error.text == NULL ? "a value that cannot be" : reader->error.text);
}

static int body_open(ApiCall *call, JsonReader *reader)
{
    TRY(need_watch(call));
    if (call->request->body.len > ALERT_BODY_MAX || call->request->encoding.len > 0) {
        return api_fail(call, API_BAD_BODY, "send at most 1 MiB of JSON, not compressed",
                        "the body is too large or compressed");
    }
    json_reader_init(reader, call->request->body, &call->arena);
    return json_enter_object(reader) != 0 ? body_bad(call, reader) : 0;
}

int api_alerts(ApiCall *call)
{
    TRY(need_watch(call));
    api_list_open(call);
    alert_watch_write(call->api->alerts, &call->json);
    api_list_close(call, (Str){0});
    return 0;
}

/* --- Rules --- */

int api_alert_rules(ApiCall *call)
{
    TRY(need_watch(call));
    return alert_watch_rules_write(call->api->alerts, &call->json);
}

static int save_failed(ApiCall *call, int result, const AlertRuleError *error)
{
    switch (result) {
    case DESK_CONFLICT:
        return api_fail(call, API_CONFLICT, "read them again and repeat the change",
                        "somebody saved since this version was read");
    case ALERT_BAD_RULES:
        return api_fail(call, API_BAD_BODY, "docs/guide/alerts.md says what a rule is",
                        "rule %zu: %s", error->rule + 1, error->text);
    case -EFBIG:
        return api_fail(call, API_BAD_BODY, "save less", "more than can be saved");
    default:
        return result;
    }
}

int api_alert_rules_put(ApiCall *call)
{
    uint64_t version = DESK_ANY_VERSION;
    AlertRuleError error = {0};
    AlertRule *rules = NULL;
    JsonReader reader;
    size_t n = 0;
    int more, r = 0;
    Str key;

    TRY(body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("items"))) {
            r = alert_rules_read(&reader, &rules, &n);
        } else if (str_equal(key, STR("version"))) {
            r = json_read_u64(&reader, &version);
        } else {
            r = json_skip(&reader, NULL);
        }
    }
    if (r != 0 || more < 0 || rules == NULL) {
        return body_bad(call, &reader);
    }
    r = alert_watch_save_rules(call->api->alerts, rules, n, version, &error);
    return r != 0 ? save_failed(call, r, &error) : api_alert_rules(call);
}

/* --- A rule on the past --- */

#define TRIAL_DEFAULT_NS (UINT64_C(86400) * 1000000000)
#define TRIAL_MAX_NS (31 * TRIAL_DEFAULT_NS)

static int trial_window(ApiCall *call, AlertTrialQuestion *question)
{
    TRY(api_time(call, "to", call->now_ns, &question->to_ns));
    TRY(api_time(call, "from", question->to_ns - MIN(question->to_ns, TRIAL_DEFAULT_NS),
                 &question->from_ns));
    if (question->from_ns >= question->to_ns ||
        question->to_ns - question->from_ns > TRIAL_MAX_NS) {
        return api_fail(call, API_BAD_PARAMETER, "from=-24h",
                        "a rule is tried on up to 31 days, from before to");
    }
    question->to_ns = MIN(question->to_ns, call->now_ns);
    question->deadline_ns = call->deadline_ns;
    return 0;
}

static void trial_alert_write(JsonWriter *json, const AlertTrialAlert *alert)
{
    json_open(json, '{');
    json_key(json, STR("labels"));
    labels_write(json, &alert->labels);
    json_key(json, STR("annotations"));
    labels_write(json, &alert->annotations);
    json_key_time(json, "firing_since", alert->firing_ns);
    json_key_time_or_null(json, "resolved", alert->resolved_ns);
    json_key_double(json, "a", alert->a);
    json_key_double(json, "b", alert->b);
    json_key_double(json, "significance", alert->significance);
    json_close(json, '}');
}

static void trial_write(JsonWriter *json, const AlertTrial *trial)
{
    json_open(json, '{');
    json_key_time(json, "from", trial->from_ns);
    json_key_time(json, "to", trial->to_ns);
    json_key_u64(json, "step_ns", trial->step_ns);
    json_key_u64(json, "total", trial->total);
    json_key_bool(json, "truncated", trial->truncated);
    json_key_open(json, "items", '[');
    for (size_t i = 0; i < trial->n_alerts; i++) {
        trial_alert_write(json, &trial->alerts[i]);
    }
    json_close(json, ']');
    json_key(json, STR("cursor"));
    json_null(json);
    json_close(json, '}');
}

int api_alert_rule_preview(ApiCall *call)
{
    AlertTrialQuestion question = {0};
    AlertRuleError error = {0};
    AlertRule rule = {0};
    JsonReader reader;
    AlertTrial trial;
    bool has_rule = false;
    int more, r = 0;
    Str key;

    TRY(body_open(call, &reader));
    TRY(trial_window(call, &question));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        has_rule |= str_equal(key, STR("rule"));
        r = str_equal(key, STR("rule")) ? alert_rule_read(&reader, &rule)
                                        : json_skip(&reader, NULL);
    }
    if (r != 0 || more < 0 || !has_rule) {
        return body_bad(call, &reader);
    }
    TRY(map_question_wait(call));
    r = alert_watch_try(call->api->alerts, &rule, &question, &call->arena, &trial, &error);
    if (r != 0) {
        return save_failed(call, r, &error);
    }
    trial_write(&call->json, &trial);
    return 0;
}

/* --- Test --- */

int api_alert_test(ApiCall *call)
{
    WebhookAnswer answer;
    JsonReader reader;
    Str key, receiver = {0};
    int more, r = 0;

    TRY(body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        r = str_equal(key, STR("receiver")) ? json_read_string(&reader, &receiver)
                                            : json_skip(&reader, NULL);
    }
    if (r != 0 || more < 0) {
        return body_bad(call, &reader);
    }
    r = alert_watch_test(call->api->alerts, receiver, &answer);
    if (r == ALERT_BAD_RULES) {
        return api_fail(call, API_NOT_FOUND, "GET /api/v1/alerts/rules names the receivers",
                        "there is no receiver \"%.*s\"", STR_ARG(receiver));
    }
    json_open(&call->json, '{');
    json_key_bool(&call->json, "delivered", r == 0);
    json_key_u64(&call->json, "status", (uint64_t)answer.status);
    json_key_string(&call->json, "answer", str_from_cstr(answer.text));
    json_key_u64(&call->json, "duration_ns", answer.duration_ns);
    json_close(&call->json, '}');
    return 0;
}

/* --- Silences --- */

int api_alert_silences(ApiCall *call)
{
    TRY(need_watch(call));
    api_list_open(call);
    alert_watch_silences_write(call->api->alerts, &call->json);
    api_list_close(call, (Str){0});
    return 0;
}

/* A time as in questions: "now+2h", RFC 3339, or a number. */
static int time_read(ApiCall *call, JsonReader *reader, uint64_t *ret_ns)
{
    JsonType type = JSON_NULL;
    ParseError error;
    Str text;

    TRY(json_peek(reader, &type));
    TRY(type == JSON_NUMBER ? json_read_number(reader, &text) : json_read_string(reader, &text));
    return time_parse(text, call->now_ns, ret_ns, &error) == 0
               ? 0
               : json_fail(reader, "times are now+2h or 2026-11-27T20:00:00Z");
}

static int comment_read(JsonReader *reader, Str *ret_text)
{
    TRY(json_read_string(reader, ret_text));
    return ret_text->len <= ALERT_COMMENT_MAX
               ? 0
               : json_fail(reader, "author and comment have at most 1000 bytes");
}

static int silence_field_read(ApiCall *call, JsonReader *reader, Str key, AlertSilence *silence)
{
    if (str_equal(key, STR("match"))) {
        TRY(labels_read(reader, &silence->match));
        return silence->match.n <= ALERT_LABELS_WRITTEN_MAX
                   ? 0
                   : json_fail(reader, "a silence has at most 32 patterns");
    } else if (str_equal(key, STR("from"))) {
        return time_read(call, reader, &silence->from_ns);
    } else if (str_equal(key, STR("to"))) {
        return time_read(call, reader, &silence->to_ns);
    } else if (str_equal(key, STR("author"))) {
        return comment_read(reader, &silence->author);
    } else if (str_equal(key, STR("comment"))) {
        return comment_read(reader, &silence->comment);
    }
    return json_fail(reader, "a silence has no such field");
}

static int silence_read(ApiCall *call, AlertSilence *silence)
{
    JsonReader reader;
    int more, r = 0;
    Str key;

    TRY(body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        r = silence_field_read(call, &reader, key, silence);
    }
    if (r != 0 || more < 0) {
        return body_bad(call, &reader);
    }
    if (silence->match.n == 0) {
        return api_fail(call, API_BAD_BODY, "to hold everything back: {\"alertname\":\".*\"}",
                        "a silence has a match");
    }
    if (silence->to_ns <= MAX(silence->from_ns, call->now_ns)) {
        return api_fail(call, API_BAD_BODY, "\"to\":\"now+2h\"",
                        "a silence ends after it begins, and in the future");
    }
    return 0;
}

int api_alert_silences_post(ApiCall *call)
{
    AlertSilence silence = {.from_ns = call->now_ns};
    AlertRuleError error = {0};
    char id[ALERT_SILENCE_ID];

    TRY(silence_read(call, &silence));
    int r = alert_watch_silence(call->api->alerts, &silence, id, &error);
    if (r == ALERT_BAD_RULES) {
        return api_fail(call, API_BAD_BODY, "patterns are Perl-compatible regular expressions",
                        "%s", error.text);
    }
    if (r != 0) {
        return save_failed(call, r, &error);
    }
    json_open(&call->json, '{');
    json_key_string(&call->json, "id", str_from_bytes(id, sizeof(id)));
    json_close(&call->json, '}');
    return 0;
}

int api_alert_silence_delete(ApiCall *call)
{
    TRY(need_watch(call));
    int r = alert_watch_unsilence(call->api->alerts, call->item);
    if (r == 1) {
        return api_fail(call, API_NOT_FOUND, "GET /api/v1/alerts/silences lists them",
                        "there is no such silence");
    }
    TRY(r);
    json_open(&call->json, '{');
    json_key_string(&call->json, "id", call->item);
    json_close(&call->json, '}');
    return 0;
}
