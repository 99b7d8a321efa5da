// SPDX-License-Identifier: Apache-2.0
#include "store/table_file.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/manifest.h"

/* A length that the manifest tells is no reason to take the memory. */
enum { TABLE_READ_MAX = 1 << 30 };

bool table_family_is_word(Str family)
{
    for (size_t i = 0; i < family.len; i++) {
        char c = family.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '_') {
            return false;
        }
    }
    return family.len > 0 && family.len <= TABLE_FAMILY_MAX;
}

TableInfo table_info(const char *family)
{
    Str word = str_from_cstr(family);
    TableInfo info = {.to_minute = UINT32_MAX};

    ASSERT(table_family_is_word(word));
    mem_copy(info.family, word.ptr, word.len);
    return info;
}

bool table_info_is(const TableInfo *info, const char *family)
{
    return str_equal(str_from_cstr(info->family), str_from_cstr(family));
}

TableFile *table_file_new(FileSystem *fs, uint64_t number, uint64_t bytes, const TableInfo *info)
{
    TableFile *file = NEW(TableFile);

    atomic_init(&file->refs, 1);
    file->fs = fs;
    file->number = number;
    file->bytes = bytes;
    file->info = *info;
    return file;
}

TableFile *table_file_ref(TableFile *file)
{
    ASSERT(atomic_fetch_add(&file->refs, 1) > 0);
    return file;
}

TableFile *table_file_unref(TableFile *file)
{
    char path[MANIFEST_PATH_MAX];

    if (file == NULL || atomic_fetch_sub(&file->refs, 1) > 1) {
        return NULL;
    }
    if (atomic_load(&file->retired)) {
        manifest_table_path(file->number, path);
        int result = file->fs->ops->remove(file->fs, path);
        if (result != 0) { /* the next start tries again */
            log_warn("store: retired table stays", LOG_CSTR("file", path), LOG_ERR(result));
        }
    }
    mem_free(file);
    return NULL;
}

int table_file_read(const TableFile *file, Buf *buf)
{
    char path[MANIFEST_PATH_MAX];

    manifest_table_path(file->number, path);
    return fs_read_file(file->fs, path, TABLE_READ_MAX, buf);
}

int table_file_open(const TableFile *file, File **ret_file)
{
    char path[MANIFEST_PATH_MAX];

    manifest_table_path(file->number, path);
    return file->fs->ops->open(file->fs, path, FILE_READ, ret_file);
}
