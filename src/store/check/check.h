// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"

/*
 * Verifies a data directory by docs/format/ alone, with a reader of its own (cursor.h says what is
 * shared). Reads only, takes no lock, safe beside a running server. Single-threaded.
 */
typedef struct CheckReport {
    /* Told once per problem: the file's path in the directory, the offset, what is wrong. */
    void (*tell)(void *context, const char *file, uint64_t offset, const char *what);
    void *context;
    uint64_t n_problems;
    uint64_t n_blocks, n_tables, n_segments, n_bytes, n_spans, n_frames; /* that were looked at */
} CheckReport;

/* Returns 0, whatever was found (see n_problems), or -errno when the directory cannot be read. */
MUST_USE int check_directory(FileSystem *fs, CheckReport *report);

/* A file while it is checked. */
typedef struct CheckFile {
    CheckReport *report;
    const char *path;
    Str bytes;
} CheckFile;

/* Tells a problem. Returns false. */
bool check_tell(const CheckFile *file, uint64_t offset, const char *what);

/* Each checks the whole file; tells what is wrong. check_log: @is_last may end in a torn frame;
 * @next_sequence: of the frame after this segment's last, 0 before the first segment. */
void check_block(const CheckFile *file);
void check_table(const CheckFile *file);
void check_log(const CheckFile *file, uint64_t number, bool is_last, uint64_t *next_sequence);
