// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"
#include "span/span.h"
#include "store/table_file.h"

/*
 * The manifest: the one small file that says which blocks and tables there are and from where on
 * the log is needed (docs/format/manifest.md). Replacing it is the commit that makes a block and
 * its table visible together. Not thread-safe.
 */
typedef struct ManifestFile {
    uint64_t number;
    uint64_t bytes;
    uint64_t written_s; /* when its newest rows came into a block or table, Unix seconds */
    uint64_t swept_s;   /* blocks only: retention rules were applied as far as this age */
    TableInfo table;    /* tables only */
} ManifestFile;

typedef struct ManifestFiles {
    ManifestFile *items; /* by number */
    size_t count, capacity;
} ManifestFiles;

/* A trace that somebody deleted. What came before it was deleted is hidden, then removed: rows of
 * log frames below @log_below and of blocks with a number below @file_below. */
typedef struct ManifestDeletion {
    TraceId trace_id;
    uint64_t log_below, file_below;
    bool is_clean; /* no block holds it any more; in memory only */
} ManifestDeletion;

typedef struct ManifestDeletions {
    ManifestDeletion *items;
    size_t count, capacity;
} ManifestDeletions;

typedef struct Manifest {
    uint64_t edition;   /* one more with each commit */
    uint64_t log_from;  /* all rows of log frames below are in blocks */
    uint64_t next_file; /* no file has had this number yet */
    ManifestFiles blocks, tables;
    ManifestDeletions deletions;
} Manifest;

enum { MANIFEST_BYTES_MAX = 1 << 30, MANIFEST_PATH_MAX = 64 };

/* The format of the directory, raised with every change of any file in it that an older program
 * would not understand, so that such a one stops instead of taking files for damaged. */
enum { MANIFEST_FORMAT = 3, MANIFEST_NEWER = 2 };

void manifest_deinit(Manifest *manifest);

/* A deep copy in the empty @to. */
void manifest_copy(const Manifest *manifest, Manifest *to);

void manifest_files_add(ManifestFiles *files, ManifestFile file);
void manifest_files_drop(ManifestFiles *files, uint64_t number);
const ManifestFile *manifest_files_find(const ManifestFiles *files, uint64_t number);
uint64_t manifest_files_bytes(const ManifestFiles *files);

void manifest_deletions_add(ManifestDeletions *deletions, ManifestDeletion deletion);
/* The very same one; NULL: it is not there. */
ManifestDeletion *manifest_deletions_find(ManifestDeletions *deletions,
                                          const ManifestDeletion *deletion);
void manifest_deletions_drop(ManifestDeletions *deletions, const ManifestDeletion *deletion);
void manifest_deletions_deinit(ManifestDeletions *deletions);

/* The paths of the files, and back: 1 when @name is no such name. */
void manifest_block_path(uint64_t number, char path[MANIFEST_PATH_MAX]);
void manifest_table_path(uint64_t number, char path[MANIFEST_PATH_MAX]);
MUST_USE int manifest_parse_name(const char *name, uint64_t *ret_number);

/* Reads it into the empty @manifest, which stays empty when there is none. Returns 0; 1 when it is
 * damaged, @ret_error says where; MANIFEST_NEWER when it is of a newer program; or -errno. */
MUST_USE int manifest_read(FileSystem *fs, Manifest *manifest, ParseError *ret_error);

/* What can still be read of a damaged one: its text, and the lines that are well-formed, into the
 * empty @manifest. @ret_complete: all are, from the first to the checksum; their numbers may be
 * wrong all the same. Returns 0 or -errno. */
MUST_USE int manifest_salvage(FileSystem *fs, Manifest *manifest, Buf *text, bool *ret_complete);

/* Writes it durably. After an error either the old or the new one is there. */
MUST_USE int manifest_write(FileSystem *fs, const Manifest *manifest);
