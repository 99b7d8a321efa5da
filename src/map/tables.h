// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "map/series/cells.h"
#include "map/series/exemplars.h"
#include "map/series/presence.h"

/*
 * What the map knows: series of cells, keyed by interned nodes and texts. Behind Map's lock.
 *
 *   delta -> hot (a hash of unpacked cells)  -- flush -->  cold (packed series): all questions
 *                                            \-- flush -->  pending -- cut -->  a table file
 *
 * Everything that questions look at is in the cold series, and there sums are whole: no cell is
 * negative or zero once the deltas of a settled trace are all in. Hence a question flushes first.
 */
typedef enum SeriesKind {
    SERIES_EDGE = DELTA_EDGE,             /* a: source, b: target */
    SERIES_HOP = DELTA_HOP,               /* a: producer, b: consumer, c: queue */
    SERIES_REQUEST = DELTA_REQUEST,       /* a: service, b: text of the span name */
    SERIES_PROOF = DELTA_PROOF,           /* a: name, b: service; a cell's minute is a day */
    SERIES_UNRESOLVED = DELTA_UNRESOLVED, /* a: service */
    SERIES_ORPHAN = DELTA_ORPHAN,         /* a: service */
    SERIES_FINDING = DELTA_FINDING,       /* a: service or queue, b: text of the code */
    SERIES_LABEL = DELTA_LABEL,           /* a: node, b, c: texts of key, value; cells by day, of
                                             service.version by minute */
    SERIES_SPAN = DELTA_SPAN,             /* a: service */
    SERIES_NO_FLOW = DELTA_NO_FLOW,       /* a: service, b: text of the step's name */
    SERIES_RUN = DELTA_RUN,               /* a: flow */
    SERIES_NO_RUN_ID = DELTA_NO_RUN_ID,   /* a: flow */
    SERIES_VARIANT = DELTA_VARIANT,       /* a: flow, b: text of the sequence (flow/run.h) */
    SERIES_START = DELTA_START,           /* a: step */
    SERIES_END = DELTA_END,               /* a: step */
    SERIES_STEP = DELTA_STEP,             /* a: step */
    SERIES_NEXT = DELTA_NEXT,             /* a, b: steps */
    SERIES_FLOW,                          /* a: series of the edge, b, c: texts of flow, step */
    SERIES_KINDS,
} SeriesKind;

typedef struct SeriesKey {
    uint8_t kind, relation, rule;
    uint8_t is_other; /* it stands for series beyond the limit, whose rows have their own names */
    uint32_t a, b, c;
} SeriesKey;

enum {
    SERIES_MAX = 1 << 22,
    SERIES_REMEMBERED = 1 << 10,
    SERIES_BEYOND_MIN = 1 << 12, /* kept by name until the next cut, beside those that are known */
    SERIES_BEYOND_MAX = 1 << 18,
    SERIES_FOLD_MIN = 1 << 16,
    SERIES_FOLD_MAX = SERIES_MAX + SERIES_BEYOND_MAX, /* in memory while files are merged */
    SERIES_NONE = UINT32_MAX,
    MINUTES_PER_HOUR = 60,
    MINUTES_PER_DAY = 1440,
    EXEMPLAR_MINUTES = 10, /* exemplars are kept for each so many minutes of a series */
};

/* How many (other)s there may be beside them, and series that are kept by name until a cut. */
static inline size_t tables_beyond_max(size_t series_max)
{
    size_t n = series_max / 4;

    n = n < SERIES_BEYOND_MIN ? SERIES_BEYOND_MIN : n;
    return n > SERIES_BEYOND_MAX ? SERIES_BEYOND_MAX : n;
}

/* How many series are in memory while files are merged: no cut has more of them. */
static inline size_t tables_fold_max(size_t series_max)
{
    size_t n = 2 * series_max;

    n = n < SERIES_FOLD_MIN ? SERIES_FOLD_MIN : n;
    return n > SERIES_FOLD_MAX ? SERIES_FOLD_MAX : n;
}

/* The exemplars of a stretch of EXEMPLAR_MINUTES. */
typedef struct ExemplarSlot {
    uint32_t minute; /* its first */
    Exemplars set;
} ExemplarSlot;

typedef struct Series {
    SeriesKey key;
    Cells cells;         /* of the minutes that are in memory, see Pager */
    Cells *counts;       /* the calls by minute of thin hours; NULL: none */
    Presence presence;   /* over its whole life */
    ExemplarSlot *slots; /* by minute, as the cells */
    uint32_t n_slots, slots_capacity;
    int64_t n_counted;              /* over its whole life: who is rare, beyond series_max */
    uint32_t first_flow, next_flow; /* edges: chain of their flows' series; SERIES_NONE ends it */
} Series;

/* The names of a series, as deltas and rows have them. */
typedef struct SeriesNames {
    SeriesKind kind;
    Relation relation;
    Rule rule;
    Str source, target, via, name, value;
    bool is_other;
} SeriesNames;

typedef struct TablesNode {
    NodeKey key;
    uint32_t n_series;   /* that name it and are present: 0 means that it is not known (any more) */
    uint32_t n_variants; /* of a flow: series of its variants */
    bool is_contested;   /* of a flow: there are others, told in an (other) one */
} TablesNode;

/* Who keeps cells in files. Before @tables adds to an hour or looks at one, it asks for its minutes
 * to be in memory.
 *
 * A thin hour has its sums in one cell, at its first minute; of its minutes only the counts are
 * known, in Series.counts, so that presence stays exact. */
typedef struct Pager {
    void (*need_minutes)(struct Pager *pager, uint32_t from_minute, uint32_t to_minute);
    bool (*is_thin)(const struct Pager *pager, uint32_t minute);
} Pager;

typedef struct MapTables {
    Pager *pager;    /* NULL: all is in memory */
    bool keep_taken; /* exemplars that were taken back are to cancel others that come later */
    uint32_t presence_gap;
    Mappings *mappings; /* the map's, for its questions; NULL: none */
    Symbols nodes, texts;
    TablesNode *node; /* by symbol of nodes */
    size_t node_capacity;
    Table series;
    Table hot, hot_exemplars, pending, pending_exemplars;
    size_t series_max;  /* further ones are told in (other), or not at all: SERIES_MAX */
    size_t beyond_max;  /* series in @beyond; (other) series */
    size_t n_others;    /* (other) series, on top of these */
    size_t others_room; /* how many there may be, while one is made; else 0 */
    bool folds;         /* what has no place is added to an (other) series, and kept in @beyond */
    bool is_beyond;     /* these are another's: what has no place here is kept as (other) */
    struct MapTables *beyond; /* since the last cut; NULL: none */
    size_t variants_max; /* of a flow, further ones are told in its (other) one; 0: any number */
    bool has_contested;  /* there is a flow with more */
    const struct Table *chosen; /* while files are learnt: hashes of series; NULL: any may come */
    const struct Table *contested;          /* ... of flows with more variants than may be, by
                                               series_group(), and of the variants that have places */
    uint32_t remembered[SERIES_REMEMBERED]; /* + 1: series that deltas named, by a cheap hash */
    uint64_t n_refused, n_folded;           /* deltas without a series; those told in (other) */
    uint64_t n_folded_variants;             /* ... for a flow has too many variants */
    uint64_t n_unnamed;   /* those that @beyond had no place for, up to the last cut */
    uint64_t n_cut_names; /* names longer than they may be */
} MapTables;

void tables_init(MapTables *tables, uint32_t presence_gap);
void tables_deinit(MapTables *tables);

static inline Series *tables_series(const MapTables *tables, size_t number)
{
    return table_at(&tables->series, number);
}

/* Position of the first of its slots at or after @minute; n_slots when there is none. */
uint32_t series_slot(const Series *series, uint32_t minute);

/* The set of a slot, made if it is new; takes slots and counts of a time out of memory. */
Exemplars *series_exemplars(Series *series, uint32_t minute);
void series_slots_remove(Series *series, uint32_t from_minute, uint32_t to_minute);
void series_counts_remove(Series *series, uint32_t from_minute, uint32_t to_minute);

/* Of the latest exemplar that may be of from <= minute < to; all zero when there is none. */
TraceId series_latest_example(const Series *series, uint32_t from_minute, uint32_t to_minute);

/* Whether b of its series is a text, a span's, label's, step's or sequence's name. */
bool series_has_name(SeriesKind kind);

/* Whether the kind's cells may be kept in files; proofs are few and always looked at. */
static inline bool series_is_paged(SeriesKind kind)
{
    return kind != SERIES_PROOF;
}

/* How many of a series' a, b, c are nodes that it makes known. */
size_t series_node_count(SeriesKind kind);

/* Number of the series, made if there is room; SERIES_NONE when there is none. Returns 0; 1 when it
 * names a node that is none. */
MUST_USE int tables_intern(MapTables *tables, const SeriesNames *names, uint32_t *ret_series);

/* As tables_intern(), for names that are keys: mostly those of a series that was just named. */
uint32_t tables_find(MapTables *tables, const SeriesNames *names);

static inline bool tables_are_full(const MapTables *tables)
{
    return tables->series.n_records - tables->n_others >= tables->series_max;
}

/* The (other) series that stands for one that has no place, made if need be; SERIES_NONE: none
 * does. From fine to coarse: of the same source, of its scope and environment, of everything. */
uint32_t tables_other_series(MapTables *tables, const SeriesNames *names);

/* Identifies a series among all, for `chosen`. @flow, @step: empty, or of SERIES_FLOW. */
uint64_t series_names_hash(const SeriesNames *names, Str flow, Str step);

/* What a series is one of many of: a flow, of its variants; 0: nothing. */
uint64_t series_group(SeriesKind kind, Str source);

/* Hands over what has no place here, for a cut; the caller frees it after the rows. NULL: none. */
MapTables *tables_take_beyond(MapTables *tables);
MapTables *map_tables_free(MapTables *tables);

/* Deltas beyond the limit whose own names files do not have: they stay in (other) for good. */
uint64_t tables_unnamed(const MapTables *tables);

/* How full @beyond is, in parts of BEYOND_PARTS. */
enum { BEYOND_PARTS = 8 };
static inline size_t tables_beyond_fill(const MapTables *tables)
{
    const MapTables *beyond = tables->beyond;

    return beyond == NULL ? 0 : beyond->series.n_records * BEYOND_PARTS / beyond->series_max;
}

/* Adds @sign times @delta to the hot cells. What has no place in series_max series goes to an
 * (other) one and, by its own names, into @beyond; it is counted in n_folded, or in n_refused when
 * that is not possible. */
void tables_apply(MapTables *tables, const Delta *delta, int sign);

/* Moves the hot cells into the cold series and the pending rows. */
void tables_flush(MapTables *tables);

/* Where what waits for that lies: the minute of the @i-th. */
size_t tables_hot_count(const MapTables *tables);
uint32_t tables_hot_minute(const MapTables *tables, size_t i);

static inline bool tables_need_flush(const MapTables *tables)
{
    return tables->hot.n_records > 0 || tables->hot_exemplars.n_records > 0;
}

/* What an answer tells of them: the tables may forget names that no series has any more. */
NodeKey tables_copy_node(const MapTables *tables, uint32_t node, Arena *arena);
Str tables_copy_text(const MapTables *tables, uint32_t text, Arena *arena);

size_t tables_memory(const MapTables *tables);

/* A row of a table file: the sums of one series in one minute, spelled out. Str fields that the
 * kind lacks are empty. */
typedef struct MapRow {
    SeriesKind kind;
    Relation relation;
    Rule rule;
    uint32_t minute;
    Str source, target, via, name, value, flow, step;
    CellValue sum;
    Exemplars exemplars;
    Str minutes;  /* hours: cells_pack() of its minutes */
    Str presence; /* days: presence_pack() */
} MapRow;

typedef struct MapRows {
    MapRow *items;
    size_t count, capacity;
} MapRows;

void map_rows_deinit(MapRows *rows);

/* Appends a zeroed row, valid until the next call. */
MapRow *map_rows_add(MapRows *rows);

/* Hands over the pending rows (flushed before). Their Strs live as long as the tables. */
void tables_cut(MapTables *tables, MapRows *ret_rows);

SeriesNames map_row_names(const MapRow *row);

/* Does what the deltas did whose sum the row is, not committed yet. Returns 0; 1 when it names a
 * node that is none. */
MUST_USE int tables_apply_row(MapTables *tables, const MapRow *row);

/* The row's series, told apart or not, among all: series_names_hash(). */
uint64_t map_row_hash(const MapRow *row);

/* Adds a row to the cold series. Returns 0; 1 when it names a node that is none. */
MUST_USE int tables_add_row(MapTables *tables, const MapRow *row);

/* Number of the row's series, made if it is new, or of the (other) one that stands for it;
 * SERIES_NONE when there are too many, which is counted unless they fold. Returns 0; 1 when the row
 * names a node that is none. */
MUST_USE int tables_row_series(MapTables *tables, const MapRow *row, uint32_t *ret_series);

/* What a delta does: adds to a cell, brought into memory before, and to presence. */
void tables_add_cell(MapTables *tables, uint32_t series, uint32_t minute, const CellValue *value);
void tables_add_exemplars(MapTables *tables, uint32_t series, uint32_t minute,
                          const Exemplars *from);

/* What a page does: adds to cells or presence alone, without the other. Forgetting takes the cells
 * and exemplars of a time out of memory. */
void tables_put_cell(MapTables *tables, uint32_t series, uint32_t minute, const CellValue *value);
void tables_put_exemplars(MapTables *tables, uint32_t series, uint32_t minute,
                          const Exemplars *from);
void tables_put_presence(MapTables *tables, uint32_t series, uint32_t minute);
MUST_USE int tables_unpack_presence(MapTables *tables, uint32_t series, uint32_t from_minute,
                                    uint32_t to_minute, Str bytes);
void tables_forget_cells(MapTables *tables, uint32_t from_minute, uint32_t to_minute);
void tables_forget_presence(MapTables *tables, uint32_t from_minute, uint32_t to_minute);

/* Cells, exemplars and presence of these hours (sorted) at once. */
void tables_forget_hours(MapTables *tables, const uint32_t *hours, size_t n);

/* What a thin hour asks for (tables_thin.c). @minute is one of it; put_count and add_thin return
 * how the number of its minutes with calls changed. */
bool tables_is_thin(const MapTables *tables, const Series *series, uint32_t minute);
int tables_add_thin(MapTables *tables, uint32_t series, uint32_t minute, const CellValue *value);
int tables_put_count(MapTables *tables, uint32_t series, uint32_t minute, int64_t count);
MUST_USE int tables_unpack_counts(MapTables *tables, uint32_t series, uint32_t from_minute,
                                  uint32_t to_minute, Str minutes); /* cells_pack()'s */
void tables_put_thin_exemplars(MapTables *tables, uint32_t series, uint32_t minute,
                               const Exemplars *from);

/* Makes an hour thin that is in memory minute by minute. */
void tables_thin(MapTables *tables, uint32_t hour);

/* The nearest minute with calls of from <= minute < before, of from <= minute < to, in thin hours
 * and others; PRESENCE_NONE: none. */
uint32_t tables_calls_before(const MapTables *tables, const Series *series, uint32_t from,
                             uint32_t before);
uint32_t tables_calls_after(const MapTables *tables, const Series *series, uint32_t from,
                            uint32_t to);

/* The names of a series at @minute, without sums; views live as long as the tables. */
void tables_name_row(const MapTables *tables, uint32_t series, uint32_t minute, MapRow *row);
