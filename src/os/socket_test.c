// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/socket.h"

static void address_texts_are_numeric_or_localhost_and_nothing_else(void **state)
{
    SocketAddresses addresses = {.n_addresses = 77};

    assert_int_equal(socket_addresses_parse(STR("example.org"), 1, &addresses), -EINVAL);
    assert_int_equal(socket_addresses_parse(STR(""), 1, &addresses), -EINVAL);
    assert_int_equal(socket_addresses_parse(STR("127.0.0.1:80"), 1, &addresses), -EINVAL);
    assert_int_equal(socket_addresses_parse(STR("127.0.0.1\0x"), 1, &addresses), -EINVAL);
    assert_int_equal(addresses.n_addresses, 77);

    assert_int_equal(socket_addresses_parse(STR("localhost"), 4318, &addresses), 0);
    assert_int_equal(addresses.n_addresses, 2);
    assert_int_equal(socket_addresses_port(&addresses), 4318);
    assert_int_equal(socket_addresses_parse(STR("[::1]"), 9, &addresses), 0);
    assert_int_equal(addresses.n_addresses, 1);
    assert_int_equal(addresses.addresses[0].ss_family, AF_INET6);
}

static void port_zero_becomes_one_port_for_both_families_shared_by_loops_only(void **state)
{
    SocketAddresses first, second;
    int fds[SOCKET_ADDRESSES_MAX], more[SOCKET_ADDRESSES_MAX], stranger[SOCKET_ADDRESSES_MAX];

    assert_int_equal(socket_addresses_parse(STR("localhost"), 0, &first), 0);
    assert_int_equal(socket_bind_first(&first, SOCK_STREAM, fds), 0);
    assert_true(socket_addresses_port(&first) != 0);
    for (size_t i = 0; i < first.n_addresses; i++) {
        struct sockaddr_storage bound;
        socklen_t length = sizeof(bound);

        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&bound, &length), 0);
        assert_int_equal(((struct sockaddr_in *)&bound)->sin_port,
                         htons(socket_addresses_port(&first)));
    }
    second = first;
    assert_int_equal(socket_bind(&second, SOCK_STREAM, more), 0);
    assert_int_equal(socket_bind_first(&second, SOCK_STREAM, stranger), -EADDRINUSE);
    for (size_t i = 0; i < first.n_addresses; i++) {
        close(fds[i]);
        close(more[i]);
    }
}

static void peers_are_written_as_people_write_them(void **state)
{
    struct sockaddr_storage address = {.ss_family = AF_INET6};
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&address;
    char text[SOCKET_TEXT_MAX];

    ipv6->sin6_port = htons(443);
    ipv6->sin6_addr = in6addr_loopback;
    socket_address_format(&address, text);
    assert_string_equal(text, "[::1]:443");
    ipv6->sin6_addr = (struct in6_addr){
        .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}};
    socket_address_format(&address, text);
    assert_string_equal(text, "192.0.2.1:443");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_texts_are_numeric_or_localhost_and_nothing_else),
        cmocka_unit_test(port_zero_becomes_one_port_for_both_families_shared_by_loops_only),
        cmocka_unit_test(peers_are_written_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
