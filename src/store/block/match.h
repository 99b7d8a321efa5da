// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block/reader.h"

/* Which rows of a block match a filter: the columnar half of block_search() and block_scan(). */
typedef struct BlockMatcher {
    Block *block;
    size_t n_rows, n_words;
    Arena arena;   /* bitmaps and columns */
    Arena scratch; /* one row */
    ParseError *error;
    Span probe;
    Resource resource;
    Scope scope;
    Attribute attribute; /* the one that the probe has */
} BlockMatcher;

void block_matcher_init(BlockMatcher *matcher, Block *block, ParseError *error);
void block_matcher_deinit(BlockMatcher *matcher);

/* A bit per row that matches and starts in from <= start < to; it lives as long as the matcher,
 * bits behind the last row are 0. Returns 0, 1 (damaged: the matcher's error is set) or -errno. */
MUST_USE int block_match_rows(BlockMatcher *matcher, const Filter *filter, uint64_t from_ns,
                              uint64_t to_ns, uint64_t **ret_bitmap);
