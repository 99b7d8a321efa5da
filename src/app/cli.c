// SPDX-License-Identifier: Apache-2.0
#include "app/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static const Option *find_option(const Command *command, Str name)
{
    for (size_t i = 0; i < command->n_options; i++) {
        if (str_equal(str_from_cstr(command->options[i].name), name)) {
            return &command->options[i];
        }
    }
    return NULL;
}

static int tell(const char *format, va_list arguments)
{
    CLEANUP(buf_deinit) Buf line = {0};

    buf_append_str(&line, STR("weft: "));
    buf_append_format_va(&line, format, arguments);
    buf_append_byte(&line, '\n');
    return write(STDERR_FILENO, line.ptr, line.len) < 0;
}

int cli_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

int cli_usage(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

/* `--name value`, `--name=value` or a flag; *@at moves past what was taken. */
static int parse_option(Arguments *arguments, int argc, char **argv, int *at)
{
    const Command *command = arguments->command;
    Str name, value;
    bool joined = str_split(str_from_cstr(argv[*at] + 2), '=', &name, &value);
    const Option *option = find_option(command, name);

    if (option == NULL) {
        return cli_usage("%s has no option --%.*s; see weft help %s", command->name, STR_ARG(name),
                         command->name);
    }
    if (option->argument == NULL && joined) {
        return cli_usage("--%s takes no value", option->name);
    }
    if (arguments->n_options == CLI_VALUES_MAX) {
        return cli_usage("more than %d options", CLI_VALUES_MAX);
    }
    const char *text = joined ? value.ptr : NULL;
    if (option->argument != NULL && !joined) {
        if (*at + 1 >= argc) {
            return cli_usage("--%s needs a value: %s", option->name, option->argument);
        }
        text = argv[++*at];
    }
    arguments->options[arguments->n_options] = option->name;
    arguments->values[arguments->n_options++] = text;
    return 0;
}

int cli_parse(const Command *command, int argc, char **argv, Arguments *ret_arguments)
{
    bool only_operands = false;

    *ret_arguments = (Arguments){.command = command};
    for (int i = 0; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            TRY(parse_option(ret_arguments, argc, argv, &i));
        } else if (command->operands == NULL) {
            return cli_usage("%s takes no operand: %s", command->name, argv[i]);
        } else if (ret_arguments->n_operands == CLI_VALUES_MAX) {
            return cli_usage("more than %d operands", CLI_VALUES_MAX);
        } else {
            ret_arguments->operands[ret_arguments->n_operands++] = argv[i];
        }
    }
    return 0;
}

bool cli_flag(const Arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->n_options; i++) {
        if (strcmp(arguments->options[i], name) == 0) {
            return true;
        }
    }
    return false;
}

const char *cli_value(const Arguments *arguments, const char *name, const char *otherwise)
{
    for (size_t i = arguments->n_options; i-- > 0;) {
        if (strcmp(arguments->options[i], name) == 0) {
            return arguments->values[i];
        }
    }
    return otherwise;
}

const Command *cli_find(const char *name)
{
    for (size_t i = 0; i < cli_n_commands; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return NULL;
}

void cli_print_overview(Buf *buf)
{
    buf_append_str(buf,
                   STR("Weft turns OpenTelemetry spans into a living map of a running system.\n\n"
                       "Usage: weft COMMAND [OPTION…]\n\n"));
    for (size_t i = 0; i < cli_n_commands; i++) {
        buf_append_format(buf, "  %-11s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    }
    buf_append_str(buf, STR("\nStart with `weft demo` to look, or `weft serve` to receive spans.\n"
                            "`weft help COMMAND` tells the options of a command.\n"));
}

void cli_print_help(const Command *command, Buf *buf)
{
    buf_append_format(buf, "Usage: weft %s%s%s%s\n\n%s.\n", command->name,
                      command->n_options > 0 ? " [OPTION…]" : "",
                      command->operands == NULL ? "" : " ",
                      command->operands == NULL ? "" : command->operands, command->summary);
    if (command->details != NULL) {
        buf_append_format(buf, "\n%s", command->details);
    }
    if (command->n_options > 0) {
        buf_append_byte(buf, '\n');
    }
    for (size_t i = 0; i < command->n_options; i++) {
        const Option *option = &command->options[i];
        CLEANUP(buf_deinit) Buf name = {0};

        buf_append_format(&name, "--%s%s%s", option->name, option->argument == NULL ? "" : " ",
                          option->argument == NULL ? "" : option->argument);
        buf_append_format(buf, "  %-28s %s\n", buf_cstr(&name), option->help);
    }
}

void cli_print(Buf *buf)
{
    fwrite(buf->ptr, 1, buf->len, stdout);
    fflush(stdout);
    buf_clear(buf);
}
