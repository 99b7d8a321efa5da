// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "map/flow/run_file.h"
#include "map/flow/runs.h"

/* Internal to runs*.c. */
enum { RUNS_FROZEN_MAX = 64 };

struct Runs {
    pthread_rwlock_t lock; /* current, frozen, files */
    RunBatch *current;
    RunBatch *frozen[RUNS_FROZEN_MAX]; /* cut, not committed; owned by who cut them */
    size_t n_frozen;
    RunFile **files;
    size_t n_files, files_capacity;

    SubjectChanges *staged; /* the applier's; what they point to is the caller's arena */
    size_t n_staged, staged_capacity;
};

void runs_lock(Runs *runs);
void runs_share(Runs *runs);
void runs_unlock(Runs *runs);

/* All changes of a subject, reduced, in the arena. Not under the lock. Sets @incomplete when a
 * damaged file may have had more. Returns 0 or -errno. */
MUST_USE int runs_gather(Runs *runs, SubjectKey key, const Subject *subject, Arena *arena,
                         SubjectChanges *ret_changes, bool *incomplete);
