// SPDX-License-Identifier: Apache-2.0
#include "app/serving.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

static int signal_fd = -1;
static volatile sig_atomic_t n_signals, reload_asked;

static void on_signal(int number)
{
    const uint64_t one = 1;

    if (number == SIGHUP) {
        reload_asked = 1;
    } else if (++n_signals > 1) {
        _exit(128 + number);
    }
    if (write(signal_fd, &one, sizeof(one)) < 0) {
        _exit(128 + number); /* nobody could be told to drain */
    }
}

void serving_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(signal_fd >= 0);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool serving_ended(void)
{
    return n_signals > 0;
}

/* Takes what woke us off the event descriptor, unless that is the end: it stays awake then. */
static void take_wake(void)
{
    uint64_t n;

    if (!serving_ended() && read(signal_fd, &n, sizeof(n)) == (ssize_t)sizeof(n) &&
        serving_ended()) {
        (void)!write(signal_fd, &n, sizeof(n)); /* the end came in between: leave it for others */
    }
}

bool serving_wait(uint64_t timeout_ms)
{
    struct pollfd entry = {.fd = signal_fd, .events = POLLIN};

    while (!serving_ended()) {
        int n = poll(&entry, 1, timeout_ms == 0 ? -1 : (int)MIN(timeout_ms, (uint64_t)INT32_MAX));

        if (n == 0) {
            return false;
        }
        if (n > 0 && !serving_ended()) {
            take_wake();
        }
    }
    return true;
}

void serving_wait_reloading(bool (*reload)(void *context), void *context)
{
    struct pollfd entry = {.fd = signal_fd, .events = POLLIN};

    bool goes_on = true;

    while (goes_on && !serving_ended()) {
        if (poll(&entry, 1, -1) > 0) {
            take_wake();
        }
        if (reload_asked != 0 && !serving_ended()) {
            reload_asked = 0;
            goes_on = reload(context);
        }
    }
}

int serving_settings(const Arguments *arguments, Settings *settings, Buf *why)
{
    for (size_t i = 0; i < arguments->n_options; i++) {
        Str name = str_from_cstr(arguments->options[i]), path, value;

        if (str_equal(name, STR("config"))) {
            TRY(settings_load(settings, arguments->values[i], why));
        } else if (str_equal(name, STR("set"))) {
            if (!str_split(str_from_cstr(arguments->values[i]), '=', &path, &value)) {
                buf_append_format(why, "--set takes PATH=VALUE, not %s; see weft help settings",
                                  arguments->values[i]);
                return 1;
            }
            TRY(settings_set(settings, path, value, why));
        }
    }
    return 0;
}

int serving_ports_option(const Arguments *arguments, bool *ret_any)
{
    const char *ports = cli_value(arguments, "ports", NULL);

    *ret_any = ports != NULL;
    if (ports != NULL && !str_equal(str_from_cstr(ports), STR("0"))) {
        return cli_usage(
            "--ports takes 0: every listener gets a free port. --set changes single endpoints");
    }
    return 0;
}

void serving_remove_directory(const char *directory)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
        _exit(127);
    }
    if (child > 0) {
        (void)waitpid(child, &status, 0);
    }
}
