// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * The head is rows, not columns: decoding one costs more than all a block spends on a hundred. So
 * what can be said without decoding is said first: of a generation, that it lacks the keys that are
 * asked for; of a row, by the few parts that stand at its beginning.
 */

/* What is known of a filter before all is known. */
typedef enum Guess { GUESS_NO, GUESS_YES, GUESS_MAYBE } Guess;

typedef Guess (*Guesser)(const void *context, const Filter *compare);

/* Recursion is bounded by FILTER_DEPTH_MAX. */
static Guess guess(const Filter *filter, Guesser compare, const void *context)
{
    Guess left, right;

    switch (filter->op) {
    case FILTER_AND:
        left = guess(filter->left, compare, context);
        right = left == GUESS_NO ? GUESS_NO : guess(filter->right, compare, context);
        return right == GUESS_NO ? GUESS_NO : left == GUESS_YES ? right : GUESS_MAYBE;
    case FILTER_OR:
        left = guess(filter->left, compare, context);
        right = left == GUESS_YES ? GUESS_YES : guess(filter->right, compare, context);
        return right == GUESS_YES ? GUESS_YES : left == GUESS_NO ? right : GUESS_MAYBE;
    case FILTER_NOT:
        left = guess(filter->left, compare, context);
        return left == GUESS_MAYBE ? left : left == GUESS_NO ? GUESS_YES : GUESS_NO;
    case FILTER_TRUE:
        return GUESS_YES;
    case FILTER_COMPARE:
        break;
    }
    return compare(context, filter);
}

/* --- Generations --- */

static bool has_span_key(const Generation *generation, Str key)
{
    return symbols_find(&generation->dictionary.keys, key) != SYMBOL_NONE;
}

static bool has_resource_key(const Generation *generation, Str key)
{
    size_t n = symbols_count(&generation->dictionary.resource_forms);

    for (size_t i = 0; i < n; i++) {
        if (attributes_find(generation->dictionary.resources[i]->attributes, key) != NULL) {
            return true;
        }
    }
    return false;
}

static Guess guess_generation(const void *context, const Filter *compare)
{
    const Generation *generation = context;
    bool has = true;

    switch (compare->field) {
    case FIELD_SPAN_ATTRIBUTE:
        has = has_span_key(generation, compare->key);
        break;
    case FIELD_RESOURCE_ATTRIBUTE:
        has = has_resource_key(generation, compare->key);
        break;
    case FIELD_ATTRIBUTE:
        has = has_span_key(generation, compare->key) || has_resource_key(generation, compare->key);
        break;
    default:
        break;
    }
    return has ? GUESS_MAYBE : GUESS_NO; /* no comparison holds for what is not there */
}

/* --- Rows --- */

static Guess guess_row(const void *context, const Filter *compare)
{
    switch (compare->field) {
    case FIELD_RESOURCE_ATTRIBUTE:
    case FIELD_NAME:
    case FIELD_KIND:
    case FIELD_START:
        return filter_matches(compare, context) ? GUESS_YES : GUESS_NO;
    default:
        return GUESS_MAYBE;
    }
}

/* Whether guessing by row can ever say anything. */
static bool asks_row_head(const Filter *filter)
{
    static const Scope no_scope;
    static const Resource no_resource;
    static const Span nothing = {.resource = &no_resource, .scope = &no_scope};

    if (filter->op == FILTER_AND || filter->op == FILTER_OR) {
        return asks_row_head(filter->left) || asks_row_head(filter->right);
    }
    if (filter->op == FILTER_NOT) {
        return asks_row_head(filter->left);
    }
    return filter->op == FILTER_COMPARE && guess_row(&nothing, filter) != GUESS_MAYBE;
}

static bool row_may_match(const Generation *generation, const HeadRow *row, const Filter *filter)
{
    static const Scope no_scope;
    RowHead head = row_read_head(&generation->dictionary, row->bytes);
    Span span = {
        .start_ns = row->start_ns,
        .name = head.name,
        .kind = head.kind,
        .resource = generation->dictionary.resources[head.resource],
        .scope = &no_scope,
    };

    return guess(filter, guess_row, &span) != GUESS_NO;
}

typedef struct Slice {
    Arena arena;
    Span *spans; /* APPLY_SLICE_ROWS of them */
    size_t n;
    bool asks_head;
} Slice;

static void slice_deinit(Slice *slice)
{
    mem_free(slice->spans);
    arena_deinit(&slice->arena);
}

/* Decodes the rows [first, end) that may match, the last first. Under the read lock. */
static void slice_decode(Slice *slice, const HeadSearch *search, const View *view,
                         const Generation *generation, uint32_t first, uint32_t end)
{
    uint64_t from_ns = MAX(search->from_ns, *search->floor_ns);

    for (uint32_t i = end; i-- > first;) {
        const HeadRow *row = generation_row(generation, i);

        if (row->start_ns < from_ns || !starts_before(row->start_ns, search->to_ns) ||
            !row_is_visible(row, &view->rows) ||
            (slice->asks_head && !row_may_match(generation, row, search->filter))) {
            continue;
        }
        generation_read(generation, row, &slice->arena, &slice->spans[slice->n++]);
    }
}

static int slice_visit(const Slice *slice, HeadSearch *search)
{
    for (size_t i = 0; i < slice->n; i++) {
        if (slice->spans[i].start_ns >= *search->floor_ns &&
            filter_matches(search->filter, &slice->spans[i])) {
            TRY(search->visit(search->context, &slice->spans[i]));
        }
    }
    return 0;
}

/* Under the read lock: whether a row of the generation may matter. */
static bool may_match(const HeadSearch *search, const Generation *generation)
{
    return generation->max_start_ns >= MAX(search->from_ns, *search->floor_ns) &&
           starts_before(generation->min_start_ns, search->to_ns) &&
           guess(search->filter, guess_generation, generation) != GUESS_NO;
}

static int search_generation(Store *store, const View *view, size_t index, HeadSearch *search,
                             Slice *slice)
{
    const Generation *generation = view->generations[index];

    for (uint32_t end = view->n_rows[index]; end > 0;) {
        uint32_t first = end > APPLY_SLICE_ROWS ? end - APPLY_SLICE_ROWS : 0;
        bool wanted;

        if (search->stop(search->context)) {
            return BLOCK_STOPPED;
        }
        slice->n = 0;
        arena_reset(&slice->arena);
        pthread_rwlock_rdlock(&store->lock);
        wanted = end != view->n_rows[index] || may_match(search, generation);
        if (wanted) {
            slice_decode(slice, search, view, generation, first, end);
        }
        pthread_rwlock_unlock(&store->lock);
        if (!wanted) {
            search->n_scanned += end;
            return 0;
        }
        search->n_scanned += end - first;
        TRY(slice_visit(slice, search));
        end = first;
    }
    return 0;
}

int search_head(Store *store, const View *view, HeadSearch *search)
{
    CLEANUP(slice_deinit) Slice slice = {.asks_head = asks_row_head(search->filter)};

    slice.spans = mem_alloc(APPLY_SLICE_ROWS * sizeof(Span));
    for (size_t i = view->n_generations; i-- > 0;) {
        TRY(search_generation(store, view, i, search, &slice));
    }
    return 0;
}
