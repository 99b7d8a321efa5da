// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert/webhook.h"

static void receivers_are_lines(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertReceiver *receivers;
    ParseError error;
    size_t n;

    assert_int_equal(receivers_parse(STR("\n ops http://a/b \n\nteam https://c\n"), &arena,
                                     &receivers, &n, &error),
                     0);
    assert_int_equal(n, 2);
    assert_true(str_equal(receivers[0].name, STR("ops")));
    assert_true(str_equal(receivers[0].url, STR("http://a/b")));
    assert_true(str_equal(receivers[1].url, STR("https://c")));
}

static void what_is_no_receiver_is_told_with_its_line(void **state)
{
    static const char *const texts[] = {"\nops", "a http://b\nops file:///etc/passwd",
                                        "a http://b\na http://c"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        AlertReceiver *receivers;
        ParseError error;
        size_t n;

        assert_int_equal(receivers_parse(str_from_cstr(texts[i]), &arena, &receivers, &n, &error),
                         1);
        assert_int_equal(error.offset, 2);
    }
}

static void a_notification_has_alertmanagers_form(void **state)
{
    CLEANUP(buf_deinit) Buf body = {0};
    AlertLabel a_labels[] = {{STR("alertname"), STR("gone")}, {STR("flow"), STR("a/b")}};
    AlertLabel b_labels[] = {{STR("alertname"), STR("gone")}, {STR("node_id"), STR("n1")}};
    AlertLabel note = {STR("summary"), STR("it \"is\"")};
    const Alert a = {.fingerprint = 255,
                     .state = ALERT_FIRING,
                     .labels = {a_labels, 2},
                     .annotations = {&note, 1},
                     .firing_ns = 1000000000};
    const Alert b = {.fingerprint = 1,
                     .state = ALERT_RESOLVED,
                     .labels = {b_labels, 2},
                     .firing_ns = 1000000000,
                     .resolved_ns = 2000000000};
    const Alert *alerts[] = {&a, &b};

    notification_write(&(AlertNotification){.receiver = STR("ops"),
                                            .external_url = STR("http://w"),
                                            .group = STR("gone"),
                                            .alerts = alerts,
                                            .n = 2,
                                            .truncated = 3},
                       &body);
    assert_string_equal(
        buf_cstr(&body),
        "{\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"gone\\\"}\",\"truncatedAlerts\":3,"
        "\"status\":\"firing\",\"receiver\":\"ops\",\"groupLabels\":{\"alertname\":\"gone\"},"
        "\"commonLabels\":{\"alertname\":\"gone\"},\"commonAnnotations\":{},"
        "\"externalURL\":\"http://w\",\"alerts\":["
        "{\"status\":\"firing\",\"labels\":{\"alertname\":\"gone\",\"flow\":\"a/b\"},"
        "\"annotations\":{\"summary\":\"it \\\"is\\\"\"},"
        "\"startsAt\":\"1970-01-01T00:00:01.000000000Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
        "\"generatorURL\":\"http://w/#/flows/a%2Fb\",\"fingerprint\":\"00000000000000ff\"},"
        "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"gone\",\"node_id\":\"n1\"},"
        "\"annotations\":{},\"startsAt\":\"1970-01-01T00:00:01.000000000Z\","
        "\"endsAt\":\"1970-01-01T00:00:02.000000000Z\",\"generatorURL\":\"http://w/#/map?node=n1\","
        "\"fingerprint\":\"0000000000000001\"}]}");
}

static int parse_one(const char *line, Arena *arena, AlertReceiver *ret_receiver)
{
    AlertReceiver *receivers = NULL;
    ParseError error;
    size_t n = 0;
    int r = receivers_parse(str_from_cstr(line), arena, &receivers, &n, &error);

    if (r == 0) {
        assert_int_equal(n, 1);
        *ret_receiver = receivers[0];
    }
    return r;
}

static void credentials_are_named_and_never_written(void **state)
{
    static const char *const wrong[] = {
        "a http://user:secret@host/x",
        "a http://host bearer_file=/a bearer_env=B",
        "a http://host user=me",
        "a http://host password_file=/a",
        "a http://host user=me password_env=B bearer_env=C",
        "a http://host verify=perhaps",
        "a http://host token=x",
        "a http://host bearer_file=",
    };
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertReceiver receiver = {0};

    assert_int_equal(parse_one("a https://host/x@y user=me  password_file=/run/p verify=false",
                               &arena, &receiver),
                     0);
    assert_true(str_equal(receiver.url, STR("https://host/x@y")));
    assert_true(str_equal(receiver.user, STR("me")));
    assert_true(str_equal(receiver.password_file, STR("/run/p")));
    assert_true(receiver.skips_verify);
    assert_int_equal(parse_one("a https://host bearer_env=T ca_file=/c", &arena, &receiver), 0);
    assert_true(str_equal(receiver.bearer_env, STR("T")));
    assert_true(str_equal(receiver.ca_file, STR("/c")));
    assert_false(receiver.skips_verify);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(parse_one(wrong[i], &arena, &receiver), 1);
    }
}

static void without_its_secret_nothing_is_sent(void **state)
{
    const AlertReceiver receiver = {.name = STR("ops"),
                                    .url = STR("http://127.0.0.1:1/"),
                                    .bearer_file = STR("/nowhere/token")};
    _Atomic bool stop = false;
    WebhookAnswer answer;

    assert_int_equal(webhook_post(&receiver, STR("{}"), &stop, &answer), 1);
    assert_string_equal(answer.text, "its secret cannot be read, or is empty");
}

static void nobody_there_is_an_answer_too(void **state)
{
    const AlertReceiver receiver = {STR("ops"), STR("http://127.0.0.1:1/")};
    _Atomic bool stop = false;
    WebhookAnswer answer;

    assert_int_equal(webhook_post(&receiver, STR("{}"), &stop, &answer), 1);
    assert_int_equal(answer.status, 0);
    assert_int_not_equal(answer.text[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_are_lines),
        cmocka_unit_test(what_is_no_receiver_is_told_with_its_line),
        cmocka_unit_test(a_notification_has_alertmanagers_form),
        cmocka_unit_test(credentials_are_named_and_never_written),
        cmocka_unit_test(without_its_secret_nothing_is_sent),
        cmocka_unit_test(nobody_there_is_an_answer_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
