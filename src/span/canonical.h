// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/value.h"

/*
 * Attributes as a set: sorted by key, and of a repeated key only the first entry, as only that one
 * counts.
 */
typedef struct SortedAttributes {
    const Attribute **items;
    size_t count;
    const Attribute *few[64]; /* room for the usual case */
} SortedAttributes;

void sorted_attributes_init(SortedAttributes *sorted, Attributes attributes);
void sorted_attributes_deinit(SortedAttributes *sorted);

/* Bytes that are equal exactly when the values or sets are. */
void canonical_append_str(Buf *buf, Str str);
void canonical_append_value(Buf *buf, const Value *value);
void canonical_append_attributes(Buf *buf, Attributes attributes);
