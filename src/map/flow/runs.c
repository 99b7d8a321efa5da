// SPDX-License-Identifier: Apache-2.0
#include "map/flow/runs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/flow/runs_private.h"

/*
 * Invariants:
 *   1. The sum of all changes of a subject over current, frozen and files is what its traces'
 *      contributions say now: each member once.
 *   2. Frozen batches are not changed any more: they are sorted when they are cut, so that the
 *      writer and questions only read them.
 *   3. A batch leaves when its file is among the committed ones, under the same lock.
 *   4. A run of more than RUN_MEMBERS_MAX members adds nothing to the map. Which runs are so large
 * is a function of the set; how many members one has is counted, not read.
 */
Runs *runs_new(void)
{
    Runs *runs = NEW(Runs);

    ASSERT(pthread_rwlock_init(&runs->lock, NULL) == 0);
    runs->current = run_batch_new();
    table_init(&runs->left, sizeof(SubjectKey), sizeof(SubjectKey));
    table_init(&runs->large, sizeof(LargeRun), sizeof(SubjectKey));
    return runs;
}

Runs *runs_free(Runs *runs)
{
    if (runs != NULL) {
        runs_forget_late(runs);
        ASSERT(runs->n_frozen == 0);
        run_batch_free(runs->current);
        for (size_t i = 0; i < runs->n_files; i++) {
            run_file_unref(runs->files[i]);
        }
        mem_free(runs->files);
        mem_free(runs->staged);
        table_deinit(&runs->left);
        table_deinit(&runs->large);
        pthread_rwlock_destroy(&runs->lock);
        mem_free(runs);
    }
    return NULL;
}

void runs_lock(Runs *runs)
{
    ASSERT(pthread_rwlock_wrlock(&runs->lock) == 0);
}

void runs_share(Runs *runs)
{
    ASSERT(pthread_rwlock_rdlock(&runs->lock) == 0);
}

void runs_unlock(Runs *runs)
{
    ASSERT(pthread_rwlock_unlock(&runs->lock) == 0);
}

/* ---- changes ---- */

/* A change of a subject, before those that cancel are out. */
typedef struct Moved {
    SubjectKey key;
    const Member *member; /* or */
    const EntityLink *link;
    int32_t sign;
} Moved;

typedef struct Moves {
    Moved *items;
    size_t n;
} Moves;

static Subject subject_of(const Moved *moved)
{
    if (moved->member != NULL) {
        return (Subject){SUBJECT_RUN, moved->member->flow, moved->member->run_id};
    }
    return (Subject){SUBJECT_ENTITY, moved->link->type, moved->link->id};
}

static void take_moves(Moves *moves, const Members *members, int32_t sign)
{
    for (size_t i = 0; i < members->count; i++) {
        Moved *moved = &moves->items[moves->n++];

        *moved = (Moved){.member = &members->items[i], .sign = sign};
        Subject subject = subject_of(moved);
        moved->key = subject_key(&subject);
    }
    for (size_t i = 0; i < members->n_entities; i++) {
        Moved *moved = &moves->items[moves->n++];

        *moved = (Moved){.link = &members->entities[i], .sign = sign};
        Subject subject = subject_of(moved);
        moved->key = subject_key(&subject);
    }
}

static int compare_moves(const void *a, const void *b)
{
    return subject_key_compare(((const Moved *)a)->key, ((const Moved *)b)->key);
}

enum {
    LARGE_RUNS_MAX = 1 << 16, /* remembered; more are found again */
    LEFT_RUNS_MAX = 1 << 20,  /* remembered, 16 bytes each */
    UNREADABLE_TRIES = 3,     /* to read what the disk does not give (EIO), then it is damage */
};

/* The @n moves of one subject as changes, those that cancel out. */
static SubjectChanges net_changes(const Moved *moves, size_t n, Arena *arena)
{
    SubjectChanges changes = {.key = moves[0].key, .subject = subject_of(&moves[0])};

    if (changes.subject.kind == SUBJECT_RUN) {
        changes.members = ARENA_ARRAY(arena, Member, n);
    } else {
        changes.links = ARENA_ARRAY(arena, EntityLink, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (changes.subject.kind == SUBJECT_RUN) {
            changes.members[changes.n] = *moves[i].member;
            changes.members[changes.n++].sign = moves[i].sign;
        } else {
            changes.links[changes.n] = *moves[i].link;
            changes.links[changes.n++].sign = moves[i].sign;
        }
        changes.net += moves[i].sign;
    }
    changes_reduce(&changes);
    return changes;
}

/* What the run was cannot be found out: it stays on the map as it is, for good, as the map then has
 * not what it will be. A damaged file must not stop the map; an error that may pass puts it off. */
static int stage_left(const Runs *runs, StagedChange *staged, const Gathered *before)
{
    if (before->unreadable && runs->n_unreadable + 1 < UNREADABLE_TRIES) {
        return -EIO;
    }
    staged->changes.known_before = true;
    staged->is_left = true;
    return 0;
}

/* Appends what the run was, and what it will be, or marks it as too large: then it is nothing. */
static int stage_run(Runs *runs, StagedChange *staged, Deltas *minus, Deltas *plus)
{
    SubjectChanges *change = &staged->changes;
    const LargeRun *large = table_find(&runs->large, &change->key);
    Gathered before = {.arena = plus->arena,
                       .limit = RUN_MEMBERS_MAX,
                       .changes = {.key = change->key, .subject = change->subject}};
    Gathered after = before;

    if (large == NULL) {
        gather_batches(runs, &before);
        TRY(gather_files(runs->files, runs->n_files, false, &before));
        change->known_before = before.found;
    }
    if (before.is_damaged || table_find(&runs->left, &change->key) != NULL) {
        return stage_left(runs, staged, &before);
    }
    bool counted = large != NULL || before.gross > RUN_MEMBERS_MAX;
    int64_t count = large != NULL ? large->count : before.count;
    if (counted && count > RUN_MEMBERS_MAX && count + change->net > RUN_MEMBERS_MAX) {
        change->known_before = true;
        staged->is_large = true;
        staged->count = count + change->net;
        return 0;
    }
    if (counted) { /* at the limit: all of it, whatever it takes */
        before = after;
        before.limit = UINT32_MAX;
        gather_batches(runs, &before);
        TRY(gather_files(runs->files, runs->n_files, true, &before));
        change->known_before = before.found;
        if (before.is_damaged) {
            return stage_left(runs, staged, &before);
        }
    }
    gather_add(&after, &before.changes, before.changes.n, false);
    gather_add(&after, change, change->n, false);
    changes_reduce(&after.changes);
    changes_drop_taken(&after.changes);
    changes_drop_taken(&before.changes);
    if (before.changes.n <= RUN_MEMBERS_MAX) {
        run_contribute(before.changes.members, before.changes.n, minus);
    }
    staged->count = after.changes.n;
    staged->is_large = after.changes.n > RUN_MEMBERS_MAX;
    if (!staged->is_large) {
        run_contribute(after.changes.members, after.changes.n, plus);
    }
    return 0;
}

static int stage(Runs *runs, const Moves *moves, Deltas *minus, Deltas *plus)
{
    for (size_t i = 0, end; i < moves->n; i = end) {
        end = i + 1;
        while (end < moves->n &&
               subject_key_compare(moves->items[i].key, moves->items[end].key) == 0) {
            end++;
        }
        StagedChange staged = {.changes = net_changes(&moves->items[i], end - i, plus->arena)};
        if (staged.changes.n == 0) {
            continue;
        }
        /* A business object adds nothing to the map, and may have more links than one wants to
         * read. */
        if (staged.changes.subject.kind == SUBJECT_RUN) {
            TRY(stage_run(runs, &staged, minus, plus));
        }
        ARRAY_RESERVE(runs->staged, runs->n_staged, runs->staged_capacity);
        runs->staged[runs->n_staged++] = staged;
    }
    return 0;
}

int runs_prepare(Runs *runs, const Members *minus, const Members *plus, Deltas *ret_minus,
                 Deltas *ret_plus)
{
    size_t n = minus->count + plus->count + minus->n_entities + plus->n_entities;
    Moves moves = {.items = ARENA_ARRAY(ret_plus->arena, Moved, n + 1)};

    runs->n_staged = 0;
    if (n == 0) {
        return 0;
    }
    take_moves(&moves, minus, -1);
    take_moves(&moves, plus, 1);
    qsort(moves.items, moves.n, sizeof(Moved), compare_moves);
    runs_share(runs);
    int result = stage(runs, &moves, ret_minus, ret_plus);
    runs_unlock(runs);
    runs->n_unreadable = result == -EIO ? runs->n_unreadable + 1 : 0;
    return result;
}

/* Large runs are remembered, so that not all files are asked about them with each trace. */
static void note_large(Runs *runs, const StagedChange *staged)
{
    LargeRun *large = table_find(&runs->large, &staged->changes.key);

    if (!staged->is_large) {
        if (large != NULL) {
            table_remove(&runs->large, large);
        }
        return;
    }
    if (large == NULL) {
        if (runs->large.n_records >= LARGE_RUNS_MAX) {
            table_clear(&runs->large);
        }
        log_warn("a run has too many spans: the map leaves it out",
                 LOG_STR("run_id", staged->changes.subject.id), LOG_U64("limit", RUN_MEMBERS_MAX));
        large = table_put(&runs->large, &staged->changes.key, NULL);
    }
    large->count = staged->count;
}

static void note_left(Runs *runs, const StagedChange *staged)
{
    if (!staged->is_left) {
        return;
    }
    if (runs->left.n_records >= LEFT_RUNS_MAX) {
        table_clear(&runs->left);
    }
    (void)table_put(&runs->left, &staged->changes.key, NULL);
    runs->n_left++;
}

void runs_commit(Runs *runs)
{
    if (runs->n_staged == 0) {
        return;
    }
    runs_lock(runs);
    for (size_t i = 0; i < runs->n_staged; i++) {
        const SubjectChanges *change = &runs->staged[i].changes;
        SubjectChanges *kept = run_batch_subject(runs->current, change->key, &change->subject);

        note_large(runs, &runs->staged[i]);
        note_left(runs, &runs->staged[i]);
        kept->known_before |= change->known_before;
        for (uint32_t k = 0; k < change->n; k++) {
            if (change->subject.kind == SUBJECT_RUN) {
                run_batch_add_member(runs->current, kept, &change->members[k]);
            } else {
                run_batch_add_link(runs->current, kept, &change->links[k]);
            }
        }
    }
    runs_unlock(runs);
    runs->n_staged = 0;
}
