// SPDX-License-Identifier: Apache-2.0
#include "span/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

static void assert_host(const char *text, uint32_t port, const char *host, const char *address)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str got_host;
    Str got_address;

    host_normalise(str_from_cstr(text), port, &arena, &got_host, &got_address);
    if (!str_equal(got_host, str_from_cstr(host)) ||
        !str_equal(got_address, str_from_cstr(address))) {
        fail_msg("%s gave %.*s and %.*s", text, STR_ARG(got_host), STR_ARG(got_address));
    }
}

static void test_hosts_are_lower_case_without_final_dot(void **state)
{
    (void)state;
    assert_host("DB1.", 5432, "db1", "db1:5432");
    assert_host("h", 0, "h", "h");
    assert_host(" a , b", 0, "a", "a");
    assert_host("", 1, "", "");
    assert_host(".", 1, "", "");
}

static void test_ports_are_split_off_and_appended(void **state)
{
    (void)state;
    assert_host("h:81", 0, "h", "h:81");
    assert_host("h:81", 82, "h", "h:82");
    assert_host("h:80", 0, "h", "h");
    assert_host("h:443", 0, "h", "h");
    assert_host("h:081", 0, "h", "h:81");
    assert_host("h:99999", 0, "h", "h");
    assert_host("h:x", 7, "h:x", "h:x:7");
}

static void test_ipv6_keeps_brackets_only_with_a_port(void **state)
{
    (void)state;
    assert_host("FE80::1", 0, "fe80::1", "fe80::1");
    assert_host("fe80::1", 81, "fe80::1", "[fe80::1]:81");
    assert_host("[fe80::1]:81", 0, "fe80::1", "[fe80::1]:81");
    assert_host("[fe80::1]", 443, "fe80::1", "fe80::1");
}

static void test_loopback_is_localhost(void **state)
{
    (void)state;
    assert_host("127.0.0.1", 81, "localhost", "localhost:81");
    assert_host("127.255.3.4", 0, "localhost", "localhost");
    assert_host("[::1]:81", 0, "localhost", "localhost:81");
    assert_host("::1", 0, "localhost", "localhost");
    assert_host("LocalHost.", 0, "localhost", "localhost");
    assert_host("127.0.0.256", 0, "127.0.0.256", "127.0.0.256");
    assert_host("127.0.0.1.example", 0, "127.0.0.1.example", "127.0.0.1.example");
    assert_host("128.0.0.1", 0, "128.0.0.1", "128.0.0.1");
}

static void test_urls_give_their_host(void **state)
{
    (void)state;
    assert_true(str_equal(url_authority(STR("https://x.example/a?b=http://no")), STR("x.example")));
    assert_true(str_equal(url_authority(STR("http://me:p@w@x:81?q")), STR("x:81")));
    assert_true(str_equal(url_authority(STR("//x#f")), STR("x")));
    assert_int_equal(url_authority(STR("/a?b=http://no")).len, 0);
    assert_int_equal(url_authority(STR("x.example/a")).len, 0);
    assert_int_equal(url_authority(STR("")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_lower_case_without_final_dot),
        cmocka_unit_test(test_ports_are_split_off_and_appended),
        cmocka_unit_test(test_ipv6_keeps_brackets_only_with_a_port),
        cmocka_unit_test(test_loopback_is_localhost),
        cmocka_unit_test(test_urls_give_their_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
