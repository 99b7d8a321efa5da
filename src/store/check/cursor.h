// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * Bytes and Thrift for the checker alone. What it must not share with the programs that write and
 * read data directories is written here a second time: varints, bit-packed runs, Thrift's compact
 * protocol. Shared are base (Str, Buf, Arena), the file system, and XXH3, CRC-32, zstd and LZ4 as
 * their libraries have them.
 */
typedef struct Cursor {
    const uint8_t *at, *end, *start;
    bool is_bad; /* something ended too early or was impossible; all further takes give 0 */
} Cursor;

Cursor cursor_of(Str bytes);
static inline size_t cursor_left(const Cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}
static inline size_t cursor_offset(const Cursor *cursor)
{
    return (size_t)(cursor->at - cursor->start);
}

/* Each takes from the front; what is not there sets is_bad. */
uint64_t cursor_fixed(Cursor *cursor, size_t size); /* little-endian, at most 8 bytes */
uint64_t cursor_leb(Cursor *cursor);
int64_t cursor_zigzag(Cursor *cursor);
Str cursor_bytes(Cursor *cursor, uint64_t len);
Str cursor_counted(Cursor *cursor); /* a LEB128 length and the bytes */

/* @n numbers of @width bits in Parquet's RLE and bit-packing hybrid. */
void cursor_hybrid(Cursor *cursor, unsigned width, uint32_t *values, size_t n);

/* A Thrift value: a struct or list has its members in @first and their @next. */
typedef struct Node Node;
struct Node {
    int16_t field;
    uint8_t type;
    int64_t number;
    Str bytes;
    Node *first, *next;
};

/* A struct that begins at the cursor, in @arena; NULL (and is_bad) when it is malformed. */
const Node *cursor_struct(Cursor *cursor, Arena *arena);

const Node *node_get(const Node *node, int16_t field);
int64_t node_number(const Node *node, int16_t field, int64_t otherwise);
Str node_bytes(const Node *node, int16_t field);
size_t node_count(const Node *node); /* members */
