// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run_batch.h"

/*
 * The changes of a subject as bytes and back; docs/format/run-table.md. They are three strings, so
 * that each lies with its like: what is alike from run to run (shape), how large numbers are
 * (sizes), and what is random: ids and the bits of numbers (bits). Names are numbers: index in a
 * list + 1.
 */
typedef struct ChangeNames {
    const Str *items;
    size_t count;
} ChangeNames;

typedef struct PackedChanges {
    Str shape, sizes, bits;
} PackedChanges;

typedef struct ChangeBufs {
    Buf shape, sizes, bits;
    Buf numbers;   /* what comes behind the ids */
    uint64_t last; /* ... and the bits that are not there yet */
    unsigned n_last;
} ChangeBufs;

void change_bufs_clear(ChangeBufs *bufs);
void change_bufs_deinit(ChangeBufs *bufs);

/* Packs changes into @bufs, which are cleared; their names must all be in @names. @first_ns: where
 * starts are told from. */
void changes_pack(const SubjectChanges *changes, uint64_t first_ns, const Symbols *names,
                  ChangeBufs *bufs);

/* Reads them back; @subject says of what. What they point to lives as long as @packed, @names and
 * @subject. Returns 0; 1 when @packed is none. */
MUST_USE int changes_unpack(const PackedChanges *packed, const Subject *subject, uint64_t first_ns,
                            ChangeNames names, Arena *arena, SubjectChanges *ret_changes);

/* Appends @shape to @buf with other numbers of the names: @numbers by the old index. Returns 0; 1
 * when @shape is none, and then @buf has a part of it. */
typedef struct ChangeNumbers {
    const uint32_t *items;
    size_t count;
} ChangeNumbers;

MUST_USE int changes_rename(Str shape, SubjectKind kind, ChangeNumbers numbers, Buf *buf);

/* As changes_unpack(), of what version 1 of the format had. */
MUST_USE int changes_unpack_1(Str bytes, const Subject *subject, ChangeNames names, Arena *arena,
                              SubjectChanges *ret_changes);
