// SPDX-License-Identifier: Apache-2.0
#include "map/flow/runs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/flow/run_file.h"
#include "map/flow/runs_private.h"

/*
 * Invariants:
 *   1. The sum of all changes of a subject over current, frozen and files is what its traces'
 *      contributions say now: each member once.
 *   2. Frozen batches are not changed any more: they are sorted when they are cut, so that the
 *      writer and questions only read them.
 *   3. A batch leaves when its file is among the committed ones, under the same lock.
 *
 * A new run is the common case: it is not in the batches, and the files' filters say no.
 */
Runs *runs_new(void)
{
    Runs *runs = NEW(Runs);

    ASSERT(pthread_rwlock_init(&runs->lock, NULL) == 0);
    runs->current = run_batch_new();
    return runs;
}

Runs *runs_free(Runs *runs)
{
    if (runs != NULL) {
        ASSERT(runs->n_frozen == 0);
        run_batch_free(runs->current);
        for (size_t i = 0; i < runs->n_files; i++) {
            run_file_unref(runs->files[i]);
        }
        mem_free(runs->files);
        mem_free(runs->staged);
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

/* ---- one subject ---- */

typedef struct Gathered {
    SubjectChanges changes;
    Arena *arena;
    bool found;
    bool incomplete; /* a damaged file may have had more */
} Gathered;

static Str copy_into(Gathered *to, Str text, bool copies)
{
    return copies ? arena_copy(to->arena, text) : text;
}

/* Adds @from's changes; @copies: what they point to does not outlive the lock. */
static void gather(Gathered *to, const SubjectChanges *from, bool copies)
{
    SubjectChanges *all = &to->changes;
    uint32_t n = all->n + from->n;
    Member *members = NULL;
    EntityLink *links = NULL;

    to->found = true;
    if (all->subject.kind == SUBJECT_RUN) {
        members = ARENA_ARRAY(to->arena, Member, n + 1);
        if (all->n > 0) {
            mem_copy(members, all->members, all->n * sizeof(Member));
        }
    } else {
        links = ARENA_ARRAY(to->arena, EntityLink, n + 1);
        if (all->n > 0) {
            mem_copy(links, all->links, all->n * sizeof(EntityLink));
        }
    }
    for (uint32_t i = 0; i < from->n && members != NULL; i++) {
        Member *member = &members[all->n + i];

        *member = from->members[i];
        member->flow = all->subject.owner;
        member->run_id = all->subject.id;
        member->step = copy_into(to, member->step, copies);
        member->service = copy_into(to, member->service, copies);
    }
    for (uint32_t i = 0; i < from->n && links != NULL; i++) {
        EntityLink *link = &links[all->n + i];

        *link = from->links[i];
        link->type = all->subject.owner;
        link->id = all->subject.id;
        link->flow = copy_into(to, link->flow, copies);
        link->run_id = copy_into(to, link->run_id, copies);
    }
    all->members = members;
    all->links = links;
    all->n = n;
}

static void gather_batch(Gathered *to, const RunBatch *batch, SubjectKey key)
{
    const SubjectChanges *changes = run_batch_find(batch, key);

    if (changes != NULL) {
        gather(to, changes, true);
    }
}

static int gather_file(Gathered *to, RunFile *file, SubjectKey key)
{
    SubjectChanges changes;
    int result = run_file_find(file, key, &to->changes.subject, to->arena, &changes);

    if (result == 0) {
        gather(to, &changes, true);
    }
    to->incomplete |= result == RUN_FILE_DAMAGED;
    return MIN(result, 0);
}

/* Under the shared lock. */
static void gather_batches(Runs *runs, Gathered *to)
{
    gather_batch(to, runs->current, to->changes.key);
    to->found = false;
    for (size_t i = 0; i < runs->n_frozen; i++) {
        gather_batch(to, runs->frozen[i], to->changes.key);
    }
}

static int gather_files(RunFile *const *files, size_t n, Gathered *to)
{
    for (size_t i = 0; i < n; i++) {
        if (run_file_may_have(files[i], to->changes.key)) {
            TRY(gather_file(to, files[i], to->changes.key));
        }
    }
    changes_reduce(&to->changes);
    return 0;
}

/* References to the files that may have the subject, in the arena. Under the shared lock. */
static RunFile **reference_files(Runs *runs, SubjectKey key, Arena *arena, size_t *ret_n)
{
    RunFile **files = ARENA_ARRAY(arena, RunFile *, runs->n_files + 1);
    size_t n = 0;

    for (size_t i = 0; i < runs->n_files; i++) {
        if (run_file_may_have(runs->files[i], key)) {
            files[n++] = run_file_ref(runs->files[i]);
        }
    }
    *ret_n = n;
    return files;
}

/* Files are read without the lock: the applier waits for it. */
int runs_gather(Runs *runs, SubjectKey key, const Subject *subject, Arena *arena,
                SubjectChanges *ret_changes, bool *incomplete)
{
    Gathered all = {.arena = arena, .changes = {.key = key, .subject = *subject}};
    size_t n_files;

    runs_share(runs);
    gather_batches(runs, &all);
    RunFile **files = reference_files(runs, key, arena, &n_files);
    runs_unlock(runs);
    int result = gather_files(files, n_files, &all);
    for (size_t i = 0; i < n_files; i++) {
        run_file_unref(files[i]);
    }
    TRY(result);
    *ret_changes = all.changes;
    *incomplete |= all.incomplete;
    return 0;
}

int runs_read(Runs *runs, Str flow, Str run_id, Arena *arena, RunMembers *ret_run)
{
    const Subject subject = {.kind = SUBJECT_RUN, .owner = flow, .id = run_id};
    SubjectChanges changes;
    RunMembers run = {0};

    TRY(runs_gather(runs, subject_key(&subject), &subject, arena, &changes, &run.incomplete));
    run.items = changes.members;
    run.n = changes.n;
    *ret_run = run;
    return 0;
}

int runs_entity(Runs *runs, Str type, Str id, Arena *arena, EntityLinks *ret_entity)
{
    const Subject subject = {.kind = SUBJECT_ENTITY, .owner = type, .id = id};
    SubjectChanges changes;
    EntityLinks entity = {0};

    TRY(runs_gather(runs, subject_key(&subject), &subject, arena, &changes, &entity.incomplete));
    entity.items = changes.links;
    entity.n = changes.n;
    *ret_entity = entity;
    return 0;
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
    }
    changes_reduce(&changes);
    return changes;
}

/* Appends what the run was, and what it will be. A damaged file must not stop the map: the run then
 * is what can be read of it. An error that passes must: what was added once would stay. */
static int contribute_change(Runs *runs, SubjectChanges *change, Deltas *minus, Deltas *plus)
{
    Gathered after = {.arena = plus->arena, .changes = {.subject = change->subject}};
    Gathered before = {.arena = plus->arena,
                       .changes = {.key = change->key, .subject = change->subject}};

    /* A business object adds nothing to the map, and may have more links than one wants to read. */
    if (change->subject.kind != SUBJECT_RUN) {
        return 0;
    }
    gather_batches(runs, &before);
    TRY(gather_files(runs->files, runs->n_files, &before));
    change->known_before = before.found;
    run_contribute(before.changes.members, before.changes.n, minus);
    gather(&after, &before.changes, false);
    gather(&after, change, false);
    changes_reduce(&after.changes);
    run_contribute(after.changes.members, after.changes.n, plus);
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
        SubjectChanges change = net_changes(&moves->items[i], end - i, plus->arena);
        if (change.n == 0) {
            continue;
        }
        TRY(contribute_change(runs, &change, minus, plus));
        ARRAY_RESERVE(runs->staged, runs->n_staged, runs->staged_capacity);
        runs->staged[runs->n_staged++] = change;
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
    return result;
}

void runs_commit(Runs *runs)
{
    if (runs->n_staged == 0) {
        return;
    }
    runs_lock(runs);
    for (size_t i = 0; i < runs->n_staged; i++) {
        const SubjectChanges *change = &runs->staged[i];
        SubjectChanges *kept = run_batch_subject(runs->current, &change->subject);

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
