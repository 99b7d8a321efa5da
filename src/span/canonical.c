// SPDX-License-Identifier: Apache-2.0
#include "span/canonical.h"

#include <stdlib.h>

#include "base/memory.h"

/* Entries of one key stay in their order, which pointers into one array tell. */
static int compare_entries(const void *a, const void *b)
{
    const Attribute *left = *(const Attribute *const *)a, *right = *(const Attribute *const *)b;
    int order = str_compare(left->key, right->key);

    return order != 0 ? order : left < right ? -1 : left > right;
}

void sorted_attributes_init(SortedAttributes *sorted, Attributes attributes)
{
    size_t count = 0;

    sorted->items = sorted->few;
    if (attributes.count > ARRAY_LEN(sorted->few)) {
        sorted->items = mem_alloc(attributes.count * sizeof(sorted->items[0]));
    }
    for (size_t i = 0; i < attributes.count; i++) {
        sorted->items[i] = &attributes.items[i];
    }
    qsort(sorted->items, attributes.count, sizeof(sorted->items[0]), compare_entries);
    for (size_t i = 0; i < attributes.count; i++) {
        if (i == 0 || !str_equal(sorted->items[i]->key, sorted->items[count - 1]->key)) {
            sorted->items[count++] = sorted->items[i];
        }
    }
    sorted->count = count;
}

void sorted_attributes_deinit(SortedAttributes *sorted)
{
    if (sorted->items != sorted->few) {
        mem_free(sorted->items);
    }
}

void canonical_append_str(Buf *buf, Str str)
{
    buf_append_u64le(buf, str.len);
    buf_append_str(buf, str);
}

void canonical_append_value(Buf *buf, const Value *value)
{
    union {
        double number;
        uint64_t bits;
    } view;

    buf_append_byte(buf, (uint8_t)value->type);
    switch (value->type) {
    case VALUE_EMPTY:
        break;
    case VALUE_STRING:
    case VALUE_BYTES:
        canonical_append_str(buf, value->string);
        break;
    case VALUE_BOOL:
        buf_append_byte(buf, value->boolean);
        break;
    case VALUE_INT:
        buf_append_u64le(buf, (uint64_t)value->integer);
        break;
    case VALUE_DOUBLE:
        view.number = value->number;
        buf_append_u64le(buf, view.bits);
        break;
    case VALUE_ARRAY:
        buf_append_u64le(buf, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            canonical_append_value(buf, &value->items[i]);
        }
        break;
    case VALUE_MAP:
        buf_append_u64le(buf, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            canonical_append_str(buf, value->entries[i].key);
            canonical_append_value(buf, &value->entries[i].value);
        }
        break;
    }
}

void canonical_append_attributes(Buf *buf, Attributes attributes)
{
    CLEANUP(sorted_attributes_deinit) SortedAttributes sorted;

    sorted_attributes_init(&sorted, attributes);
    buf_append_u64le(buf, sorted.count);
    for (size_t i = 0; i < sorted.count; i++) {
        canonical_append_str(buf, sorted.items[i]->key);
        canonical_append_value(buf, &sorted.items[i]->value);
    }
}

bool attributes_same_set(Attributes a, Attributes b)
{
    CLEANUP(sorted_attributes_deinit) SortedAttributes left;
    CLEANUP(sorted_attributes_deinit) SortedAttributes right;

    sorted_attributes_init(&left, a);
    sorted_attributes_init(&right, b);
    if (left.count != right.count) {
        return false;
    }
    for (size_t i = 0; i < left.count; i++) {
        if (!str_equal(left.items[i]->key, right.items[i]->key) ||
            !value_equal(&left.items[i]->value, &right.items[i]->value)) {
            return false;
        }
    }
    return true;
}

uint64_t attributes_set_hash(Attributes attributes)
{
    CLEANUP(buf_deinit) Buf form = {0};

    canonical_append_attributes(&form, attributes);
    return str_hash(buf_str(&form));
}
