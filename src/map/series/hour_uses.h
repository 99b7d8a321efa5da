// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

/*
 * Which series have anything in which hours: found with one look at each series, read hour by hour,
 * however many hours that are. Some may occur twice.
 */
typedef struct HourUse {
    uint32_t hour, series;
} HourUse;

typedef struct HourUses {
    HourUse *items; /* once sorted: by hour, then series */
    size_t count, capacity;
} HourUses;

void hour_uses_deinit(HourUses *uses);
void hour_uses_add(HourUses *uses, uint32_t hour, uint32_t series);
void hour_uses_sort(HourUses *uses);

/* Position of the first at or after @hour. */
size_t hour_uses_position(const HourUses *uses, uint32_t hour);
