// SPDX-License-Identifier: Apache-2.0
#include "map/series/hour_uses.h"

#include <stdlib.h>

#include "base/memory.h"

void hour_uses_deinit(HourUses *uses)
{
    mem_free(uses->items);
    *uses = (HourUses){0};
}

void hour_uses_add(HourUses *uses, uint32_t hour, uint32_t series)
{
    const HourUse *last = uses->count == 0 ? NULL : &uses->items[uses->count - 1];

    if (last == NULL || last->series != series || last->hour != hour) {
        ARRAY_RESERVE(uses->items, uses->count, uses->capacity);
        uses->items[uses->count++] = (HourUse){hour, series};
    }
}

static int compare_uses(const void *a, const void *b)
{
    const HourUse *x = a, *y = b;

    return x->hour != y->hour ? (x->hour > y->hour) - (x->hour < y->hour)
                              : (x->series > y->series) - (x->series < y->series);
}

void hour_uses_sort(HourUses *uses)
{
    if (uses->count > 0) {
        qsort(uses->items, uses->count, sizeof(uses->items[0]), compare_uses);
    }
}

size_t hour_uses_position(const HourUses *uses, uint32_t hour)
{
    size_t from = 0, to = uses->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (uses->items[middle].hour < hour) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}
