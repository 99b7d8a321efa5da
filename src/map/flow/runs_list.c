// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/hash.h"
#include "map/flow/runs_private.h"

/*
 * From the newest file on, by the end of their periods: a run's first step lies in the period of a
 * file that has it, so when the page is full of runs that began behind all other files' periods,
 * these need not be looked at.
 *
 * A row tells of a run as far as its file knows. Nearly all runs are in one file, and their rows
 * are the truth. One that others have too ("spread", which the later files tell in a list of their
 * own) began no later than any of its rows says; so a row behind the page or outside the window is
 * left alone, as the one that tells the truth will be seen itself. Only where something is taken
 * back rows say nothing: files list these, and they are put together first. What is spread and may
 * be on the page is doubtful: it is asked for in the order of its row, until the page is full of
 * others; if an older file has it, it is that file's.
 *
 * The lock is held for a look at the batches in memory, whose runs all count as spread; files are
 * immutable and kept by references.
 */
#define MINUTE_NS UINT64_C(60000000000)

enum { DOUBTFUL_MAX = 1 << 14 }; /* looked into before more are collected */

typedef struct Candidate {
    SubjectKey key;
    Subject run; /* in the arena of the listing */
    RunSummary summary;
} Candidate;

/* A run that others may have too; at best it began when said. */
typedef struct Doubtful {
    SubjectKey key;
    Subject run; /* in the arena of the doubts */
    uint64_t best_ns;
} Doubtful;

typedef struct Listing {
    Runs *runs;
    const RunsQuestion *question;
    Arena *arena;
    Candidate *items; /* the best limit + 1 so far: a heap, the last on top */
    size_t n;
    Doubtful *doubts;
    size_t n_doubts, doubts_capacity;
    Arena doubts_arena;
    Table done;          /* SubjectKey: doubtful ones that were put together */
    Table memory;        /* SubjectKey: runs that batches have */
    RunFile **files;     /* the newest first */
    size_t n_files, at;  /* ... the one that is looked at */
    uint64_t end_ns;     /* of the window, or of what is left of it behind the page before */
    uint64_t certain_ns; /* all that began since is known */
    Str owner;           /* the last that was asked about, and whether it is the flow */
    bool is_wanted;
    bool incomplete;
} Listing;

static bool is_late(const Listing *listing)
{
    const RunsQuestion *question = listing->question;

    return question->deadline_ns != 0 &&
           clock_monotonic_ns(question->clock) >= question->deadline_ns;
}

static bool is_flow(const RunsQuestion *question, Str owner)
{
    NodeKey key;

    return node_key_parse(owner, &key) == 0 && str_equal(key.name, question->name) &&
           (question->scope.len == 0 || str_equal(question->scope, key.scope)) &&
           (!question->has_environment || str_equal(question->environment, key.environment));
}

static bool wants_flow(void *context, Str owner)
{
    Listing *listing = context;

    if (listing->owner.ptr == NULL || !str_equal(listing->owner, owner)) {
        listing->owner = arena_copy(listing->arena, owner);
        listing->is_wanted = is_flow(listing->question, owner);
    }
    return listing->is_wanted;
}

/* ---- the page ---- */

/* Newest first. */
static int compare_candidates(const void *a, const void *b)
{
    const Candidate *left = a;
    const Candidate *right = b;

    if (left->summary.first_ns != right->summary.first_ns) {
        return left->summary.first_ns > right->summary.first_ns ? -1 : 1;
    }
    return subject_key_compare(left->key, right->key);
}

static bool is_full(const Listing *listing)
{
    return listing->n > listing->question->limit;
}

/* Whether what begins at @first_ns can be in the window and on the page, whatever its key is. */
static bool may_begin(const Listing *listing, uint64_t first_ns)
{
    const RunsQuestion *question = listing->question;

    return first_ns >= question->from_ns && first_ns < listing->end_ns &&
           (!is_full(listing) || first_ns >= listing->items[0].summary.first_ns);
}

static bool is_behind(const RunsQuestion *question, const Candidate *candidate)
{
    const Candidate after = {.key = question->after_key,
                             .summary = {.first_ns = question->after_ns}};

    return !question->has_after || compare_candidates(candidate, &after) > 0;
}

static bool is_asked_for(const Listing *listing, const Candidate *candidate, uint64_t variant)
{
    const RunsQuestion *question = listing->question;
    const RunSummary *summary = &candidate->summary;
    bool is_variant = variant == question->variants[0] || variant == question->variants[1];

    return summary->counts && may_begin(listing, summary->first_ns) &&
           !(question->only_failed && !summary->failed) &&
           !(question->only_ok && summary->failed) &&
           (!question->has_variant || (is_variant && summary->n_steps > 0)) &&
           is_behind(question, candidate) &&
           (!is_full(listing) || compare_candidates(candidate, &listing->items[0]) < 0);
}

static void swap(Candidate *a, Candidate *b)
{
    Candidate kept = *a;

    *a = *b;
    *b = kept;
}

static void sink_top(Listing *listing)
{
    Candidate *items = listing->items;

    for (size_t at = 0, last;; at = last) {
        last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < listing->n; child++) {
            last = compare_candidates(&items[child], &items[last]) > 0 ? child : last;
        }
        if (last == at) {
            return;
        }
        swap(&items[at], &items[last]);
    }
}

static void rise(Listing *listing, size_t at)
{
    Candidate *items = listing->items;

    while (at > 0 && compare_candidates(&items[at], &items[(at - 1) / 2]) > 0) {
        swap(&items[at], &items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void consider(Listing *listing, const Candidate *candidate, uint64_t variant)
{
    if (!is_asked_for(listing, candidate, variant)) {
        return;
    }
    Candidate kept = *candidate;
    kept.run.owner = arena_copy(listing->arena, candidate->run.owner);
    kept.run.id = arena_copy(listing->arena, candidate->run.id);
    if (is_full(listing)) {
        listing->items[0] = kept;
        sink_top(listing);
    } else {
        listing->items[listing->n++] = kept;
        rise(listing, listing->n - 1);
    }
}

/* ---- doubts ---- */

static uint64_t variant_of(const Member *members, size_t n_steps)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    variant_append(members, n_steps, &buf);
    return hash_stable(buf_str(&buf));
}

static void doubt(Listing *listing, SubjectKey key, const Subject *run, uint64_t best_ns)
{
    ARRAY_RESERVE(listing->doubts, listing->n_doubts, listing->doubts_capacity);
    listing->doubts[listing->n_doubts++] =
        (Doubtful){.key = key,
                   .best_ns = best_ns,
                   .run = {.kind = SUBJECT_RUN,
                           .owner = arena_copy(&listing->doubts_arena, run->owner),
                           .id = arena_copy(&listing->doubts_arena, run->id)}};
}

static int compare_doubts(const void *a, const void *b)
{
    const Doubtful *left = a;
    const Doubtful *right = b;

    return left->best_ns == right->best_ns ? 0 : left->best_ns > right->best_ns ? -1 : 1;
}

/* Whether all that the file tells of began behind the window. */
static bool is_newer(const Listing *listing, const RunFile *file)
{
    return file->table->info.from_minute * MINUTE_NS >= listing->end_ns;
}

/* Whether a file behind this one has the run with a step that is no later, and none takes anything
 * back: then that row is nearer to the truth, and will be judged by itself. */
static int is_older(Listing *listing, const Doubtful *doubtful, bool *ret_older)
{
    bool is_nearer = false, takes_back = false;

    for (size_t i = listing->at + 1; i < listing->n_files && !takes_back; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        RunFile *file = listing->files[i];
        RunFileChunk chunk;
        RunFileRow row;
        size_t from, to;

        if (is_newer(listing, file) || !run_file_may_have(file, doubtful->key)) {
            continue;
        }
        int result = run_file_find(file, doubtful->key, &doubtful->run, &from, &to);
        result = result != 0 ? result : run_file_read(file, from, to, false, &arena, &chunk);
        for (size_t k = 0; result == 0 && k < chunk.n; k++) {
            TRY(MIN(run_file_row(&chunk, k, &row), 0));
            is_nearer |= row.n_steps > 0 && row.first_ns <= doubtful->best_ns;
            takes_back |= row.takes_back;
        }
        listing->incomplete |= result >= RUN_FILE_DAMAGED;
        TRY(MIN(result, 0));
    }
    *ret_older = is_nearer && !takes_back;
    return 0;
}

static int put_together(Listing *listing, const Doubtful *doubtful)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Gathered all;
    bool is_new;

    (void)table_put(&listing->done, &doubtful->key, &is_new);
    if (!is_new) {
        return 0;
    }
    TRY(runs_gather(listing->runs, &doubtful->run, &arena, &all));
    listing->incomplete |= all.incomplete && !all.is_large;
    if (all.changes.n > 0 && !all.is_large) {
        const Candidate candidate = {.key = doubtful->key,
                                     .run = doubtful->run,
                                     .summary = run_summary(all.changes.members, all.changes.n)};

        consider(listing, &candidate, variant_of(all.changes.members, candidate.summary.n_steps));
    }
    return 0;
}

/* The best first, as long as they may come before what is on the page. */
static int resolve_doubts(Listing *listing)
{
    if (listing->n_doubts > 1) {
        qsort(listing->doubts, listing->n_doubts, sizeof(Doubtful), compare_doubts);
    }
    for (size_t i = 0; i < listing->n_doubts; i++) {
        const Doubtful *doubtful = &listing->doubts[i];
        bool is_certain = doubtful->best_ns != UINT64_MAX, older = false;

        if (is_certain && !may_begin(listing, doubtful->best_ns)) {
            continue;
        }
        if (is_late(listing)) {
            return -ETIMEDOUT;
        }
        if (is_certain) {
            TRY(is_older(listing, doubtful, &older));
        }
        if (!older) {
            TRY(put_together(listing, doubtful));
        }
    }
    listing->n_doubts = 0;
    arena_reset(&listing->doubts_arena);
    return 0;
}

/* As of a row, of changes in no order. */
static void doubt_changes(Listing *listing, const SubjectChanges *changes)
{
    uint64_t first_ns = UINT64_MAX, first_step_ns = UINT64_MAX;
    bool takes_back = false;

    for (uint32_t i = 0; i < changes->n; i++) {
        const Member *member = &changes->members[i];

        takes_back |= member->sign < 0;
        first_ns = MIN(first_ns, member->start_ns);
        if (member->kind == MEMBER_STEP) {
            first_step_ns = MIN(first_step_ns, member->start_ns);
        }
    }
    bool has_steps = first_step_ns != UINT64_MAX;
    if (takes_back || may_begin(listing, has_steps ? first_step_ns : first_ns)) {
        doubt(listing, changes->key, &changes->subject, takes_back ? UINT64_MAX : first_step_ns);
    }
}

/* What is in memory may be in files too. */
static void doubt_batch(Listing *listing, const RunBatch *batch)
{
    for (size_t i = 0; i < batch->subjects.n_records; i++) {
        const SubjectChanges *changes = table_at(&batch->subjects, i);

        if (changes->subject.kind == SUBJECT_RUN && wants_flow(listing, changes->subject.owner)) {
            doubt_changes(listing, changes);
            (void)table_put(&listing->memory, &changes->key, NULL);
        }
    }
}

/* Of all files: such a run may begin anywhere. */
static int doubt_taken(Listing *listing)
{
    for (size_t i = 0; i < listing->n_files; i++) {
        RunFile *file = listing->files[i];

        for (size_t k = 0; k < run_file_n_taken(file) && !is_newer(listing, file); k++) {
            CLEANUP(arena_deinit) Arena arena = {0};
            size_t at = run_file_taken(file, k);
            RunFileChunk chunk;
            RunFileRow row;
            int result = run_file_read(file, at, at + 1, false, &arena, &chunk);

            result = result != 0 ? result : run_file_row(&chunk, 0, &row);
            if (result == 0 && row.subject.kind == SUBJECT_RUN &&
                wants_flow(listing, row.subject.owner)) {
                doubt(listing, subject_key(&row.subject), &row.subject, UINT64_MAX);
            }
            listing->incomplete |= result >= RUN_FILE_DAMAGED;
            TRY(MIN(result, 0));
            TRY(is_late(listing) ? -ETIMEDOUT : 0);
        }
    }
    return 0;
}

/* ---- files ---- */

/* Whether another file or a batch has the run too. */
static bool is_spread(const Listing *listing, SubjectKey key)
{
    if (table_find(&listing->done, &key) != NULL || table_find(&listing->memory, &key) != NULL) {
        return true;
    }
    for (size_t i = 0; i < listing->n_files; i++) {
        if (run_file_is_spread(listing->files[i], key)) {
            return true;
        }
    }
    return false;
}

static bool may_be_asked_for(void *context, const RunFileRow *row)
{
    return row->takes_back || may_begin(context, row->first_ns);
}

static int visit_row(void *context, const RunFileRow *row)
{
    Listing *listing = context;
    const Candidate candidate = {.key = subject_key(&row->subject),
                                 .run = row->subject,
                                 .summary = {.counts = row->counts,
                                             .failed = row->failed,
                                             .no_run_id = row->no_run_id,
                                             .n_steps = row->n_steps,
                                             .first_ns = row->first_ns}};

    if (row->takes_back || row->is_part || is_spread(listing, candidate.key)) {
        doubt(listing, candidate.key, &row->subject,
              row->takes_back || row->n_steps == 0 ? UINT64_MAX : row->first_ns);
    } else {
        consider(listing, &candidate, row->variant);
    }
    return 0;
}

/* Behind each chunk. */
static int take_turn(void *context)
{
    Listing *listing = context;

    if (listing->n_doubts >= DOUBTFUL_MAX) {
        TRY(resolve_doubts(listing));
    }
    return is_late(listing) ? -ETIMEDOUT : 0;
}

static int compare_files(const void *a, const void *b)
{
    const TableInfo *left = &(*(RunFile *const *)a)->table->info;
    const TableInfo *right = &(*(RunFile *const *)b)->table->info;

    return left->to_minute == right->to_minute ? 0 : left->to_minute > right->to_minute ? -1 : 1;
}

/* Whether nothing of the file can be on the page. Version 1 has no list of what is taken back. */
static bool is_needless(const Listing *listing, const RunFile *file)
{
    uint64_t to_ns = file->table->info.to_minute * MINUTE_NS;

    return file->version > 1 && (to_ns <= listing->question->from_ns || is_newer(listing, file) ||
                                 (is_full(listing) && listing->items[0].summary.first_ns >= to_ns));
}

static int scan_files(Listing *listing)
{
    const RunFileScan scan = {.wants = wants_flow,
                              .may = may_be_asked_for,
                              .visit = visit_row,
                              .turn = take_turn,
                              .context = listing};

    for (listing->at = 0; listing->at < listing->n_files; listing->at++) {
        RunFile *file = listing->files[listing->at];

        if (is_needless(listing, file)) {
            continue;
        }
        listing->certain_ns = file->table->info.to_minute * MINUTE_NS;
        int result = run_file_scan(file, &scan);
        listing->incomplete |= result >= RUN_FILE_DAMAGED;
        TRY(MIN(result, 0));
        TRY(resolve_doubts(listing));
    }
    listing->certain_ns = 0;
    return 0;
}

static void take_snapshot(Listing *listing)
{
    Runs *runs = listing->runs;

    runs_share(runs);
    listing->files = NEW_ARRAY(RunFile *, runs->n_files + 1);
    listing->n_files = runs->n_files;
    for (size_t i = 0; i < runs->n_files; i++) {
        listing->files[i] = run_file_ref(runs->files[i]);
    }
    doubt_batch(listing, runs->current);
    for (size_t i = 0; i < runs->n_frozen; i++) {
        doubt_batch(listing, runs->frozen[i]);
    }
    runs_unlock(runs);
    qsort(listing->files, listing->n_files, sizeof(RunFile *), compare_files);
}

static int read_members(Listing *listing, RunFound *found)
{
    TRY(runs_read(listing->runs, found->run.owner, found->run.id, listing->arena, &found->members));
    if (found->members.n > 0) {
        uint64_t first_ns = found->summary.first_ns; /* the order's */

        found->summary = run_summary(found->members.items, found->members.n);
        found->summary.first_ns = first_ns;
    }
    return 0;
}

/* After a deadline only what began behind all files that were not looked through is certain. */
static int fill_page(Listing *listing, RunsPage *ret_page)
{
    size_t limit = listing->question->limit, n = 0;
    bool is_whole = listing->certain_ns == 0;
    RunsPage page = {.items = ARENA_ARRAY(listing->arena, RunFound, limit + 1),
                     .incomplete = listing->incomplete || !is_whole};

    qsort(listing->items, listing->n, sizeof(Candidate), compare_candidates);
    while (n < listing->n && listing->items[n].summary.first_ns >= listing->certain_ns) {
        n++;
    }
    page.n = MIN(n, limit);
    page.more = n > limit || (!is_whole && n > 0);
    for (size_t i = 0; i < page.n; i++) {
        const Candidate *candidate = &listing->items[i];

        page.items[i] =
            (RunFound){.key = candidate->key, .run = candidate->run, .summary = candidate->summary};
        TRY(read_members(listing, &page.items[i]));
    }
    *ret_page = page;
    return 0;
}

/* What is in memory is looked at as if it were a file newer than all. */
static int list(Listing *listing, RunsPage *ret_page)
{
    take_snapshot(listing);
    listing->at = SIZE_MAX; /* + 1: the first file */
    listing->certain_ns = UINT64_MAX;
    int result = doubt_taken(listing);
    result = result != 0 ? result : resolve_doubts(listing);
    result = result != 0 ? result : scan_files(listing);
    if (result != 0 && result != -ETIMEDOUT) {
        return result;
    }
    return fill_page(listing, ret_page);
}

int runs_list(Runs *runs, const RunsQuestion *question, Arena *arena, RunsPage *ret_page)
{
    Listing listing = {.runs = runs, .question = question, .arena = arena};

    ASSERT(question->limit > 0);
    listing.end_ns =
        question->has_after ? MIN(question->to_ns, question->after_ns + 1) : question->to_ns;
    listing.items = NEW_ARRAY(Candidate, question->limit + 1);
    table_init(&listing.memory, sizeof(SubjectKey), sizeof(SubjectKey));
    table_init(&listing.done, sizeof(SubjectKey), sizeof(SubjectKey));
    int result = list(&listing, ret_page);
    for (size_t i = 0; i < listing.n_files; i++) {
        run_file_unref(listing.files[i]);
    }
    mem_free(listing.files);
    mem_free(listing.items);
    mem_free(listing.doubts);
    arena_deinit(&listing.doubts_arena);
    table_deinit(&listing.done);
    table_deinit(&listing.memory);
    return result;
}
