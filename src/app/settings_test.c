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
        cmocka_unit_test(units_are_read),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
