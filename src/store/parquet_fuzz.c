// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "store/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGE_MAX = 1 << 20, ROWS_MAX = 1 << 16 };

/* Any bytes as a Parquet file: opened, and every column read whole and in part. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ParquetSource source = {
        .bytes = str_from_bytes(data, size), .page_max = PAGE_MAX, .n_rows_max = ROWS_MAX};
    ParquetFile *file;
    ParseError error;

    if (parquet_open(&source, &file, &error) != 0) {
        return 0;
    }
    for (size_t i = 0; i < parquet_n_columns(file) && i < 64; i++) {
        Arena arena = {0};
        ParquetVector vector;
        size_t n = parquet_n_rows(file), sum = 0;

        if (parquet_read(file, i, 0, n, &arena, &vector, &error) == 0 &&
            vector.type >= PARQUET_BYTES && vector.type <= PARQUET_UUID) {
            for (size_t row = 0; row < n; row++) {
                sum += parquet_str(&vector, row).len;
            }
        }
        if (parquet_read(file, i, n / 3, n - n / 3, &arena, &vector, &error) != 0 || sum == 1) {
            error.offset = 0;
        }
        arena_deinit(&arena);
    }
    parquet_close(file);
    return 0;
}
