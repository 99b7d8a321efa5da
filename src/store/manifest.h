// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"
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
    TableInfo table;    /* tables only */
} ManifestFile;

typedef struct ManifestFiles {
    ManifestFile *items; /* by number */
    size_t count, capacity;
} ManifestFiles;

typedef struct Manifest {
    uint64_t edition;   /* one more with each commit */
    uint64_t log_from;  /* all rows of log frames below are in blocks */
    uint64_t next_file; /* no file has had this number yet */
    ManifestFiles blocks, tables;
} Manifest;

enum { MANIFEST_BYTES_MAX = 64 << 20, MANIFEST_PATH_MAX = 64 };

void manifest_deinit(Manifest *manifest);

/* A deep copy in the empty @to. */
void manifest_copy(const Manifest *manifest, Manifest *to);

void manifest_files_add(ManifestFiles *files, ManifestFile file);
void manifest_files_drop(ManifestFiles *files, uint64_t number);
const ManifestFile *manifest_files_find(const ManifestFiles *files, uint64_t number);
uint64_t manifest_files_bytes(const ManifestFiles *files);

/* The paths of the files, and back: 1 when @name is no such name. */
void manifest_block_path(uint64_t number, char path[MANIFEST_PATH_MAX]);
void manifest_table_path(uint64_t number, char path[MANIFEST_PATH_MAX]);
MUST_USE int manifest_parse_name(const char *name, uint64_t *ret_number);

/* Reads it into the empty @manifest, which stays empty when there is none. Returns 0; 1 when it is
 * damaged or of a newer format, @ret_error says where; or -errno. */
MUST_USE int manifest_read(FileSystem *fs, Manifest *manifest, ParseError *ret_error);

/* Writes it durably. After an error either the old or the new one is there. */
MUST_USE int manifest_write(FileSystem *fs, const Manifest *manifest);
