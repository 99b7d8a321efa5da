// SPDX-License-Identifier: Apache-2.0
#include "store/parquet/slots.h"

/* Pages into the arrays of a result, in bulk where it can be. */

/* Grows an array of the result; it keeps its content. */
static void *grow(Arena *arena, void *old, size_t n, size_t capacity, size_t size)
{
    uint8_t *array = arena_zero_array(arena, capacity, size);

    mem_copy(array, old, old == NULL ? 0 : n * size);
    return array;
}

static bool is_bytes(const ParquetLeaf *leaf)
{
    return leaf->physical == PHYSICAL_BYTE_ARRAY || leaf->physical == PHYSICAL_FIXED;
}

void parquet_slots_reserve(ParquetSlots *s, size_t extra)
{
    if (s->n_slots + extra <= s->capacity) {
        return;
    }
    /* Of flat columns it is known how many slots there will be. */
    size_t all = s->counts == NULL ? s->to - s->from : 0;
    size_t needed = MAX(s->n_slots + extra, all);
    size_t capacity = MAX(needed, s->capacity * 2);
    size_t n = s->n_slots;

    s->null = grow(s->arena, s->null, n, capacity, sizeof(*s->null));
    if (s->codes != NULL || (!s->materialised && s->dictionary != NULL)) {
        s->codes = grow(s->arena, s->codes, n, capacity, sizeof(*s->codes));
    }
    if (is_bytes(s->leaf)) {
        if (s->materialised) {
            s->strs = grow(s->arena, s->strs, n, capacity, sizeof(*s->strs));
        }
    } else if (s->leaf->physical == PHYSICAL_BOOLEAN) {
        s->bools = grow(s->arena, s->bools, n, capacity, sizeof(*s->bools));
    } else {
        s->ints = grow(s->arena, s->ints, n, capacity, sizeof(*s->ints));
    }
    s->capacity = capacity;
}

void parquet_slots_materialise(ParquetSlots *s)
{
    if (s->materialised) {
        return;
    }
    s->materialised = true;
    if (is_bytes(s->leaf)) {
        s->strs = ARENA_ARRAY(s->arena, Str, s->capacity);
        for (size_t i = 0; i < s->n_slots && s->codes != NULL; i++) {
            s->strs[i] = s->null[i] ? (Str){0} : s->dictionary->strs[s->codes[i]];
        }
    }
    s->codes = NULL;
}

static void store_value(ParquetSlots *s, const ParquetPage *page, size_t slot, size_t value,
                        const ParquetVector *dictionary)
{
    const ParquetPageValues *values = &page->values;

    if (values->codes != NULL) {
        uint32_t code = values->codes[value];

        if (s->codes != NULL) {
            s->codes[slot] = code;
        } else if (s->strs != NULL) {
            s->strs[slot] = dictionary->strs[code];
        }
        if (s->ints != NULL) {
            s->ints[slot] = dictionary->ints[code];
        }
    } else if (s->strs != NULL) {
        s->strs[slot] = values->strs[value];
    } else if (s->bools != NULL) {
        s->bools[slot] = values->ints[value] != 0;
    } else {
        s->ints[slot] = values->ints[value];
    }
}

/* @n values from @value on, none of them null: what most pages are. */
static void store_run(ParquetSlots *s, const ParquetPage *page, size_t value, size_t n,
                      const ParquetVector *dictionary)
{
    const ParquetPageValues *values = &page->values;
    size_t at = s->n_slots;

    if (values->codes != NULL) {
        const uint32_t *codes = values->codes + value;

        if (s->codes != NULL) {
            mem_copy(s->codes + at, codes, n * sizeof(*codes));
        }
        for (size_t i = 0; i < n && s->codes == NULL && s->strs != NULL; i++) {
            s->strs[at + i] = dictionary->strs[codes[i]];
        }
        for (size_t i = 0; i < n && s->ints != NULL; i++) {
            s->ints[at + i] = dictionary->ints[codes[i]];
        }
    } else if (s->strs != NULL) {
        mem_copy(s->strs + at, values->strs + value, n * sizeof(Str));
    } else if (s->ints != NULL) {
        mem_copy(s->ints + at, values->ints + value, n * sizeof(int64_t));
    } else {
        for (size_t i = 0; i < n; i++) {
            s->bools[at + i] = values->ints[value + i] != 0;
        }
    }
    s->n_slots += n;
}

/* Codes or numbers with nulls between them: without a branch, which nulls make hard to foresee. The
 * arrays have one element behind the last value. */
static bool store_sparse(ParquetSlots *s, const ParquetPage *page, size_t from, size_t to,
                         const ParquetVector *dictionary)
{
    const ParquetPageValues *values = &page->values;
    const uint32_t *defined = page->definitions + from;
    size_t n = to - from, at = s->n_slots, value = page->first;
    bool has_codes = values->codes != NULL && s->codes != NULL;

    if ((!has_codes && (values->codes != NULL || s->ints == NULL)) ||
        (has_codes && dictionary->n_rows == 0)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        s->null[at + i] = defined[i] == 0;
        s->has_null |= defined[i] == 0;
    }
    for (size_t i = 0; i < n && has_codes; i++) {
        s->codes[at + i] = values->codes[value] & (0U - (defined[i] != 0));
        value += defined[i] != 0;
    }
    for (size_t i = 0; i < n && has_codes && s->ints != NULL; i++) {
        s->ints[at + i] =
            dictionary->ints[s->codes[at + i]] & (int64_t)(0U - (uint64_t)(defined[i] != 0));
    }
    for (size_t i = 0; i < n && !has_codes; i++) {
        s->ints[at + i] = values->ints[value] & (int64_t)(0U - (uint64_t)(defined[i] != 0));
        value += defined[i] != 0;
    }
    s->n_slots += n;
    return true;
}

static void store_null(ParquetSlots *s)
{
    s->null[s->n_slots] = 1;
    s->has_null = true;
}

/* Rows [from, to) of a flat page. */
static void store_flat(ParquetSlots *s, const ParquetPage *page, size_t from, size_t to,
                       const ParquetVector *dictionary)
{
    size_t value = page->first;

    if (page->definitions == NULL || page->values.n == page->n_levels) {
        store_run(s, page, value, to - from, dictionary);
        return;
    }
    if (store_sparse(s, page, from, to, dictionary)) {
        return;
    }
    for (size_t i = from; i < to; i++, s->n_slots++) {
        if (page->definitions[i] != 0) {
            store_value(s, page, s->n_slots, value++, dictionary);
        } else {
            store_null(s);
        }
    }
}

/* The entries of a MAP's page, of the rows that are wanted. Returns its rows. */
static size_t store_entries(ParquetSlots *s, const ParquetPage *page, size_t first,
                            const ParquetVector *dictionary)
{
    size_t row = first, value = 0;

    for (size_t i = 0; i < page->n_levels; i++) {
        unsigned defined = page->definitions[i];
        bool has_value = defined == s->leaf->max_definition;

        row += i > 0 && page->repetitions[i] == 0;
        if (row >= s->from && row < s->to && defined >= s->leaf->slot_level) {
            if (has_value) {
                store_value(s, page, s->n_slots, value, dictionary);
            } else {
                store_null(s);
            }
            s->counts[row - s->from]++;
            s->n_slots++;
        }
        value += has_value;
    }
    return page->n_levels == 0 ? 0 : row + 1 - first;
}

size_t parquet_slots_store_page(ParquetSlots *s, const ParquetPage *page, size_t first,
                                const ParquetVector *dictionary)
{
    size_t from = MAX(first, s->from), to = MIN(first + page->n_levels, s->to);

    if (s->leaf->max_repetition > 0) {
        return store_entries(s, page, first, dictionary);
    }
    if (from < to) {
        store_flat(s, page, from - first, to - first, dictionary);
    }
    return page->n_levels;
}

void parquet_slots_store_nulls(ParquetSlots *s, size_t n)
{
    parquet_slots_materialise(s); /* there is no dictionary for codes that follow */
    parquet_slots_reserve(s, n);
    mem_fill(s->null + s->n_slots, 1, n);
    s->has_null = s->has_null || n > 0;
    s->n_slots += n;
}

void parquet_slots_deinit(ParquetSlots *slots)
{
    arena_deinit(&slots->scratch);
}
