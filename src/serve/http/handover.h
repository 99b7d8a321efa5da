// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include "base/error.h"

/*
 * Listening sockets between one server and the next: while nobody accepts, connections wait in the
 * kernel's queue of such a socket instead of being refused. Filled by server_hand_over(), emptied
 * by server_listen(). Not thread-safe.
 */
typedef struct Handover {
    int *fds; /* owned */
    size_t n_fds, capacity;
} Handover;

/* Closes the sockets that nobody took. */
void handover_deinit(Handover *handover);

/* Keeps a duplicate of the listening socket @fd. Returns 0 or -errno. */
MUST_USE int handover_keep(Handover *handover, int fd);

/* Takes a socket that listens on exactly @address (with its port); the caller closes it. Returns -1
 * when there is none. */
int handover_take(Handover *handover, const struct sockaddr_storage *address);
