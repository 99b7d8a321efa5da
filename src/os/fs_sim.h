// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"

/*
 * For tests: a file system in memory that behaves as badly as a real one may. Content that was not
 * synced may be lost or torn by a power cut, names that were not made durable by sync_directory
 * too, and what survives of it need not be the front part: sectors reach the disk in any order. The
 * disk runs full in the middle of a write; any call can be made to fail. What happens is
 * decided by the seed alone. Thread-safe.
 */
typedef struct FsSim FsSim;

FsSim *fs_sim_new(uint64_t seed);
FsSim *fs_sim_free(FsSim *sim);

/* The FileSystem to hand to the program under test; freed with the FsSim, ops->free does nothing.
 */
FileSystem *fs_sim_fs(FsSim *sim);

/* Calls so far that change something: append, sync, truncate, create, rename, remove,
 * sync_directory. The unit of the counts below. */
uint64_t fs_sim_calls(FsSim *sim);

/* The power goes off at the @nth changing call from now (0: the next one, which fails, perhaps half
 * done). Every call then fails with -EIO until fs_sim_restart(). */
void fs_sim_power_off_at(FsSim *sim, uint64_t nth);
bool fs_sim_is_off(FsSim *sim);

/* The machine starts again: what was not durable is lost in whole or in part, all locks are free.
 * No File of before may be used except to close it. */
void fs_sim_restart(FsSim *sim);

/* The process was killed, not the machine: everything that was written stays. */
void fs_sim_kill(FsSim *sim);

/* No more than @bytes of content in all files; UINT64_MAX: no limit. */
void fs_sim_set_capacity(FsSim *sim, uint64_t bytes);
uint64_t fs_sim_used(FsSim *sim);

typedef enum FsSimCall {
    FS_SIM_APPEND = 1,
    FS_SIM_SYNC = 2,
    FS_SIM_TRUNCATE = 4,
    FS_SIM_READ = 8
} FsSimCall;

/* Of the calls in the set @calls, the @nth from now (0: the next) and @count - 1 after it fail with
 * @error (> 0). A failed append may have written a part; a failed sync loses what it was to save.
 */
void fs_sim_fail(FsSim *sim, unsigned calls, uint64_t nth, uint64_t count, int error);

/* Inverts one byte of a file. Returns 0 or -ENOENT, -ERANGE. */
MUST_USE int fs_sim_damage(FsSim *sim, const char *path, uint64_t offset);
