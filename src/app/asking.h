// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli.h"
#include "serve/api/json_view.h"

/*
 * What the commands that ask the API at a terminal share: each asks one path, and prints the answer
 * as it is with --json, else for people.
 */
typedef struct Answer {
    Buf body;
    Arena arena;
} Answer;

void answer_deinit(Answer *answer);

/* Asks @path of --url, whose answer has the member @part. Returns EXIT_DONE with the answer, else
 * EXIT_FAILED, having told why. */
int asking_get(const Arguments *arguments, Buf *path, const char *part, Answer *answer);

/* Whether @answer is one of Weft's with the member @part. Returns as asking_get. */
int asking_check(const Arguments *arguments, int status, JsonView answer, const char *part);

/* As asking_get, with the method DELETE. */
int asking_delete(const Arguments *arguments, Buf *path, const char *part, Answer *answer);

/* Adds name=value behind @separator, which becomes '&'; nothing when @value is NULL. */
void append_parameter(Buf *path, char *separator, const char *name, const char *value);

/* --from (else @from) and --to. */
void append_window(const Arguments *arguments, Buf *path, char *separator, const char *from);

/* "1.23 s", "45 ms", "870 µs": three significant digits at most. */
Str duration_text(Arena *arena, uint64_t ns);

/* By @print, or as it came with --json. Returns EXIT_DONE. */
int print_answer(const Arguments *arguments, Answer *answer, void (*print)(Buf *, JsonView));
