// SPDX-License-Identifier: Apache-2.0
#include "query/service_names.h"

#include <stdlib.h>

#define UNKNOWN STR("unknown_service")

static int name_compare(const void *left, const void *right)
{
    const StoreName *a = left, *b = right;
    int order = str_compare(a->name, b->name);

    return order != 0 ? order : (int)a->kind - (int)b->kind;
}

/* Sorts and adds up what is equal. */
static void names_merge(StoreNames *names)
{
    size_t n = 0;

    if (names->count > 1) {
        qsort(names->items, names->count, sizeof(names->items[0]), name_compare);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (n > 0 && name_compare(&names->items[n - 1], &names->items[i]) == 0) {
            names->items[n - 1].count += names->items[i].count;
        } else {
            names->items[n++] = names->items[i];
        }
    }
    names->count = n;
}

int service_names(Store *store, uint64_t from_ns, uint64_t to_ns, Arena *arena,
                  StoreNames *ret_names)
{
    StoreNames names = {0};

    TRY(store_services(store, from_ns, to_ns, SERVICE_NAMES_MAX, arena, &names));
    for (size_t i = 0; i < names.count; i++) {
        if (names.items[i].name.len == 0) {
            names.items[i].name = UNKNOWN;
        }
    }
    names_merge(&names);
    *ret_names = names;
    return 0;
}

static void names_join(StoreNames *names, const StoreNames *more, Arena *arena)
{
    StoreName *items = ARENA_ARRAY(arena, StoreName, names->count + more->count);

    mem_copy(items, names->items, names->count * sizeof(items[0]));
    mem_copy(items + names->count, more->items, more->count * sizeof(items[0]));
    names->items = items;
    names->count += more->count;
    names->truncated = names->truncated || more->truncated;
}

int operation_names(Store *store, const OperationQuestion *question, Arena *arena,
                    StoreNames *ret_names)
{
    StoreNames names = {0}, nameless = {0};

    TRY(store_operations(store, question->service, question->from_ns, question->to_ns,
                         SERVICE_NAMES_MAX, arena, &names));
    if (str_equal(question->service, UNKNOWN)) {
        TRY(store_operations(store, STR(""), question->from_ns, question->to_ns, SERVICE_NAMES_MAX,
                             arena, &nameless));
        names_join(&names, &nameless, arena);
    }
    names_merge(&names);
    *ret_names = names;
    return 0;
}
