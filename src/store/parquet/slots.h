// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/parquet_meta.h"
#include "store/parquet/cache.h"

/* Where decoded pages go: the result of a read while it is put together. */

/* A leaf of the schema. Levels: a slot (a row, or an entry of a MAP) is there when its definition
 * level is at least slot_level, and has a value when it is max_definition. */
typedef struct ParquetLeaf {
    ParquetType type;
    int32_t physical;
    uint32_t size; /* of FIXED */
    unsigned slot_level, max_definition, max_repetition;
    size_t chunk; /* its number in each row group */
} ParquetLeaf;

/* A page while it is decoded. */
typedef struct ParquetPageValues {
    size_t n;
    uint32_t *codes; /* with a dictionary; one more, 0, behind the last */
    int64_t *ints;   /* numbers; booleans as 0 and 1; of pages one more behind the last */
    Str *strs;
} ParquetPageValues;

typedef struct ParquetPage {
    MetaPage meta;
    uint64_t offset;                     /* of the header, for errors */
    Str body;                            /* decompressed */
    uint32_t *repetitions, *definitions; /* NULL: all 0; all max */
    size_t n_levels;
    size_t first, end; /* the values that are wanted, of values.n: others need not be decoded */
    ParquetPageValues values;
} ParquetPage;

/* Slots decoded so far: of the rows asked for, over pages and row groups. */
typedef struct ParquetSlots {
    const ParquetSource *source;
    const ParquetLeaf *leaf;
    Arena *arena;  /* of the result */
    Arena scratch; /* of a page */
    ParseError *error;
    size_t from, to; /* rows of the file */
    size_t n_slots, capacity;
    uint8_t *null;
    bool has_null;
    uint8_t *bools;
    int64_t *ints; /* and doubles by their bits */
    Str *strs;
    uint32_t *codes;
    const ParquetVector *dictionary; /* of codes; NULL: values are materialised */
    bool materialised;
    uint32_t *counts; /* slots per row, of a MAP */

    /* The row group's dictionary, kept over several reads; NULL: not kept. */
    Arena *kept_arena;
    ParquetVector **kept;
    ParquetCache *cache; /* NULL: none */
    size_t cache_slot;   /* of the chunk */
} ParquetSlots;

/* Room for @extra more slots. */
void parquet_slots_reserve(ParquetSlots *slots, size_t extra);

/* From here on the result has values rather than codes. */
void parquet_slots_materialise(ParquetSlots *slots);

/* Puts the wanted rows of the page, which begins at row @first, into slots. Returns its rows. */
size_t parquet_slots_store_page(ParquetSlots *slots, const ParquetPage *page, size_t first,
                                const ParquetVector *dictionary);

void parquet_slots_store_nulls(ParquetSlots *slots, size_t n);
void parquet_slots_deinit(ParquetSlots *slots);
