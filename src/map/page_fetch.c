// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "map/map_file.h"
#include "map/page_load.h"

/* Reading an hour's file takes some milliseconds at 2,000 edges, putting its rows into memory less
 * than one: so the first is done before the lock is taken. A row takes much more here than in its
 * file, so both are bounded: the load reads what is left out some rows at a time, with the lock. */

void page_fetch_deinit(PageFetch *fetch)
{
    for (size_t i = 0; i < fetch->n_files; i++) {
        table_file_unref(fetch->files[i].file);
        map_rows_deinit(&fetch->files[i].rows);
    }
    mem_free(fetch->files);
    mem_free(fetch->days);
    arena_deinit(&fetch->arena);
    *fetch = (PageFetch){0};
}

/* The last ones first: neighbours have the same cut and sparse files. */
static FetchedFile *find(const PageFetch *fetch, const TableFile *file)
{
    for (size_t i = fetch->n_files; i > 0; i--) {
        if (fetch->files[i - 1].file == file) {
            return &fetch->files[i - 1];
        }
    }
    return NULL;
}

const FetchedFile *page_fetch_find(const PageFetch *fetch, const TableFile *file, bool minutes)
{
    const FetchedFile *found = fetch == NULL ? NULL : find(fetch, file);

    return found != NULL && !found->is_left && (found->minutes || !minutes) ? found : NULL;
}

static void add_file(PageFetch *fetch, TableFile *file, bool minutes)
{
    FetchedFile *found = file == NULL ? NULL : find(fetch, file);

    if (found != NULL) {
        found->minutes |= minutes;
    } else if (file != NULL && fetch->bytes + file->bytes <= PAGE_FETCH_BYTES_MAX) {
        ARRAY_RESERVE(fetch->files, fetch->n_files, fetch->capacity);
        fetch->files[fetch->n_files++] =
            (FetchedFile){.file = table_file_ref(file), .minutes = minutes};
        fetch->bytes += file->bytes;
    }
}

void page_fetch_add(PageFetch *fetch, const Pages *pages, uint32_t hour, uint32_t n, bool minutes)
{
    TableFile *day = n == HOURS_PER_DAY ? pages_day_file(pages, hour / HOURS_PER_DAY) : NULL;
    const PageSparse *sparse = pages_sparse(pages, hour);

    add_file(fetch, day, false);
    for (uint32_t i = 0; i < n && day == NULL; i++) {
        add_file(fetch, pages_hour_file(pages, hour + i), minutes);
    }
    if (sparse != NULL && page_hours_touch(&sparse->hours, hour, hour + n)) {
        add_file(fetch, sparse->file, true);
    }
    for (size_t i = 0; i < pages->n_cuts; i++) {
        if (page_hours_touch(&pages->cuts[i].hours, hour, hour + n)) {
            add_file(fetch, pages->cuts[i].file, false);
        }
    }
}

static int read_file(PageFetch *fetch, FetchedFile *file)
{
    CLEANUP(buf_deinit) Buf content = {0};
    ParseError error;
    size_t n_rows;

    TRY(table_file_read(file->file, &content));
    TRY(map_file_rows(buf_str(&content), &n_rows, &error));
    file->is_left = n_rows > PAGE_FETCH_ROWS_MAX - fetch->n_rows;
    if (file->is_left) {
        return 0;
    }
    fetch->n_rows += n_rows;
    int result =
        map_file_read(buf_str(&content), file->minutes, &fetch->arena, &file->rows, &error);
    if (result != 0) {
        map_rows_deinit(&file->rows); /* the last of them is half a row */
    }
    return result;
}

void page_fetch_read(PageFetch *fetch)
{
    for (size_t i = 0; i < fetch->n_files; i++) {
        fetch->files[i].result = read_file(fetch, &fetch->files[i]);
    }
}
