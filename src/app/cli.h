// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Commands and their options. One table per command drives parsing, `--help` and shell completion,
 * so that they cannot disagree.
 */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, CLI_VALUES_MAX = 64 };

typedef struct Option {
    const char *name;     /* without the dashes */
    const char *argument; /* its name in the help; NULL: a flag */
    const char *help;
} Option;

typedef struct Arguments Arguments;

typedef struct Command {
    const char *name;
    const char *operands; /* "FILE…" for the usage line; NULL: none are taken */
    const char *summary;
    const char *details; /* more lines of help, or NULL */
    const Option *options;
    size_t n_options;
    int (*run)(const Arguments *arguments); /* returns the exit status */
} Command;

struct Arguments {
    const Command *command;
    const char *options[CLI_VALUES_MAX]; /* names, with @values: NULL for flags */
    const char *values[CLI_VALUES_MAX];
    size_t n_options;
    const char *operands[CLI_VALUES_MAX];
    size_t n_operands;
};

/* All commands, in the order of the help. */
extern const Command *const cli_commands[];
extern const size_t cli_n_commands;

/* Parses @argv (behind the command's name). Returns 0; EXIT_USAGE when it is wrong, which was told.
 */
MUST_USE int cli_parse(const Command *command, int argc, char **argv, Arguments *ret_arguments);

bool cli_flag(const Arguments *arguments, const char *name);

/* The last value given for the option, or @otherwise. */
const char *cli_value(const Arguments *arguments, const char *name, const char *otherwise);

/* Finds a command by name, NULL when there is none. */
const Command *cli_find(const char *name);

/* Tells one line to standard error, "weft: …"; returns EXIT_FAILED or EXIT_USAGE. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

void cli_print_overview(Buf *buf);
void cli_print_help(const Command *command, Buf *buf);

/* Writes @buf to standard output and empties it. */
void cli_print(Buf *buf);

/* The commands, one file each. */
extern const Command command_serve, command_demo, command_loadgen, command_map, command_diff,
    command_search, command_trace, command_import, command_export, command_store, command_version,
    command_completion, command_help;
extern const Command command_flows, command_flow;
extern const Command command_validate, command_print_config, command_components;
