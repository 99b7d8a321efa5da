// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/house.h"
#include "app/serving.h"
#include "base/log.h"

static int load_settings(const Arguments *arguments, Settings *settings, Buf *why)
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

static LogLevel log_level(Str name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_equal(name, str_from_cstr(names[i]))) {
            return (LogLevel)i;
        }
    }
    return LOG_INFO;
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

typedef struct Reload {
    const Arguments *arguments;
    const Settings *running; /* what the house was started with */
} Reload;

static void tell_change(void *context, const char *path)
{
    if (!str_equal(str_from_cstr(path), STR("service.telemetry.logs.level"))) {
        log_warn("this setting has changed and waits for a restart", LOG_CSTR("setting", path));
    }
}

/* SIGHUP: the whole configuration is read again, as at the start. The log's level is swapped; what
 * the house is built with would need another house, so it is only told. */
static void reload(void *context)
{
    Reload *reload = context;
    CLEANUP(buf_deinit) Buf why = {0};
    CLEANUP(settings_deinit) Settings settings;

    settings_init(&settings);
    if (load_settings(reload->arguments, &settings, &why) != 0) {
        log_error("the configuration cannot be read again, the old one goes on",
                  LOG_STR("because", buf_str(&why)));
        return;
    }
    settings_compare(reload->running, &settings, tell_change, NULL);
    log_set_level(log_level(settings.log_level));
    log_info("the configuration was read again", LOG_STR("log_level", settings.log_level));
}

static int run_serve(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf why = {0};
    CLEANUP(settings_deinit) Settings settings;
    HouseOptions options = {.settings = &settings,
                            .directory = cli_value(arguments, "data", NULL),
                            .listen = cli_value(arguments, "listen", NULL),
                            .ready_file = cli_value(arguments, "ready-file", NULL)};
    House *house;

    settings_init(&settings);
    TRY(serving_ports_option(arguments, &options.any_port));
    if (load_settings(arguments, &settings, &why) != 0) {
        return cli_usage("%s", buf_cstr(&why));
    }
    log_set_level(log_level(settings.log_level));
    serving_catch_signals();
    if (house_start(&options, &house, &why) != 0) {
        return cli_fail("%s", buf_cstr(&why));
    }
    fprintf(stderr, "weft: page and API on http://localhost:%u, OTLP on %u (gRPC) and %u (HTTP)\n",
            house_port(house, "http"), house_port(house, "otlp_grpc"),
            house_port(house, "otlp_http"));
    Reload again = {.arguments = arguments, .running = &settings};
    serving_wait_reloading(reload, &again);
    house_stop(house);
    return EXIT_DONE;
}

static const Option options[] = {
    {"config", "FILE", "configuration (the Collector's YAML); may be given several times"},
    {"data", "DIR", "where spans and map are kept (default ./weft-data)"},
    {"set", "PATH=VALUE", "one setting; weft help settings lists them"},
    {"listen", "ADDRESS", "host of every listener (default localhost; 0.0.0.0: all)"},
    {"ports", "0", "every listener gets a free port"},
    {"ready-file", "PATH", "written as JSON with the ports once all listeners accept"},
};

const Command command_serve = {
    .name = "serve",
    .summary = "Receive spans, keep them, show traces and map",
    .details = "No option is needed. SIGTERM drains and leaves; a second one leaves at "
               "once. SIGHUP reads the configuration again: the log's level changes at once, the "
               "rest is told and waits for a restart.\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run_serve};
