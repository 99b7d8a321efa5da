// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "store/block/distinct.h"

/*
 * The `summaries` section (docs/format/block.md) while a block is built: what completion shows of
 * each key that has a column. Of one row group it is exact; over several ones a key's most frequent
 * BLOCK_VALUES_KEPT values are kept from group to group, and distinct values beyond are estimated.
 * `{0}` is empty. Read by block_value_summary().
 */
enum { BLOCK_VALUES_KEPT = 256 };

/* The flags in the section. */
enum { SUMMARY_COMPLETE = 1, SUMMARY_INTEGERS = 2, SUMMARY_DOUBLES = 4, SUMMARY_ALL = 7 };

typedef struct BlockSummaries {
    Table keys;
} BlockSummaries;

/* Adds a row group: its keys by block_keys_collect(). @is_all: there is no other. */
void block_summaries_add(BlockSummaries *summaries, const BlockKeyValues *keys, size_t n_keys,
                         bool is_all);

/* Appends the section, of the keys of the last group, which are those of all. */
void block_summaries_append(const BlockSummaries *summaries, const BlockKeyValues *keys,
                            size_t n_keys, Buf *buf);
void block_summaries_deinit(BlockSummaries *summaries);
