// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "store/parquet/file.h"

/* Least and greatest values: of row groups from the footer, of pages from the column index. What is
 * not as it should be is no range; only our own checksum that does not fit is damage. */

static bool is_nan_bits(int64_t bits)
{
    double value;

    mem_copy(&value, &bits, sizeof(value));
    return isnan(value);
}

static bool take_bounds(ParquetType type, const MetaStatistics *statistics, ParquetRange *range)
{
    size_t size = type == PARQUET_INT32 ? 4 : 8;
    uint32_t low, high;

    if ((type != PARQUET_INT32 && type != PARQUET_INT64 && type != PARQUET_DOUBLE) ||
        statistics->min.len != size || statistics->max.len != size) {
        return false;
    }
    if (type == PARQUET_INT32) {
        mem_copy(&low, statistics->min.ptr, sizeof(low));
        mem_copy(&high, statistics->max.ptr, sizeof(high));
        range->least = (int32_t)low;
        range->greatest = (int32_t)high;
    } else {
        mem_copy(&range->least, statistics->min.ptr, sizeof(range->least));
        mem_copy(&range->greatest, statistics->max.ptr, sizeof(range->greatest));
    }
    range->has_values = true;
    return type != PARQUET_DOUBLE || (!is_nan_bits(range->least) && !is_nan_bits(range->greatest));
}

/* Footers of ours are checksummed; what others say of NaNs is not known. */
static bool is_ours(const ParquetFile *file)
{
    Str unused;

    return parquet_metadata(file, STR("weft.footer"), &unused);
}

bool parquet_group_range(const ParquetFile *file, size_t column, size_t group,
                         ParquetRange *ret_range)
{
    const MetaChunk *chunk = chunk_of(file, column, group);
    ParquetRange range = {.from = file->group_rows[group], .to = file->group_rows[group + 1]};

    if (!is_ours(file)) {
        return false;
    }
    if (!parquet_is_null_column(file, column, group) &&
        !take_bounds(file->columns[column].description.type, &chunk->statistics, &range)) {
        return false;
    }
    *ret_range = range;
    return true;
}

static int load_index(ParquetFile *file, const MetaChunk *chunk, Arena *arena,
                      MetaStatistics **ret_pages, size_t *ret_n, ParseError *error)
{
    Str bytes;

    *ret_n = 0;
    if (chunk->column_index <= 0 || chunk->column_index_size <= 0) {
        return 0;
    }
    TRY(parquet_load(&file->source, (uint64_t)chunk->column_index,
                     (uint64_t)chunk->column_index_size, arena, &bytes, error));
    int r = meta_parse_column_index(bytes, arena, ret_pages, ret_n, error);
    error->offset += r == 0 ? 0 : (size_t)chunk->column_index;
    return r;
}

int parquet_page_ranges(ParquetFile *file, size_t column, size_t group, Arena *arena,
                        ParquetRange **ret_pages, size_t *ret_n, ParseError *ret_error)
{
    const MetaChunk *chunk = chunk_of(file, column, group);
    size_t first = file->group_rows[group], end = file->group_rows[group + 1];
    ParquetType type = file->columns[column].description.type;
    ParquetSlots slots = {.source = &file->source,
                          .leaf = &file->columns[column].leaf,
                          .arena = arena,
                          .error = ret_error};
    MetaStatistics *statistics;
    MetaLocation *places;
    size_t n, n_places;

    *ret_n = 0;
    TRY(load_index(file, chunk, arena, &statistics, &n, ret_error));
    if (n == 0) {
        return 0;
    }
    TRY(parquet_load_pages(&slots, chunk, &places, &n_places));
    ParquetRange *pages = ARENA_ARRAY(arena, ParquetRange, n);
    for (size_t i = 0; i < n && n == n_places; i++) {
        int64_t next = i + 1 < n ? places[i + 1].first_row : (int64_t)(end - first);

        if (places[i].first_row < 0 || next <= places[i].first_row ||
            next > (int64_t)(end - first)) {
            return 0;
        }
        pages[i].from = first + (size_t)places[i].first_row;
        pages[i].to = first + (size_t)next;
        if (statistics[i].min.len != 0 && !take_bounds(type, &statistics[i], &pages[i])) {
            return 0;
        }
    }
    *ret_pages = pages;
    *ret_n = n == n_places && pages[0].from == first ? n : 0;
    return 0;
}
