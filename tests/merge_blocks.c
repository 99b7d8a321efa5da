// SPDX-License-Identifier: Apache-2.0

/*
 * Merges the blocks of a data directory that nobody uses, for tests/format_data.py: rows into row
 * groups that are smaller than a server's, so that few spans make many:
 *
 *     merge_blocks DIRECTORY SPANS_OF_A_ROW_GROUP
 *
 * The log must be empty (a clean stop): there is no map here that would learn of its spans. Table
 * files stay as they are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/store.h"
#include "wire/otlp.h"

enum { LATER_S = 2 * 86400 }; /* then every window of time is over */

int main(int argc, char **argv)
{
    uint64_t now_ns = clock_realtime_ns(&clock_system) + LATER_S * 1000000000ULL;
    const Clock clock = clock_manual(&now_ns);
    const char *why = "";
    StoreOptions options = {
        .decode = otlp_read_protobuf, .clock = &clock, .retention_age_s = UINT64_MAX};
    StoreStatus status;
    Store *store;

    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY SPANS_OF_A_ROW_GROUP\n", argv[0]);
        return 2;
    }
    options.group_rows = strtoul(argv[2], NULL, 10);
    if (fs_open_directory(argv[1], &options.fs) != 0 || store_open(&options, &store, &why) != 0) {
        fprintf(stderr, "merge_blocks: %s: %s\n", argv[1], why);
        return 1;
    }
    store_compact(store);
    store_status(store, &status);
    printf("%lu blocks, %lu tables\n", status.n_blocks, status.n_tables);
    store_close(store);
    options.fs->ops->free(options.fs);
    return 0;
}
