// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "store/block.h"
#include "store/manifest.h"

/*
 * The open blocks as readers see them: a shelf is an immutable set, replaced as a whole. A block
 * lives as long as a shelf or a reader holds it; the file of one that retired goes when the last
 * has let go. Thread-safe.
 */

/* A name that block's spans carry, remembered for the next question. */
typedef struct ShelfName {
    Str service, operation;
    uint8_t kind;
    uint64_t count;
} ShelfName;

typedef struct ShelfBlock {
    _Atomic int refs;
    _Atomic bool retired;     /* its file is removed with the last reference */
    _Atomic bool reported;    /* damage was logged already */
    _Atomic bool unmergeable; /* damaged: it is left as it is */
    _Atomic bool full;        /* merging did not make fewer blocks of it and others */
    FileSystem *fs;
    uint64_t number;
    uint64_t written_s; /* when its newest rows came, Unix seconds; 0: not known */
    Block *block;
    BlockSummary summary;
    pthread_mutex_t names_mutex;
    bool names_read; /* @names below are valid; under names_mutex until true */
    ShelfName *names;
    size_t n_names;
    Arena names_arena;
} ShelfBlock;

/* Owns @block from then on. */
ShelfBlock *shelf_block_new(FileSystem *fs, uint64_t number, Block *block);
ShelfBlock *shelf_block_unref(ShelfBlock *block);

/* What a read of the block reported: 0 and -errno are passed on; 1 (damage) is logged once and
 * becomes 0, so that the other blocks still answer. */
MUST_USE int shelf_block_check(ShelfBlock *block, int result);

/* Distinct (service, operation, kind) of the block. Returns 0 or -errno. */
MUST_USE int shelf_block_names(ShelfBlock *block, const ShelfName **ret_names, size_t *ret_n);

typedef struct Shelf {
    _Atomic int refs;
    ManifestDeletions deletions; /* by trace id */
    size_t count;
    uint64_t n_spans;
    ShelfBlock *blocks[]; /* by newest span, newest first */
} Shelf;

/* A shelf of @old's blocks (NULL: none) without those in @removed, with those in @added, whose
 * references it takes over. What @old hides stays hidden. */
Shelf *shelf_change(const Shelf *old, ShelfBlock *const *added, size_t n_added,
                    ShelfBlock *const *removed, size_t n_removed);

/* A shelf of the same blocks that hides what @deletions say. */
Shelf *shelf_hide(const Shelf *old, const ManifestDeletions *deletions);

/* Whether the rows of trace @id in block @number do not count any more. */
bool shelf_hides(const Shelf *shelf, uint64_t number, TraceId id);

Shelf *shelf_ref(Shelf *shelf);
Shelf *shelf_unref(Shelf *shelf);
