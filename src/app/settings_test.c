// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/settings.h"

/* Loads @yaml over the defaults. */
static int load(Settings *settings, const char *yaml, Buf *why)
{
    char path[] = "/tmp/weft-settings-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    fputs(yaml, file);
    fclose(file);
    int r = settings_load(settings, path, why);
    unlink(path);
    return r;
}

static void defaults_are_the_standard_ports(void **state)
{
    CLEANUP(settings_deinit) Settings settings;

    settings_init(&settings);
    assert_true(str_equal(settings.otlp_grpc, STR("localhost:4317")));
    assert_true(str_equal(settings.otlp_http, STR("localhost:4318")));
    assert_true(str_equal(settings.http, STR("localhost:16686")));
    assert_int_equal(settings.quiet, 5000000000);
    assert_int_equal(settings.queue_bytes, 16 << 20);
}

static void the_collectors_yaml_is_read(void **state)
{
    CLEANUP(settings_deinit) Settings settings;
    CLEANUP(buf_deinit) Buf why = {0};

    settings_init(&settings);
    assert_int_equal(
        load(&settings,
             "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: 0.0.0.0:14317\n"
             "      http:\n  zipkin: {endpoint: \"[::1]:9999\"}\n"
             "exporters:\n  weft:\n    retention: {age: 36h, bytes: 10GB}\n"
             "service:\n  pipelines:\n    traces: {receivers: [otlp, zipkin], exporters: [weft]}\n",
             &why),
        0);
    assert_true(str_equal(settings.otlp_grpc, STR("0.0.0.0:14317")));
    assert_true(str_equal(settings.otlp_http, STR("localhost:4318")));
    assert_true(str_equal(settings.zipkin, STR("[::1]:9999")));
    assert_true(settings.retention_age == UINT64_C(36) * 3600 * 1000000000);
    assert_true(settings.retention_bytes == UINT64_C(10000000000));
}

static void mistakes_name_the_line_and_the_path(void **state)
{
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"receivers:\n  otpl: {endpoint: x}\n", "line 2"},
        {"exporters:\n  weft:\n    retention:\n      age: soon\n", "a duration like 5s"},
        {"exporters: {weft: {block: {spans: many}}}\n", "a whole number"},
        {"a: [1, 2\n", "line"},
        {"service: {telemetry: {logs: {level: loud}}}\n", "debug, info"},
        {"service: {pipelines: {traces: {receivers: [otlp, jaeger]}}}\n", "\"jaeger\" among"},
        {"service: {pipelines: {traces: {exporters: [otlp]}}}\n", "\"otlp\" among"},
        {"service: {extensions: [zpages]}\n", "\"zpages\" among"},
        {"a: &x 1\nb: *x\n", "line"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(settings_deinit) Settings settings;
        CLEANUP(buf_deinit) Buf why = {0};

        settings_init(&settings);
        assert_int_equal(load(&settings, cases[i].yaml, &why), 1);
        if (str_find(buf_str(&why), str_from_cstr(cases[i].part)) == why.len) {
            fail_msg("%s: %s", cases[i].yaml, buf_cstr(&why));
        }
    }
}

static void note_difference(void *context, const char *path)
{
    (void)context;
    fail_msg("%s differs", path);
}

/* Every kind of value, with what YAML would take for something else. */
static void what_is_printed_as_yaml_reads_back_to_the_same(void **state)
{
    static const char *const values[][2] = {
        {"exporters.weft.retention.age", "36h"},
        {"exporters.weft.log.commit_delay", "1500us"},
        {"exporters.weft.log.sync_interval", "0"},
        {"exporters.weft.retention.bytes", "10000000001"},
        {"exporters.weft.block.spans", "18446744073709551615"},
        {"exporters.weft.map.mappings", "a\\.b -> service \"x: y\"\n# - [z] \t\xc3\xa9 -> queue q"},
        {"service.telemetry.logs.level", "warn"},
    };
    CLEANUP(settings_deinit) Settings settings;
    CLEANUP(settings_deinit) Settings again;
    CLEANUP(buf_deinit) Buf text = {0};
    CLEANUP(buf_deinit) Buf why = {0};

    settings_init(&settings);
    settings_init(&again);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        assert_int_equal(
            settings_set(&settings, str_from_cstr(values[i][0]), str_from_cstr(values[i][1]), &why),
            0);
    }
    settings_print_yaml(&settings, &text);
    if (load(&again, buf_cstr(&text), &why) != 0) {
        fail_msg("%s", buf_cstr(&why));
    }
    settings_compare(&settings, &again, note_difference, NULL);
}

static void units_are_read(void **state)
{
    uint64_t value;

    assert_int_equal(settings_parse_duration(STR("1.5s"), &value), 0);
    assert_int_equal(value, 1500000000);
    assert_int_equal(settings_parse_duration(STR("90m"), &value), 0);
    assert_true(value == UINT64_C(5400000000000));
    assert_int_equal(settings_parse_duration(STR("5"), &value), 1);
    assert_int_equal(settings_parse_duration(STR("-5s"), &value), 1);
    assert_int_equal(settings_parse_bytes(STR("64MiB"), &value), 0);
    assert_int_equal(value, 64 << 20);
    assert_int_equal(settings_parse_bytes(STR("3 apples"), &value), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_standard_ports),
        cmocka_unit_test(the_collectors_yaml_is_read),
        cmocka_unit_test(mistakes_name_the_line_and_the_path),
        cmocka_unit_test(what_is_printed_as_yaml_reads_back_to_the_same),
        cmocka_unit_test(units_are_read),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
