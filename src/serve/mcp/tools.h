// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * The tools that an assistant may call. Each is a question of the native API with a smaller answer:
 * what an assistant reads is paid by the word, so lists are cut to what matters and names stand for
 * ids.
 */
enum {
    TOOL_ARGUMENTS_MAX = 10,
    TOOL_ANSWER_MAX = 48 << 10, /* bytes of text; beyond it the answer is cut at a line, and says
                                   how to ask for less */
};

typedef struct Tool Tool;

/* Finds a tool by its name; NULL: there is none. */
const Tool *tool_find(Str name);

/* Appends the list of all tools, as tools/list has it. */
void tools_write(JsonWriter *json);

/*
 * Runs @tool with @arguments (a JSON object; empty: none) on the calling thread. @ret_text is what
 * the assistant reads, of an error too. Returns whether it is an answer (else an error).
 */
bool tool_run(const Tool *tool, ApiContext *api, Str arguments, Arena *arena, Buf *ret_text);
