// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/hash.h"
#include "map/flow/runs_private.h"

/*
 * A row of a file tells of a run as far as that file knows. Nearly all runs are in one file, and
 * their rows are the truth; those that are in several are "spread", which the later files tell in a
 * list of their own, and are put together. Only files of the window's time are looked through, and
 * only the runs on the page are read with their members.
 *
 * The lock is held for a look at the batches in memory, whose runs all count as spread; files are
 * immutable and kept by references.
 */
#define MINUTE_NS UINT64_C(60000000000)

typedef struct Candidate {
    SubjectKey key;
    Subject run; /* in the arena of the listing */
    RunSummary summary;
} Candidate;

typedef struct Listing {
    Runs *runs;
    const RunsQuestion *question;
    Arena *arena;
    Table spread;     /* of Spread */
    Candidate *items; /* the best so far, in no order */
    size_t n, capacity;
    bool is_cut; /* items were let go; what is behind this one does not matter */
    Candidate last;
    RunFile **files;
    size_t n_files;
    bool incomplete;
} Listing;

typedef struct Spread {
    SubjectKey key;
    Subject run;
} Spread;

static bool wants_flow(void *context, Str owner)
{
    const Listing *listing = context;
    const RunsQuestion *question = listing->question;
    NodeKey key;

    return node_key_parse(owner, &key) == 0 && str_equal(key.name, question->name) &&
           (question->scope.len == 0 || str_equal(question->scope, key.scope)) &&
           (!question->has_environment || str_equal(question->environment, key.environment));
}

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

static bool is_behind(const RunsQuestion *question, const Candidate *candidate)
{
    const Candidate after = {.key = question->after_key,
                             .summary = {.first_ns = question->after_ns}};

    return !question->has_after || compare_candidates(candidate, &after) > 0;
}

static void consider(Listing *listing, const Candidate *candidate, uint64_t variant)
{
    const RunsQuestion *question = listing->question;
    const RunSummary *summary = &candidate->summary;

    if (!summary->counts || summary->first_ns < question->from_ns ||
        summary->first_ns >= question->to_ns || (question->only_failed && !summary->failed) ||
        (question->only_ok && summary->failed) ||
        (question->has_variant &&
         ((variant != question->variants[0] && variant != question->variants[1]) ||
          summary->n_steps == 0)) ||
        !is_behind(question, candidate) ||
        (listing->is_cut && compare_candidates(candidate, &listing->last) > 0)) {
        return;
    }
    if (listing->n == listing->capacity) { /* keep the better part */
        qsort(listing->items, listing->n, sizeof(Candidate), compare_candidates);
        listing->n = question->limit + 1;
        listing->last = listing->items[question->limit];
        listing->is_cut = true;
    }
    Candidate *kept = &listing->items[listing->n++];
    *kept = *candidate;
    kept->run.owner = arena_copy(listing->arena, candidate->run.owner);
    kept->run.id = arena_copy(listing->arena, candidate->run.id);
}

static uint64_t variant_of(const Member *members, size_t n_steps)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    variant_append(members, n_steps, &buf);
    return hash_stable(buf_str(&buf));
}

static void note_spread(Listing *listing, SubjectKey key, const Subject *run)
{
    bool is_new;
    Spread *spread = table_put(&listing->spread, &key, &is_new);

    if (is_new) {
        spread->run = (Subject){.kind = SUBJECT_RUN,
                                .owner = arena_copy(listing->arena, run->owner),
                                .id = arena_copy(listing->arena, run->id)};
    }
}

/* What is in memory may be in files too, and is little: it is all put together. */
static void note_batch(Listing *listing, const RunBatch *batch)
{
    for (size_t i = 0; i < batch->subjects.n_records; i++) {
        const SubjectChanges *changes = table_at(&batch->subjects, i);

        if (changes->subject.kind == SUBJECT_RUN && wants_flow(listing, changes->subject.owner)) {
            note_spread(listing, changes->key, &changes->subject);
        }
    }
}

/* ---- files ---- */

/* Whether another file or a batch has the run too. */
static bool is_spread(const Listing *listing, SubjectKey key)
{
    if (table_find(&listing->spread, &key) != NULL) {
        return true;
    }
    for (size_t i = 0; i < listing->n_files; i++) {
        if (run_file_is_spread(listing->files[i], key)) {
            return true;
        }
    }
    return false;
}

static int visit_row(void *context, const RunFileRow *row)
{
    Listing *listing = context;
    const Candidate candidate = {
        .key = row->key, .run = row->changes.subject, .summary = row->summary};

    if (is_spread(listing, row->key)) {
        note_spread(listing, row->key, &row->changes.subject);
    } else {
        consider(listing, &candidate, row->variant);
    }
    return 0;
}

static int scan_files(Listing *listing)
{
    const RunFileScan scan = {.kind = SUBJECT_RUN,
                              .summaries_only = true,
                              .wants = wants_flow,
                              .visit = visit_row,
                              .context = listing};

    for (size_t i = 0; i < listing->n_files; i++) {
        const TableInfo *info = &listing->files[i]->table->info;

        if (info->from_minute * MINUTE_NS >= listing->question->to_ns ||
            info->to_minute * MINUTE_NS <= listing->question->from_ns) {
            continue;
        }
        int result = run_file_scan(listing->files[i], &scan);
        listing->incomplete |= result == RUN_FILE_DAMAGED;
        TRY(MIN(result, 0));
    }
    return 0;
}

/* ---- the page ---- */

static void consider_members(Listing *listing, SubjectKey key, const Subject *run,
                             const Member *members, size_t n)
{
    Candidate candidate = {.key = key, .run = *run, .summary = run_summary(members, n)};

    consider(listing, &candidate, variant_of(members, candidate.summary.n_steps));
}

static int consider_spread(Listing *listing)
{
    for (size_t i = 0; i < listing->spread.n_records; i++) {
        const Spread *spread = table_at(&listing->spread, i);
        CLEANUP(arena_deinit) Arena arena = {0};
        SubjectChanges changes;

        TRY(runs_gather(listing->runs, spread->key, &spread->run, &arena, &changes,
                        &listing->incomplete));
        consider_members(listing, spread->key, &spread->run, changes.members, changes.n);
    }
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
    note_batch(listing, runs->current);
    for (size_t i = 0; i < runs->n_frozen; i++) {
        note_batch(listing, runs->frozen[i]);
    }
    runs_unlock(runs);
}

static int fill_page(Listing *listing, RunsPage *ret_page)
{
    size_t limit = listing->question->limit;
    RunsPage page = {.items = ARENA_ARRAY(listing->arena, RunFound, limit + 1),
                     .n = MIN(listing->n, limit),
                     .more = listing->n > limit};

    qsort(listing->items, listing->n, sizeof(Candidate), compare_candidates);
    for (size_t i = 0; i < page.n; i++) {
        const Candidate *candidate = &listing->items[i];

        page.items[i] =
            (RunFound){.key = candidate->key, .run = candidate->run, .summary = candidate->summary};
        TRY(runs_read(listing->runs, candidate->run.owner, candidate->run.id, listing->arena,
                      &page.items[i].members));
    }
    page.incomplete = listing->incomplete;
    *ret_page = page;
    return 0;
}

static int list(Listing *listing, RunsPage *ret_page)
{
    take_snapshot(listing);
    TRY(scan_files(listing));
    TRY(consider_spread(listing));
    return fill_page(listing, ret_page);
}

int runs_list(Runs *runs, const RunsQuestion *question, Arena *arena, RunsPage *ret_page)
{
    Listing listing = {
        .runs = runs, .question = question, .arena = arena, .capacity = 4 * (question->limit + 16)};

    ASSERT(question->limit > 0);
    listing.items = NEW_ARRAY(Candidate, listing.capacity);
    table_init(&listing.spread, sizeof(Spread), sizeof(SubjectKey));
    int result = list(&listing, ret_page);
    for (size_t i = 0; i < listing.n_files; i++) {
        run_file_unref(listing.files[i]);
    }
    mem_free(listing.files);
    mem_free(listing.items);
    table_deinit(&listing.spread);
    return result;
}
