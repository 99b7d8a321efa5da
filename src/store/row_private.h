// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/row.h"

/* What row.c writes and row_read.c reads: the layout is in row.c. Nobody else includes this. */
enum RowParts {
    ROW_HAS_PARENT = 1,
    ROW_HAS_TRACE_STATE = 2,
    ROW_HAS_MESSAGE = 4,
    ROW_HAS_RARE = 8, /* flags or dropped counts */
    ROW_HAS_EVENTS = 16,
    ROW_HAS_LINKS = 32,
};

enum { ROW_TAG_FALSE = 16, ROW_TAG_TRUE = 17 }; /* beside the numbers of ValueType */

/* Makes the resource or scope that a form of the dictionary describes, out of the dictionary's own
 * strings and in its arena. */
const Resource *row_read_resource(RowDictionary *dictionary, Str form);
const Scope *row_read_scope(RowDictionary *dictionary, Str form);
