// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block/distinct.h"

/* Appends the `summaries` section (docs/format/block.md): what completion shows of each key that
 * has a column. Read by block_value_summary(). */
void block_summaries_append(Buf *buf, const BlockKeyValues *keys, size_t n_keys);
