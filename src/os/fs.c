// SPDX-License-Identifier: Apache-2.0
#include "os/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * The kernel's file system below one directory. Everything goes through the directory's descriptor
 * (openat), so that the program keeps working when the directory is moved, and no path is ever put
 * together from parts that came from outside.
 */
typedef struct KernelFileSystem {
    FileSystem base;
    FsTransfer transfer;
    int directory;
    int lock; /* -1: not taken */
} KernelFileSystem;

typedef struct KernelFile {
    File base;
    int descriptor;
} KernelFile;

static const char lock_name[] = "LOCK";

static int directory_of(FileSystem *fs)
{
    return ((KernelFileSystem *)fs)->directory;
}

static const FsTransfer *transfer_of(const File *file)
{
    return &((const KernelFileSystem *)file->fs)->transfer;
}

static int descriptor_of(File *file)
{
    return ((KernelFile *)file)->descriptor;
}

static int kernel_open(FileSystem *fs, const char *path, FileMode mode, File **ret_file)
{
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL | O_APPEND,
        [FILE_APPEND] = O_RDWR | O_APPEND,
    };
    int descriptor = openat(directory_of(fs), path, flags[mode] | O_CLOEXEC, 0640);

    if (descriptor < 0) {
        return -errno;
    }
    KernelFile *file = NEW(KernelFile);
    file->base.fs = fs;
    file->descriptor = descriptor;
    *ret_file = &file->base;
    return 0;
}

static int kernel_close(File *file)
{
    if (file == NULL) {
        return 0;
    }
    int result = close(descriptor_of(file)) < 0 ? -errno : 0;

    mem_free(file);
    return result;
}

static int kernel_append(File *file, const void *bytes, size_t len)
{
    const uint8_t *next = bytes;

    while (len > 0) {
        ssize_t written = transfer_of(file)->write(descriptor_of(file), next, len);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -errno;
        }
        if (written == 0) {
            return -EIO;
        }
        next += written;
        len -= (size_t)written;
    }
    return 0;
}

static int kernel_read_at(File *file, uint64_t offset, void *bytes, size_t len)
{
    uint8_t *next = bytes;

    if (offset > INT64_MAX - len) {
        return -EIO;
    }
    while (len > 0) {
        ssize_t got = transfer_of(file)->pread(descriptor_of(file), next, len, (off_t)offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            return -EIO;
        }
        next += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static int kernel_sync(File *file)
{
    struct stat status;

    if (fdatasync(descriptor_of(file)) < 0 || fstat(descriptor_of(file), &status) < 0) {
        return -errno;
    }
    return status.st_nlink == 0 ? -ENOENT : 0;
}

static int kernel_truncate(File *file, uint64_t size)
{
    return ftruncate(descriptor_of(file), (off_t)size) < 0 ? -errno : 0;
}

static int kernel_size(File *file, uint64_t *ret_size)
{
    struct stat status;

    if (fstat(descriptor_of(file), &status) < 0) {
        return -errno;
    }
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

static int kernel_rename(FileSystem *fs, const char *from, const char *to)
{
    int directory = directory_of(fs);

    return renameat(directory, from, directory, to) < 0 ? -errno : 0;
}

static int kernel_remove(FileSystem *fs, const char *path)
{
    return unlinkat(directory_of(fs), path, 0) < 0 ? -errno : 0;
}

static int kernel_make_directory(FileSystem *fs, const char *path)
{
    return mkdirat(directory_of(fs), path, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

/* Opens the directory @path; the empty path and "." are the file system's own. */
static int open_directory_at(FileSystem *fs, const char *path, int *ret_descriptor)
{
    int descriptor =
        openat(directory_of(fs), path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0) {
        return -errno;
    }
    *ret_descriptor = descriptor;
    return 0;
}

static int kernel_sync_directory(FileSystem *fs, const char *path)
{
    int descriptor = -1;

    TRY(open_directory_at(fs, path, &descriptor));
    int result = fsync(descriptor) < 0 ? -errno : 0;
    close(descriptor);
    return result;
}

/* Some file systems do not fill d_type; those entries are asked one by one. */
static bool entry_is_file(DIR *directory, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_REG;
    }
    return fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode);
}

static int list_entries(DIR *directory, int (*visit)(void *context, const char *name),
                        void *context)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            return -errno;
        }
        if (!entry_is_file(directory, entry)) {
            continue;
        }
        TRY(visit(context, entry->d_name));
    }
}

static int kernel_list(FileSystem *fs, const char *path,
                       int (*visit)(void *context, const char *name), void *context)
{
    int descriptor = -1;

    TRY(open_directory_at(fs, path, &descriptor));
    DIR *directory = fdopendir(descriptor);
    if (directory == NULL) {
        int result = -errno;
        close(descriptor);
        return result;
    }
    int result = list_entries(directory, visit, context);
    closedir(directory);
    return result;
}

static int kernel_free_bytes(FileSystem *fs, uint64_t *ret_free, uint64_t *ret_total)
{
    struct statvfs status;

    if (fstatvfs(directory_of(fs), &status) < 0) {
        return -errno;
    }
    *ret_free = (uint64_t)status.f_bavail * status.f_frsize;
    *ret_total = (uint64_t)status.f_blocks * status.f_frsize;
    return 0;
}

/* flock and not fcntl: its lock belongs to the open file, so a second store in the same process is
 * refused too, and the kernel drops it when the process dies in whatever way. */
static int kernel_lock(FileSystem *fs)
{
    KernelFileSystem *kernel = (KernelFileSystem *)fs;

    if (kernel->lock >= 0) {
        return -EBUSY;
    }
    int descriptor = openat(kernel->directory, lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0) {
        return -errno;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) < 0) {
        int result = errno == EWOULDBLOCK ? -EBUSY : -errno;
        close(descriptor);
        return result;
    }
    kernel->lock = descriptor;
    return 0;
}

static void kernel_free(FileSystem *fs)
{
    if (fs == NULL) {
        return;
    }
    KernelFileSystem *kernel = (KernelFileSystem *)fs;

    if (kernel->lock >= 0) {
        close(kernel->lock);
    }
    close(kernel->directory);
    mem_free(kernel);
}

static const FileSystemOps kernel_ops = {
    .open = kernel_open,
    .close = kernel_close,
    .append = kernel_append,
    .read_at = kernel_read_at,
    .sync = kernel_sync,
    .truncate = kernel_truncate,
    .size = kernel_size,
    .rename = kernel_rename,
    .remove = kernel_remove,
    .make_directory = kernel_make_directory,
    .sync_directory = kernel_sync_directory,
    .list = kernel_list,
    .free_bytes = kernel_free_bytes,
    .lock = kernel_lock,
    .free = kernel_free,
};

/* Makes @directory and its parents, as `mkdir -p`. */
static int make_directories(const char *directory)
{
    CLEANUP(buf_deinit) Buf path = {0};
    Str whole = str_from_cstr(directory);

    for (size_t at = 0; at < whole.len;) {
        size_t end = str_find_byte(whole, '/', at);

        buf_append_str(&path, str_slice(whole, at, end));
        if (end > at && mkdir(buf_cstr(&path), 0750) < 0 && errno != EEXIST && errno != EISDIR) {
            return -errno;
        }
        buf_append_byte(&path, '/');
        at = end + 1;
    }
    return 0;
}

int fs_open_directory(const char *directory, FileSystem **ret_fs)
{
    if (directory[0] == '\0') {
        return -ENOENT;
    }
    TRY(make_directories(directory));
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return -errno;
    }
    KernelFileSystem *fs = NEW(KernelFileSystem);
    fs->base.ops = &kernel_ops;
    fs->transfer = (FsTransfer){.write = write, .pread = pread};
    fs->directory = descriptor;
    fs->lock = -1;
    *ret_fs = &fs->base;
    return 0;
}

void fs_use_transfer(FileSystem *fs, FsTransfer transfer)
{
    ASSERT(fs->ops == &kernel_ops);
    ((KernelFileSystem *)fs)->transfer = transfer;
}

static int read_whole(File *file, size_t limit, Buf *buf)
{
    const FileSystemOps *ops = file->fs->ops;
    size_t before = buf->len;
    uint64_t size;

    TRY(ops->size(file, &size));
    if (size > limit) {
        return -EFBIG;
    }
    int result = ops->read_at(file, 0, buf_grow(buf, size), size);
    if (result != 0) {
        buf->len = before;
    }
    return result;
}

int fs_read_file(FileSystem *fs, const char *path, size_t limit, Buf *buf)
{
    File *file;

    TRY(fs->ops->open(fs, path, FILE_READ, &file));
    int result = read_whole(file, limit, buf);
    fs->ops->close(file);
    return result;
}

static int write_new_file(FileSystem *fs, const char *path, Str content)
{
    File *file;
    int result = fs->ops->open(fs, path, FILE_CREATE, &file);

    if (result == -EEXIST) { /* left by a crash */
        TRY(fs->ops->remove(fs, path));
        result = fs->ops->open(fs, path, FILE_CREATE, &file);
    }
    if (result != 0) {
        return result;
    }
    result = fs->ops->append(file, content.ptr, content.len);
    if (result == 0) {
        result = fs->ops->sync(file);
    }
    int closed = fs->ops->close(file);
    return result != 0 ? result : closed;
}

int fs_replace_file(FileSystem *fs, const char *path, Str content)
{
    CLEANUP(buf_deinit) Buf temporary = {0};
    CLEANUP(buf_deinit) Buf parent = {0};
    const char *slash = strrchr(path, '/');

    buf_append_format(&temporary, "%s.tmp", path);
    if (slash != NULL) {
        buf_append(&parent, path, (size_t)(slash - path));
    }
    int result = write_new_file(fs, buf_cstr(&temporary), content);
    if (result == 0) {
        result = fs->ops->rename(fs, buf_cstr(&temporary), path);
    }
    if (result != 0) {
        (void)fs->ops->remove(fs, buf_cstr(&temporary)); /* best effort: a leftover is harmless */
        return result;
    }
    return fs->ops->sync_directory(fs, buf_cstr(&parent));
}
