// SPDX-License-Identifier: Apache-2.0
#include "os/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"

/* A free port found for one family may be taken in the other: how often another one is tried. */
enum { PORT_TRIES_MAX = 16 };

static struct sockaddr_in6 *as_ipv6(struct sockaddr_storage *address)
{
    return (struct sockaddr_in6 *)address;
}

static struct sockaddr_in *as_ipv4(struct sockaddr_storage *address)
{
    return (struct sockaddr_in *)address;
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6) {
        as_ipv6(address)->sin6_port = htons(port);
    } else {
        as_ipv4(address)->sin_port = htons(port);
    }
}

static uint16_t get_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* Adds the numeric address @text; false when it is none. */
static bool add_address(SocketAddresses *addresses, const char *text, uint16_t port)
{
    ASSERT(addresses->n_addresses < SOCKET_ADDRESSES_MAX);
    struct sockaddr_storage *address = &addresses->addresses[addresses->n_addresses];
    socklen_t *length = &addresses->lengths[addresses->n_addresses];

    *address = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &as_ipv4(address)->sin_addr) == 1) {
        address->ss_family = AF_INET;
        *length = sizeof(struct sockaddr_in);
    } else if (inet_pton(AF_INET6, text, &as_ipv6(address)->sin6_addr) == 1) {
        address->ss_family = AF_INET6;
        *length = sizeof(struct sockaddr_in6);
    } else {
        return false;
    }
    set_port(address, port);
    addresses->n_addresses++;
    return true;
}

int socket_addresses_parse(Str text, uint16_t port, SocketAddresses *ret_addresses)
{
    SocketAddresses addresses = {0};
    char numeric[INET6_ADDRSTRLEN + 1] = {0};

    if (str_equal(text, STR("localhost"))) {
        (void)add_address(&addresses, "127.0.0.1", port);
        (void)add_address(&addresses, "::1", port);
        *ret_addresses = addresses;
        return 0;
    }
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text = str_slice(text, 1, text.len - 1);
    }
    if (text.len == 0 || text.len >= sizeof(numeric) || str_find_byte(text, 0, 0) != text.len) {
        return -EINVAL;
    }
    if (str_equal(text, STR("0.0.0.0")) && has_ipv6()) {
        text = STR("::");
    }
    mem_copy(numeric, text.ptr, text.len);
    if (!add_address(&addresses, numeric, port)) {
        return -EINVAL;
    }
    *ret_addresses = addresses;
    return 0;
}

/* The wildcard serves both families through one socket; other IPv6 addresses only their own. */
static void set_ipv6_only(int fd, const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
    int only = IN6_IS_ADDR_UNSPECIFIED(&ipv6->sin6_addr) ? 0 : 1;

    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
}

static int configure_and_bind(int fd, const SocketAddresses *addresses, size_t index, int type,
                              bool share)
{
    const struct sockaddr_storage *address = &addresses->addresses[index];
    int one = 1;

    if (type == SOCK_STREAM) { /* a restart must not wait for the old connections' TIME_WAIT */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) {
        return -errno;
    }
    if (address->ss_family == AF_INET6) {
        set_ipv6_only(fd, address);
    }
    if (bind(fd, (const struct sockaddr *)address, addresses->lengths[index]) != 0) {
        return -errno;
    }
    if (type == SOCK_STREAM && listen(fd, SOCKET_BACKLOG) != 0) {
        return -errno;
    }
    return 0;
}

static int bind_one(const SocketAddresses *addresses, size_t index, int type, bool share,
                    int *ret_fd)
{
    int fd = socket(addresses->addresses[index].ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -errno;
    }
    int r = configure_and_bind(fd, addresses, index, type, share);
    if (r != 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static void close_all(const int *fds, size_t n_fds)
{
    for (size_t i = 0; i < n_fds; i++) {
        close(fds[i]);
    }
}

static bool is_missing_family(int r)
{
    return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT;
}

/* Learns the port that the kernel chose for the first address and asks for it on the others. */
static int learn_port(SocketAddresses *addresses, int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &length) != 0) {
        return -errno;
    }
    for (size_t i = 0; i < addresses->n_addresses; i++) {
        set_port(&addresses->addresses[i], get_port(&bound));
    }
    return 0;
}

static int bind_all(SocketAddresses *addresses, int type, bool share, int *ret_fds)
{
    int fds[SOCKET_ADDRESSES_MAX] = {-1, -1};
    SocketAddresses bound = *addresses;
    size_t n_fds = 0;
    int r = 0;

    while (n_fds < bound.n_addresses && r == 0) {
        r = bind_one(&bound, n_fds, type, share, &fds[n_fds]);
        if (n_fds > 0 && is_missing_family(r)) {
            bound.n_addresses = n_fds;
            r = 0;
        } else if (r == 0) {
            r = learn_port(&bound, fds[n_fds++]);
        }
    }
    if (r != 0) {
        close_all(fds, n_fds);
        return r;
    }
    mem_copy(ret_fds, fds, n_fds * sizeof(fds[0]));
    *addresses = bound;
    return 0;
}

int socket_bind(SocketAddresses *addresses, int type, int *ret_fds)
{
    int r = -EADDRINUSE;

    for (int i = 0; i < PORT_TRIES_MAX && r == -EADDRINUSE; i++) {
        r = bind_all(addresses, type, true, ret_fds);
        if (socket_addresses_port(addresses) != 0) {
            break;
        }
    }
    return r;
}

int socket_bind_first(SocketAddresses *addresses, int type, int *ret_fds)
{
    int probes[SOCKET_ADDRESSES_MAX];
    SocketAddresses probed = *addresses;
    int r = -EADDRINUSE;

    for (int i = 0; i < PORT_TRIES_MAX && r == -EADDRINUSE; i++) {
        r = bind_all(&probed, type, false, probes);
        if (r == 0) {
            close_all(probes, probed.n_addresses);
            r = bind_all(&probed, type, true, ret_fds);
        }
        if (socket_addresses_port(addresses) != 0) {
            break;
        }
        if (r != 0) {
            probed = *addresses;
        }
    }
    if (r == 0) {
        *addresses = probed;
    }
    return r;
}

uint16_t socket_addresses_port(const SocketAddresses *addresses)
{
    return get_port(&addresses->addresses[0]);
}

void socket_address_format(const struct sockaddr_storage *address, char *text)
{
    char numeric[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
    bool brackets = false;

    if (address->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &ipv4->sin_addr, numeric, sizeof(numeric));
    } else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr)) {
        (void)inet_ntop(AF_INET, &ipv6->sin6_addr.s6_addr[12], numeric, sizeof(numeric));
    } else if (address->ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &ipv6->sin6_addr, numeric, sizeof(numeric));
        brackets = true;
    }
    (void)snprintf(text, SOCKET_TEXT_MAX, brackets ? "[%s]:%u" : "%s:%u", numeric,
                   (unsigned)get_port(address));
}

uint64_t socket_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            return raised.rlim_cur;
        }
    }
    return limit.rlim_cur;
}
