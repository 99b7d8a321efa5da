// SPDX-License-Identifier: Apache-2.0
#include "serve/http/handover.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/socket.h"

void handover_deinit(Handover *handover)
{
    for (size_t i = 0; i < handover->n_fds; i++) {
        close(handover->fds[i]);
    }
    mem_free(handover->fds);
    *handover = (Handover){0};
}

int handover_keep(Handover *handover, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        return -errno;
    }
    ARRAY_RESERVE(handover->fds, handover->n_fds, handover->capacity);
    handover->fds[handover->n_fds++] = copy;
    return 0;
}

static bool listens_on(int fd, const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof(bound);
    char wanted[SOCKET_TEXT_MAX], text[SOCKET_TEXT_MAX];

    if (getsockname(fd, (struct sockaddr *)&bound, &length) != 0) {
        return false;
    }
    socket_address_format(address, wanted);
    socket_address_format(&bound, text);
    return bound.ss_family == address->ss_family && strcmp(text, wanted) == 0;
}

int handover_take(Handover *handover, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < handover->n_fds; i++) {
        int fd = handover->fds[i];

        if (listens_on(fd, address)) {
            handover->fds[i] = handover->fds[--handover->n_fds];
            return fd;
        }
    }
    return -1;
}
