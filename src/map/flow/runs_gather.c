// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "map/flow/runs_private.h"

/*
 * All changes of one subject. A new run is the common case: it is not in the batches, and the
 * files' filters say no.
 *
 * One that may be too large is counted first, by what rows and batches tell of themselves, so that
 * no more than RUN_MEMBERS_MAX changes of it are ever in memory together.
 */
typedef struct Located {
    RunFile *file;
    size_t from, to;
} Located;

static Str copy_into(Gathered *to, Str text, bool copies)
{
    return copies ? arena_copy(to->arena, text) : text;
}

static void *grow(Arena *arena, const void *old, uint32_t n, uint32_t capacity, size_t size)
{
    void *items = arena_alloc(arena, capacity * size);

    if (n > 0) {
        mem_copy(items, old, n * size);
    }
    return items;
}

static void make_room(Gathered *to, uint32_t n)
{
    SubjectChanges *all = &to->changes;

    if (all->n + n <= all->capacity) {
        return;
    }
    all->capacity = MAX(all->n + n, 2 * all->capacity);
    if (all->subject.kind == SUBJECT_RUN) {
        all->members = grow(to->arena, all->members, all->n, all->capacity, sizeof(Member));
    } else {
        all->links = grow(to->arena, all->links, all->n, all->capacity, sizeof(EntityLink));
    }
}

void gather_add(Gathered *to, const SubjectChanges *from, uint32_t n, bool copies)
{
    SubjectChanges *all = &to->changes;

    ASSERT(n <= from->n);
    make_room(to, n);
    for (uint32_t i = 0; i < n && all->subject.kind == SUBJECT_RUN; i++) {
        Member *member = &all->members[all->n + i];

        *member = from->members[i];
        member->flow = all->subject.owner;
        member->run_id = all->subject.id;
        member->step = copy_into(to, member->step, copies);
        member->service = copy_into(to, member->service, copies);
    }
    for (uint32_t i = 0; i < n && all->subject.kind == SUBJECT_ENTITY; i++) {
        EntityLink *link = &all->links[all->n + i];

        *link = from->links[i];
        link->type = all->subject.owner;
        link->id = all->subject.id;
        link->flow = copy_into(to, link->flow, copies);
        link->run_id = copy_into(to, link->run_id, copies);
    }
    all->n += n;
}

/* ---- memory ---- */

static uint32_t room_left(const Gathered *to)
{
    return to->changes.n >= to->limit ? 0 : to->limit - to->changes.n;
}

static void gather_batch(Gathered *to, const RunBatch *batch)
{
    const SubjectChanges *changes = run_batch_find(batch, to->changes.key);

    if (changes != NULL) {
        uint32_t n = MIN(changes->n, room_left(to));

        to->count += changes->net;
        to->gross += changes->n;
        to->incomplete |= n < changes->n;
        gather_add(to, changes, n, true);
    }
}

void gather_batches(Runs *runs, Gathered *to)
{
    gather_batch(to, runs->current);
    for (size_t i = 0; i < runs->n_frozen; i++) {
        uint64_t before = to->gross;

        gather_batch(to, runs->frozen[i]);
        to->found |= to->gross > before;
    }
}

/* ---- files ---- */

static void note_damage(Gathered *to, int result)
{
    to->unreadable |= result == RUN_FILE_UNREADABLE;
    to->is_damaged |= result >= RUN_FILE_DAMAGED;
    to->incomplete |= to->is_damaged;
}

static int locate(Gathered *to, RunFile *const *files, size_t n_files, Located *located, size_t *n)
{
    for (size_t i = 0; i < n_files; i++) { /* each filter is a cache line that is far away */
        run_file_prefetch(files[i], to->changes.key);
    }
    for (size_t i = 0; i < n_files; i++) {
        Located *at = &located[*n];
        int result = RUN_FILE_NONE;

        if (run_file_may_have(files[i], to->changes.key)) {
            at->file = files[i];
            result =
                run_file_find(files[i], to->changes.key, &to->changes.subject, &at->from, &at->to);
        }
        note_damage(to, result);
        TRY(MIN(result, 0));
        if (result == 0) {
            to->gross += (at->to - at->from) * RUN_ROW_CHANGES;
            (*n)++;
        }
    }
    to->found |= *n > 0;
    return 0;
}

static int count_rows(Gathered *to, const Located *at)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunFileChunk chunk;
    RunFileRow row;
    int result = run_file_read(at->file, at->from, at->to, false, &arena, &chunk);

    for (size_t i = 0; result == 0 && i < chunk.n; i++) {
        result = run_file_row(&chunk, i, &row);
        to->count += result == 0 ? row.count : 0;
    }
    note_damage(to, result);
    return MIN(result, 0);
}

/* The rows one by one, until there is enough of what is too large. */
static int read_rows(Gathered *to, const Located *at)
{
    int result = 0;

    for (size_t i = at->from; i < at->to && result == 0; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        SubjectChanges changes;
        RunFileChunk chunk;
        RunFileRow row;

        if (to->is_large && room_left(to) == 0) {
            return 0;
        }
        result = run_file_read(at->file, i, i + 1, true, &arena, &chunk);
        result = result != 0 ? result : run_file_row(&chunk, 0, &row);
        result = result != 0 ? result : run_file_changes(at->file, &row, &arena, &changes);
        if (result == 0) {
            gather_add(to, &changes, to->is_large ? MIN(changes.n, room_left(to)) : changes.n,
                       true);
        }
    }
    note_damage(to, result);
    return MIN(result, 0);
}

int gather_files(RunFile *const *files, size_t n_files, bool reads_large, Gathered *to)
{
    Located *located = ARENA_ARRAY(to->arena, Located, n_files + 1);
    size_t n = 0;

    TRY(locate(to, files, n_files, located, &n));
    for (size_t i = 0; i < n && to->gross > to->limit; i++) {
        TRY(count_rows(to, &located[i]));
    }
    to->is_large = to->gross > to->limit && to->count > to->limit;
    to->incomplete |= to->is_large;
    for (size_t i = 0; i < n && (reads_large || !to->is_large); i++) {
        TRY(read_rows(to, &located[i]));
    }
    changes_reduce(&to->changes);
    return 0;
}

/* ---- questions ---- */

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
static int gather_once(Runs *runs, Gathered *all)
{
    size_t n_files;

    runs_share(runs);
    gather_batches(runs, all);
    RunFile **files = reference_files(runs, all->changes.key, all->arena, &n_files);
    runs_unlock(runs);
    int result = gather_files(files, n_files, true, all);
    for (size_t i = 0; i < n_files; i++) {
        run_file_unref(files[i]);
    }
    return result;
}

int runs_gather(Runs *runs, const Subject *subject, Arena *arena, Gathered *ret_all)
{
    const Gathered none = {.arena = arena,
                           .limit = RUN_MEMBERS_MAX,
                           .changes = {.key = subject_key(subject), .subject = *subject}};

    *ret_all = none;
    TRY(gather_once(runs, ret_all));
    if (ret_all->gross > RUN_MEMBERS_MAX &&
        !ret_all->is_large) { /* much was taken back: all of it */
        *ret_all = none;
        ret_all->limit = UINT32_MAX;
        TRY(gather_once(runs, ret_all));
    }
    changes_drop_taken(&ret_all->changes);
    return 0;
}

int runs_read(Runs *runs, Str flow, Str run_id, Arena *arena, RunMembers *ret_run)
{
    const Subject subject = {.kind = SUBJECT_RUN, .owner = flow, .id = run_id};
    Gathered all;

    TRY(runs_gather(runs, &subject, arena, &all));
    *ret_run = (RunMembers){all.changes.members, all.changes.n, all.incomplete};
    return 0;
}

int runs_entity(Runs *runs, Str type, Str id, Arena *arena, EntityLinks *ret_entity)
{
    const Subject subject = {.kind = SUBJECT_ENTITY, .owner = type, .id = id};
    Gathered all;

    TRY(runs_gather(runs, &subject, arena, &all));
    *ret_entity = (EntityLinks){all.changes.links, all.changes.n, all.incomplete};
    return 0;
}
