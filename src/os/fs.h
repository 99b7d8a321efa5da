// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "base/buf.h"

/*
 * The file system as a parameter: the kernel's, or a simulated one that tears writes and runs full.
 * Paths are relative to the directory that the FileSystem was opened on and have no "..". Every
 * call returns 0 or -errno unless it says otherwise. Thread-safe; one File is used by one thread at
 * a time except file_read_at, which any number may call.
 */
typedef struct File File;
typedef struct FileSystem FileSystem;

typedef enum FileMode {
    FILE_READ,   /* must exist */
    FILE_CREATE, /* must not exist; append only */
    FILE_APPEND, /* must exist; append only */
} FileMode;

typedef struct FileSystemOps {
    int (*open)(FileSystem *fs, const char *path, FileMode mode, File **ret_file);
    int (*close)(File *file); /* NULL is fine; a failed close loses only what was not synced */
    int (*append)(File *file, const void *bytes, size_t len); /* all of it, or an error */
    int (*read_at)(File *file, uint64_t offset, void *bytes,
                   size_t len); /* all, or -EIO at the end */
    /* fdatasync; -ENOENT when somebody has removed the file since: nobody could find it again. */
    int (*sync)(File *file);
    int (*truncate)(File *file, uint64_t size);
    int (*size)(File *file, uint64_t *ret_size);
    int (*rename)(FileSystem *fs, const char *from, const char *to); /* atomic; replaces @to */
    int (*remove)(FileSystem *fs, const char *path);
    int (*make_directory)(FileSystem *fs, const char *path); /* exists already: 0 */
    int (*sync_directory)(FileSystem *fs, const char *path);
    /* Calls @visit for each entry that is a file, in any order, until it returns non-zero. */
    int (*list)(FileSystem *fs, const char *path, int (*visit)(void *context, const char *name),
                void *context);
    int (*free_bytes)(FileSystem *fs, uint64_t *ret_free, uint64_t *ret_total);
    /* Takes the directory for this process: -EBUSY when another process holds it. */
    int (*lock)(FileSystem *fs);
    void (*free)(FileSystem *fs);
} FileSystemOps;

struct FileSystem {
    const FileSystemOps *ops;
};

struct File {
    FileSystem *fs;
};

/* Opens (and creates, with parents) @directory on the kernel's file system. */
MUST_USE int fs_open_directory(const char *directory, FileSystem **ret_fs);

/* Reads a whole file of at most @limit bytes behind @buf's content; -EFBIG when it is larger. */
MUST_USE int fs_read_file(FileSystem *fs, const char *path, size_t limit, Buf *buf);

/* Writes @content to a temporary name, syncs, renames over @path, syncs the directory. After a
 * crash
 * @path is the old file or the new one, whole. */
MUST_USE int fs_replace_file(FileSystem *fs, const char *path, Str content);

/* The system calls that may do less than they are asked: a test puts others in their place, on what
 * fs_open_directory() gave and before any use. */
typedef struct FsTransfer {
    ssize_t (*write)(int descriptor, const void *bytes, size_t len);
    ssize_t (*pread)(int descriptor, void *bytes, size_t len, off_t offset);
} FsTransfer;

void fs_use_transfer(FileSystem *fs, FsTransfer transfer);
