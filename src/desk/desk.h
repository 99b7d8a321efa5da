// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * What people save: mappings of names, positions of nodes, later views, flows and rules. Small
 * documents in one SQLite file (docs/format/desk.md), never anything that comes from spans. Each
 * has a kind and a key; what its value means is the matter of who saves it. Everything saved is on
 * disk when a call returns. Thread-safe; calls wait for one another.
 */
typedef struct Desk Desk;

enum {
    DESK_ITEMS_MAX = 100000,    /* of one kind */
    DESK_VALUE_MAX = 256 << 10, /* bytes */
    DESK_CONFLICT = 1,          /* somebody saved meanwhile */
};

#define DESK_ANY_VERSION UINT64_MAX

typedef struct DeskItem {
    Str key, value; /* an empty value deletes, where it says so */
} DeskItem;

typedef struct DeskList {
    DeskItem *items; /* by key */
    size_t n_items;
    uint64_t version; /* of the kind: grows whenever one of its items is saved */
} DeskList;

/* Makes the file when there is none, or when it is damaged: that one is moved to `damaged/` beside
 * it, as `desk.sqlite-` and the Unix time, and logged. Returns 0; -errno with a sentence in @why:
 * it cannot be used, or is of a newer program. */
MUST_USE int desk_open(const char *path, Desk **ret_desk, Buf *why);
Desk *desk_close(Desk *desk);

/* Whether a damaged one was moved away when this one was opened. */
bool desk_was_damaged(const Desk *desk);

/* All of @kind, in @arena. Returns 0, or -EIO (logged). */
MUST_USE int desk_read(Desk *desk, Str kind, Arena *arena, DeskList *ret_list);

/* Makes @items all there is of @kind, if its version is still @version (DESK_ANY_VERSION: whatever
 * it is). Keys are different. Returns 0 with the new version; DESK_CONFLICT; -EFBIG beyond a limit;
 * -EIO. */
MUST_USE int desk_replace(Desk *desk, Str kind, const DeskList *list, uint64_t *ret_version);

/* Adds, changes or (with empty values) deletes @items of @kind and leaves the others. Returns 0;
 * -EFBIG beyond a limit; -EIO. */
MUST_USE int desk_merge(Desk *desk, Str kind, const DeskItem *items, size_t n);
