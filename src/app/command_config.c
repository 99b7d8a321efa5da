// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "app/cli.h"
#include "app/house.h"
#include "app/serving.h"
#include "base/log.h"

/*
 * What `otelcol` has for its configuration, under the same names. A configuration is valid when a
 * server starts with it, so that is what `validate` does, in a directory and on ports of its own:
 * whatever `serve` checks, this checks.
 */

static int try_house(const Arguments *arguments, const Settings *settings)
{
    CLEANUP(buf_deinit) Buf why = {0};
    char directory[] = "/tmp/weft-validate-XXXXXX";
    const HouseOptions options = {.settings = settings,
                                  .directory = directory,
                                  .listen = cli_value(arguments, "listen", NULL),
                                  .any_port = true};
    House *house = NULL;

    if (mkdtemp(directory) == NULL) {
        return cli_fail("no temporary directory can be made in /tmp");
    }
    log_set_level(LOG_SILENT);
    int status =
        house_start(&options, &house, &why) == 0 ? EXIT_DONE : cli_fail("%s", buf_cstr(&why));
    (void)house_stop(house); /* nothing is in it that could not be written */
    serving_remove_directory(directory);
    return status;
}

static int run_validate(const Arguments *arguments)
{
    CLEANUP(settings_deinit) Settings settings;
    CLEANUP(buf_deinit) Buf why = {0};

    settings_init(&settings);
    return serving_settings(arguments, &settings, &why) != 0 ? cli_fail("%s", buf_cstr(&why))
                                                             : try_house(arguments, &settings);
}

static int run_print_config(const Arguments *arguments)
{
    CLEANUP(settings_deinit) Settings settings;
    CLEANUP(buf_deinit) Buf text = {0};

    settings_init(&settings);
    if (serving_settings(arguments, &settings, &text) != 0) {
        return cli_fail("%s", buf_cstr(&text));
    }
    settings_print_yaml(&settings, &text);
    cli_print(&text);
    return EXIT_DONE;
}

static int run_components(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf text = {0};

    (void)arguments;
    settings_print_components(&text);
    cli_print(&text);
    return EXIT_DONE;
}

static const Option options[] = {
    {"config", "FILE", "configuration (the Collector's YAML); may be given several times"},
    {"set", "PATH=VALUE", "one setting; weft help settings lists them"},
    {"listen", "ADDRESS", "host of every listener, as serve takes it"},
};

const Command command_validate = {
    .name = "validate",
    .summary = "Tell whether a configuration can be used",
    .details =
        "Says nothing and exits 0 when weft serve would start with it, else says what is "
        "wrong and exits 1. Ports that are taken and the data directory are not looked at.\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .run = run_validate};

const Command command_print_config = {
    .name = "print-config",
    .summary = "Print all settings that a configuration comes to",
    .details = "As YAML that --config reads back, with the defaults of what it does not say.\n",
    .options = options,
    .n_options = ARRAY_LEN(options) - 1,
    .run = run_print_config};

const Command command_components = {
    .name = "components",
    .summary = "List the receivers, exporters and extensions that a configuration can name",
    .run = run_components};
