// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdatomic.h>

#include "os/fs.h"

/*
 * A committed table file as its readers hold it. It never changes; it lies on disk until the last
 * reference is gone, also when a merge has replaced it meanwhile. It holds no open file: a data
 * directory may have hundreds of them. Thread-safe.
 */
enum { TABLE_FAMILY_MAX = 15 };

/* What a table file holds, as the manifest tells it. The store looks at none of it. */
typedef struct TableInfo {
    char family[TABLE_FAMILY_MAX + 1]; /* a word of a-z, 0-9 and '_': who reads it */
    uint32_t level;                    /* of the family's tiers; 0: as a cut left it */
    uint32_t from_minute, to_minute;   /* from <= minute < to, since the Unix epoch */
} TableInfo;

/* A file of @family, which has such a form, over all of time. */
TableInfo table_info(const char *family);

/* Whether the family is that word. */
bool table_info_is(const TableInfo *info, const char *family);

/* Whether @family has the form of one. */
bool table_family_is_word(Str family);

typedef struct TableFile {
    _Atomic int refs;
    _Atomic bool retired;    /* its file is removed with the last reference */
    _Atomic bool damaged;    /* its bytes were found to be none: it is not merged any more */
    _Atomic bool unreadable; /* the last read met EIO: nor until one does not */
    FileSystem *fs;
    uint64_t number, bytes;
    uint64_t written_s; /* when its newest rows came, Unix seconds; 0: before that was noted */
    TableInfo info;
} TableFile;

TableFile *table_file_new(FileSystem *fs, uint64_t number, uint64_t bytes, const TableInfo *info);
TableFile *table_file_ref(TableFile *file);
TableFile *table_file_unref(TableFile *file); /* NULL is fine */

/* Appends its content. Returns 0 or -errno. */
MUST_USE int table_file_read(const TableFile *file, Buf *buf);

/* Opens it for read_at; the caller closes it and holds a reference until then. 0 or -errno. */
MUST_USE int table_file_open(const TableFile *file, File **ret_file);
