// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/manifest.h"
#include "store/store.h"

/* rebuild.c: makes store->manifest anew in place of a damaged one. Returns 0 or -errno. */
MUST_USE int recover_rebuild_manifest(Store *store);

/* Moves a block or table to damaged/. */
void recover_set_aside(Store *store, bool is_block, uint64_t number);

/* Remembers, for later starts too, that a block of the manifest is lost. */
void recover_note_lost(Store *store, const ManifestFile *block);

/* Brings the empty @store to where the directory says: takes the lock, reads the manifest, opens
 * blocks and tables, removes what no manifest names, replays the log, starts log and writer.
 * Returns 0, or -errno with a sentence on what to do in @ret_why (static). */
MUST_USE int recover(Store *store, const char **ret_why);
