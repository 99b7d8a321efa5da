// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * Which services, operations, attribute keys and values there are. Blocks answer from their private
 * sections (services and operations are remembered per block), the head row by row.
 */
enum { NAMES_MAX = 200000 }; /* distinct names held while one question is answered */

/* Counts per (kind, name), in order of arrival. */
typedef struct Tally {
    Symbols names; /* a kind byte and the name */
    uint64_t *counts;
    size_t n_counts, capacity;
    Buf key;
    bool truncated;
} Tally;

static void tally_deinit(Tally *tally)
{
    symbols_deinit(&tally->names);
    mem_free(tally->counts);
    buf_deinit(&tally->key);
}

static void tally_add(Tally *tally, uint8_t kind, Str prefix, Str name, uint64_t count)
{
    buf_clear(&tally->key);
    buf_append_byte(&tally->key, kind);
    buf_append_str(&tally->key, prefix);
    buf_append_str(&tally->key, name);
    if (symbols_count(&tally->names) == NAMES_MAX &&
        symbols_find(&tally->names, buf_str(&tally->key)) == SYMBOL_NONE) {
        tally->truncated = true;
        return;
    }
    uint32_t symbol = symbols_intern(&tally->names, buf_str(&tally->key));
    if (symbol == tally->n_counts) {
        ARRAY_RESERVE(tally->counts, tally->n_counts, tally->capacity);
        tally->counts[tally->n_counts++] = 0;
    }
    tally->counts[symbol] += count;
}

static int compare_names(const void *a, const void *b)
{
    const StoreName *x = a, *y = b;
    int order = str_compare(x->name, y->name);

    return order != 0 ? order : (int)x->kind - (int)y->kind;
}

static void tally_answer(const Tally *tally, size_t limit, Arena *arena, StoreNames *ret_names)
{
    StoreName *items = ARENA_ARRAY(arena, StoreName, tally->n_counts);

    for (size_t i = 0; i < tally->n_counts; i++) {
        Str key = symbols_get(&tally->names, (uint32_t)i);

        items[i] = (StoreName){
            .name = str_slice(key, 1, key.len),
            .count = tally->counts[i],
            .kind = (uint8_t)key.ptr[0],
        };
    }
    if (tally->n_counts > 0) {
        qsort(items, tally->n_counts, sizeof(StoreName), compare_names);
    }
    size_t count = MIN(tally->n_counts, limit);
    for (size_t i = 0; i < count; i++) {
        items[i].name = arena_copy(arena, items[i].name);
    }
    *ret_names = (StoreNames){
        .items = items,
        .count = count,
        .truncated = tally->truncated || count < tally->n_counts,
    };
}

/* A question for services or operations. */
typedef struct NameQuestion {
    bool operations;
    Str service; /* operations: of which */
    uint64_t from_ns, to_ns;
} NameQuestion;

static void tally_name(const NameQuestion *question, Str service, Str operation, uint8_t kind,
                       uint64_t count, Tally *tally)
{
    if (!question->operations) {
        tally_add(tally, 0, STR(""), service, count);
    } else if (str_equal(service, question->service)) {
        tally_add(tally, kind, STR(""), operation, count);
    }
}

/* Texts of the service names of a generation's resources, made when first asked for. */
typedef struct ServiceTexts {
    Str *texts;
    bool *known;
    Arena arena;
} ServiceTexts;

static Str service_text(ServiceTexts *services, const Generation *generation, uint32_t resource)
{
    if (!services->known[resource]) {
        Span span = {.resource = generation->dictionary.resources[resource]};

        services->texts[resource] = span_service_name(&span, &services->arena);
        services->known[resource] = true;
    }
    return services->texts[resource];
}

/* Under the read lock. */
static void tally_rows(const NameQuestion *question, const View *view, const Generation *generation,
                       uint32_t first, uint32_t end, ServiceTexts *services, Tally *tally)
{
    for (uint32_t i = first; i < end; i++) {
        const HeadRow *row = generation_row(generation, i);

        if (row->start_ns < question->from_ns || !starts_before(row->start_ns, question->to_ns) ||
            !row_is_visible(row, &view->rows)) {
            continue;
        }
        RowHead head = row_read_head(&generation->dictionary, row->bytes);
        tally_name(question, service_text(services, generation, head.resource), head.name,
                   head.kind, 1, tally);
    }
}

static void tally_generation(Store *store, const NameQuestion *question, const View *view,
                             size_t index, Tally *tally)
{
    const Generation *generation = view->generations[index];
    ServiceTexts services = {0};

    for (uint32_t first = 0; first < view->n_rows[index]; first += APPLY_SLICE_ROWS) {
        pthread_rwlock_rdlock(&store->lock);
        if (services.texts == NULL) { /* rows of the view name no later resource */
            size_t n = symbols_count(&generation->dictionary.resource_forms);

            services.texts = NEW_ARRAY(Str, n);
            services.known = NEW_ARRAY(bool, n);
        }
        tally_rows(question, view, generation, first,
                   MIN(first + APPLY_SLICE_ROWS, view->n_rows[index]), &services, tally);
        pthread_rwlock_unlock(&store->lock);
    }
    mem_free(services.texts);
    mem_free(services.known);
    arena_deinit(&services.arena);
}

static int tally_blocks(const NameQuestion *question, const View *view, Tally *tally)
{
    for (size_t i = 0; i < view->shelf->count; i++) {
        ShelfBlock *block = view->shelf->blocks[i];
        const ShelfName *names;
        size_t n;

        if (block->summary.max_start_ns < question->from_ns ||
            !starts_before(block->summary.min_start_ns, question->to_ns)) {
            continue;
        }
        TRY(shelf_block_names(block, &names, &n));
        for (size_t k = 0; k < n; k++) {
            tally_name(question, names[k].service, names[k].operation, names[k].kind,
                       names[k].count, tally);
        }
    }
    return 0;
}

static int answer_names(Store *store, const NameQuestion *question, size_t limit, Arena *arena,
                        StoreNames *ret_names)
{
    CLEANUP(tally_deinit) Tally tally = {0};
    View view;

    view_init(&view, store, STORE_ALL);
    for (size_t i = 0; i < view.n_generations; i++) {
        tally_generation(store, question, &view, i, &tally);
    }
    int result = tally_blocks(question, &view, &tally);
    view_deinit(&view);
    TRY(result);
    tally_answer(&tally, limit, arena, ret_names);
    return 0;
}

int store_services(Store *store, uint64_t from_ns, uint64_t to_ns, size_t limit, Arena *arena,
                   StoreNames *ret_names)
{
    NameQuestion question = {.from_ns = from_ns, .to_ns = to_ns};

    return answer_names(store, &question, limit, arena, ret_names);
}

int store_operations(Store *store, Str service, uint64_t from_ns, uint64_t to_ns, size_t limit,
                     Arena *arena, StoreNames *ret_names)
{
    NameQuestion question = {
        .operations = true, .service = service, .from_ns = from_ns, .to_ns = to_ns};

    return answer_names(store, &question, limit, arena, ret_names);
}

/* Attribute keys and values. */

static int tally_key(void *context, FilterField level, Str key, uint64_t count)
{
    tally_add(context, 0, level == FIELD_RESOURCE_ATTRIBUTE ? STR("resource.") : STR("span."), key,
              count);
    return 0;
}

static int tally_keys_of_span(void *context, const Span *span)
{
    const Attributes *own = &span->attributes, *resource = &span->resource->attributes;

    for (size_t i = 0; i < own->count; i++) {
        (void)tally_key(context, FIELD_SPAN_ATTRIBUTE, own->items[i].key, 1);
    }
    for (size_t i = 0; i < resource->count; i++) {
        (void)tally_key(context, FIELD_RESOURCE_ATTRIBUTE, resource->items[i].key, 1);
    }
    return 0;
}

int store_attribute_keys(Store *store, size_t limit, Arena *arena, StoreNames *ret_names)
{
    CLEANUP(tally_deinit) Tally tally = {0};
    View view;

    view_init(&view, store, STORE_ALL);
    int result = view_scan_head(store, &view, 0, UINT64_MAX, tally_keys_of_span, &tally);
    for (size_t i = 0; i < view.shelf->count && result == 0; i++) {
        ShelfBlock *block = view.shelf->blocks[i];

        result = shelf_block_check(block, block_attribute_keys(block->block, tally_key, &tally));
    }
    view_deinit(&view);
    TRY(result);
    tally_answer(&tally, limit, arena, ret_names);
    return 0;
}

typedef struct ValueQuestion {
    FilterField level;
    Str key;
    Tally tally;
    Arena arena;
} ValueQuestion;

static int tally_value(void *context, Str value, uint64_t count)
{
    ValueQuestion *question = context;

    tally_add(&question->tally, 0, STR(""), value, count);
    return 0;
}

static int tally_value_of_span(void *context, const Span *span)
{
    ValueQuestion *question = context;
    const Value *value = NULL;

    if (question->level != FIELD_RESOURCE_ATTRIBUTE) {
        value = attributes_find(span->attributes, question->key);
    }
    if (value == NULL && question->level != FIELD_SPAN_ATTRIBUTE) {
        value = attributes_find(span->resource->attributes, question->key);
    }
    if (value != NULL) {
        arena_reset(&question->arena);
        (void)tally_value(question, value_text(value, &question->arena), 1);
    }
    return 0;
}

/* FIELD_ATTRIBUTE asks both levels. */
static int tally_block_values(ShelfBlock *block, ValueQuestion *question)
{
    bool span_partial = false, resource_partial = false;
    int result = 0;

    if (question->level != FIELD_RESOURCE_ATTRIBUTE) {
        result = block_attribute_values(block->block, FIELD_SPAN_ATTRIBUTE, question->key,
                                        tally_value, question, &span_partial);
    }
    if (result == 0 && question->level != FIELD_SPAN_ATTRIBUTE) {
        result = block_attribute_values(block->block, FIELD_RESOURCE_ATTRIBUTE, question->key,
                                        tally_value, question, &resource_partial);
    }
    question->tally.truncated |= span_partial || resource_partial;
    return shelf_block_check(block, result);
}

int store_attribute_values(Store *store, FilterField level, Str key, size_t limit, Arena *arena,
                           StoreNames *ret_names)
{
    ValueQuestion question = {.level = level, .key = key};
    View view;

    view_init(&view, store, STORE_ALL);
    int result = view_scan_head(store, &view, 0, UINT64_MAX, tally_value_of_span, &question);
    for (size_t i = 0; i < view.shelf->count && result == 0; i++) {
        result = tally_block_values(view.shelf->blocks[i], &question);
    }
    view_deinit(&view);
    if (result == 0) {
        tally_answer(&question.tally, limit, arena, ret_names);
    }
    tally_deinit(&question.tally);
    arena_deinit(&question.arena);
    return result;
}
