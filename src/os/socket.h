// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Bound sockets from a setting's address text. All sockets are non-blocking and close-on-exec.
 * Thread-safe: no state.
 */
enum {
    SOCKET_ADDRESSES_MAX = 2, /* "localhost" is two */
    SOCKET_BACKLOG = 1024,
    SOCKET_TEXT_MAX = 64, /* "[address]:port" with its NUL */
};

/* The socket addresses behind one text; all share one port. */
typedef struct SocketAddresses {
    struct sockaddr_storage addresses[SOCKET_ADDRESSES_MAX];
    socklen_t lengths[SOCKET_ADDRESSES_MAX];
    size_t n_addresses;
} SocketAddresses;

/* Reads "localhost" (127.0.0.1 and ::1), "0.0.0.0" or "::" (both families through one socket, IPv4
 * only where the machine has no IPv6), or a numeric address, brackets allowed. No name is looked
 * up. Returns 0; -EINVAL when @text is none of these. */
MUST_USE int socket_addresses_parse(Str text, uint16_t port, SocketAddresses *ret_addresses);

/* Binds one socket of @type (SOCK_STREAM, which then also listens, or SOCK_DGRAM) to each address,
 * with SO_REUSEPORT, so that every loop may hold its own. Port 0 is replaced by the one the kernel
 * gave, in @addresses too, and is then the same for both families. An IPv6 address of a pair that
 * the machine does not have is taken out of @addresses. @ret_fds has room for SOCKET_ADDRESSES_MAX
 * and gets addresses->n_addresses sockets, the caller's to close. Returns 0 or -errno. */
MUST_USE int socket_bind(SocketAddresses *addresses, int type, int *ret_fds);

/* As socket_bind, but first proves that no other program listens on the port: SO_REUSEPORT alone
 * would let two servers of the same user share it unnoticed. For the first socket of a listener. */
MUST_USE int socket_bind_first(SocketAddresses *addresses, int type, int *ret_fds);

uint16_t socket_addresses_port(const SocketAddresses *addresses);

/* "192.0.2.1:80" or "[2001:db8::1]:80" into @text (SOCKET_TEXT_MAX bytes). An IPv4 address mapped
 * into IPv6 is written as IPv4. */
void socket_address_format(const struct sockaddr_storage *address, char *text);

/* Raises the number of open files to the hard limit; returns what is then allowed. */
uint64_t socket_raise_limit(void);
