// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run_batch.h"

/*
 * The changes of a subject as bytes and back; docs/format/run-table.md. Names are numbers: index in
 * a list + 1.
 */
typedef struct ChangeNames {
    const Str *items;
    size_t count;
} ChangeNames;

/* Appends the changes, whose names must all be in @names. */
void changes_append(const SubjectChanges *changes, const Symbols *names, Buf *buf);

/* Reads them back; @subject says of what. What they point to lives as long as @bytes, @names and
 * @subject. Returns 0; 1 when @bytes is none. */
MUST_USE int changes_parse(Str bytes, const Subject *subject, ChangeNames names, Arena *arena,
                           SubjectChanges *ret_changes);
