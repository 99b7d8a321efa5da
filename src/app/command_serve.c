// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/house.h"
#include "app/serving.h"
#include "base/log.h"

/* What `weft serve` runs, until the next SIGHUP. */
typedef struct Serving {
    const Arguments *arguments;
    HouseOptions options; /* with the settings of the running house, owned */
    House *house;         /* NULL: lost */
} Serving;

static Settings *settings_free(const Settings *settings)
{
    settings_deinit((Settings *)settings);
    mem_free((Settings *)settings);
    return NULL;
}

static void note_change(void *context, const char *path)
{
    bool *ret_beyond_level = context;

    *ret_beyond_level |= !str_equal(str_from_cstr(path), STR("service.telemetry.logs.level"));
    log_info("a setting has changed", LOG_CSTR("setting", path));
}

/* Puts @settings in the place of those of the running house. Returns whether they are used. */
static bool swap_in(Serving *serving, const Settings *settings)
{
    CLEANUP(buf_deinit) Buf why = {0};
    HouseOptions options = serving->options;
    bool beyond_level = false;
    int r = 0;

    settings_compare(serving->options.settings, settings, note_change, &beyond_level);
    options.settings = settings;
    if (beyond_level) {
        r = house_replace(&serving->house, &options, &why);
    } else {
        house_use_settings(serving->house, settings);
    }
    if (r != 0) {
        log_error(r == HOUSE_KEPT ? "the configuration cannot be used, the old one goes on"
                                  : "neither this configuration nor the old one can be used",
                  LOG_STR("because", buf_str(&why)));
        return false;
    }
    settings_free(serving->options.settings);
    serving->options = options;
    return true;
}

/* SIGHUP: the whole configuration is read again, as at the start. Returns whether there is still a
 * house. */
static bool reload(void *context)
{
    Serving *serving = context;
    CLEANUP(buf_deinit) Buf why = {0};
    Settings *settings = NEW(Settings);

    settings_init(settings);
    if (serving_settings(serving->arguments, settings, &why) != 0) {
        log_error("the configuration cannot be read again, the old one goes on",
                  LOG_STR("because", buf_str(&why)));
        settings_free(settings);
    } else if (!swap_in(serving, settings)) {
        settings_free(settings);
    } else {
        log_set_level(settings_log_level(settings));
        log_info("the configuration was read again", LOG_STR("log_level", settings->log_level));
    }
    return serving->house != NULL;
}

static int serve(Serving *serving)
{
    CLEANUP(buf_deinit) Buf why = {0};

    if (house_start(&serving->options, &serving->house, &why) != 0) {
        return cli_fail("%s", buf_cstr(&why));
    }
    fprintf(stderr, "weft: page and API on http://localhost:%u, OTLP on %u (gRPC) and %u (HTTP)\n",
            house_port(serving->house, "http"), house_port(serving->house, "otlp_grpc"),
            house_port(serving->house, "otlp_http"));
    serving_wait_reloading(reload, serving);
    if (serving->house == NULL) {
        return cli_fail("the server could not be brought up again; see the log");
    }
    int result = house_stop(serving->house);
    return result == 0 ? EXIT_DONE
                       : cli_fail("the last spans could not be written as blocks: %s. What the log "
                                  "has of them is read at the next start",
                                  strerror(-result));
}

static int run_serve(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf why = {0};
    Settings *settings = NEW(Settings);
    Serving serving = {.arguments = arguments,
                       .options = {.settings = settings,
                                   .directory = cli_value(arguments, "data", NULL),
                                   .listen = cli_value(arguments, "listen", NULL),
                                   .ready_file = cli_value(arguments, "ready-file", NULL)}};

    settings_init(settings);
    int r = serving_ports_option(arguments, &serving.options.any_port);
    if (r == 0 && serving_settings(arguments, settings, &why) != 0) {
        r = cli_usage("%s", buf_cstr(&why));
    }
    if (r == 0) {
        log_set_level(settings_log_level(settings));
        serving_catch_signals();
        r = serve(&serving);
    }
    settings_free(serving.options.settings);
    return r;
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
               "once. SIGHUP reads the configuration again: when it is valid the server goes on "
               "with it, with nothing lost; else the old one goes on and the log says why.\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run_serve};
