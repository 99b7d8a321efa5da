// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "app/settings.h"

const Command *const cli_commands[] = {
    &command_serve,      &command_demo,         &command_loadgen,    &command_map,
    &command_diff,       &command_flows,        &command_flow,       &command_search,
    &command_trace,      &command_import,       &command_export,     &command_store,
    &command_validate,   &command_print_config, &command_components, &command_version,
    &command_completion, &command_help,
};
const size_t cli_n_commands = ARRAY_LEN(cli_commands);

static int run_version(const Arguments *arguments)
{
    (void)arguments;
    puts("weft " WEFT_VERSION);
    return EXIT_DONE;
}

const Command command_version = {
    .name = "version", .summary = "Print the version", .run = run_version};

static int run_help(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf text = {0};

    if (arguments->n_operands == 0) {
        cli_print_overview(&text);
    } else if (strcmp(arguments->operands[0], "settings") == 0) {
        buf_append_str(&text,
                       STR("Settings of the configuration file and of --set PATH=VALUE:\n\n"));
        settings_print_help(&text);
    } else {
        const Command *command = cli_find(arguments->operands[0]);

        if (command == NULL) {
            return cli_usage("there is no command %s; see weft help", arguments->operands[0]);
        }
        cli_print_help(command, &text);
    }
    cli_print(&text);
    return EXIT_DONE;
}

const Command command_help = {.name = "help",
                              .operands = "[COMMAND|settings]",
                              .summary = "Tell what a command does, or list all settings",
                              .run = run_help};

static void complete_bash(Buf *text)
{
    buf_append_str(text, STR("_weft() {\n  local words\n  case \"${COMP_WORDS[1]}\" in\n"));
    for (size_t i = 0; i < cli_n_commands; i++) {
        buf_append_format(text, "    %s) words=\"", cli_commands[i]->name);
        for (size_t j = 0; j < cli_commands[i]->n_options; j++) {
            buf_append_format(text, "--%s ", cli_commands[i]->options[j].name);
        }
        buf_append_str(text, STR("\" ;;\n"));
    }
    buf_append_str(text, STR("    *) words=\""));
    for (size_t i = 0; i < cli_n_commands; i++) {
        buf_append_format(text, "%s ", cli_commands[i]->name);
    }
    buf_append_str(text, STR("\" ;;\n  esac\n  [ \"$COMP_CWORD\" = 1 ] && words=\""));
    for (size_t i = 0; i < cli_n_commands; i++) {
        buf_append_format(text, "%s ", cli_commands[i]->name);
    }
    buf_append_str(
        text, STR("\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
                  "}\ncomplete -o default -F _weft weft\n"));
}

static void complete_fish(Buf *text)
{
    for (size_t i = 0; i < cli_n_commands; i++) {
        const Command *command = cli_commands[i];

        buf_append_format(text, "complete -c weft -n __fish_use_subcommand -a %s -d '%s'\n",
                          command->name, command->summary);
        for (size_t j = 0; j < command->n_options; j++) {
            buf_append_format(text,
                              "complete -c weft -n '__fish_seen_subcommand_from %s' -l %s%s\n",
                              command->name, command->options[j].name,
                              command->options[j].argument == NULL ? "" : " -r");
        }
    }
}

static int run_completion(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf text = {0};
    const char *shell = arguments->n_operands == 1 ? arguments->operands[0] : "";

    if (strcmp(shell, "bash") == 0) {
        complete_bash(&text);
    } else if (strcmp(shell, "zsh") == 0) {
        buf_append_str(&text, STR("autoload -U +X bashcompinit && bashcompinit\n"));
        complete_bash(&text);
    } else if (strcmp(shell, "fish") == 0) {
        complete_fish(&text);
    } else {
        return cli_usage("completion needs a shell: bash, zsh or fish");
    }
    cli_print(&text);
    return EXIT_DONE;
}

const Command command_completion = {.name = "completion",
                                    .operands = "bash|zsh|fish",
                                    .summary = "Print a completion script for a shell",
                                    .details = "Use it with: source <(weft completion bash)\n",
                                    .run = run_completion};

/*
 * glibc gives every thread an arena and maps what is large anew each time. Batches and blocks come
 * and go in pieces of up to a megabyte: two arenas that keep their pages cost no page faults (7
 * against 10.7 CPU-seconds per million spans with a low threshold), and mem_trim() hands back what
 * a block leaves behind.
 */
static void bound_memory(void)
{
    enum { ARENAS = 2, MAPPED_BYTES = 8 << 20, KEPT_BYTES = 64 << 20 };

    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

int main(int argc, char **argv)
{
    CLEANUP(buf_deinit) Buf text = {0};
    Arguments arguments;

    bound_memory();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_print_overview(&text);
        cli_print(&text);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    const Command *command = cli_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (command == NULL) {
        return cli_usage("there is no command %s; see weft help", argv[1]);
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cli_print_help(command, &text);
            cli_print(&text);
            return EXIT_DONE;
        }
    }
    if (cli_parse(command, argc - 2, argv + 2, &arguments) != 0) {
        return EXIT_USAGE;
    }
    int status = command->run(&arguments);
    bool told = fflush(stdout) == 0 && ferror(stdout) == 0;
    return told || status != EXIT_DONE ? status : cli_fail("standard output cannot be written");
}
