// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/map_inside.h"

/*
 * Beyond the limit of series the most frequent ones have places, the others are told in (other)
 * (docs/adr/0020). Which are the most frequent changes with every span, so it is looked at when a
 * question comes, and nowhere else: an answer then follows from the set of spans, whatever came
 * first. Everybody is counted for that: those with a place in their series, the others in `rest`.
 *
 * When the choice is another one, it is made as a start makes it, beside the running map: a second
 * one learns the files, with places for the chosen ones. That takes as long as a start does, so the
 * lock is not held meanwhile. What is not in files is in the map's rows that wait for a cut and in
 * the cut that is under way, all by name: it is added to the second one, under the lock, and the
 * two change places. When files came or went meanwhile it is done again; when they did so each
 * time, what is there answers until the next question.
 *
 * Refused: to move single series in and out. The sums of (other) cannot be taken apart without the
 * files (presence, examples), and names that no series has any more would stay in memory.
 */
enum {
    ATTEMPTS = 2,
    FREE_MS = 20, /* what takes no longer is no burden; ... */
    SHARE = 20,   /* ... else one of so many parts of the time goes into choosing */
};

static uint64_t now_ns(const Map *map)
{
    return map->options.clock == NULL ? 0 : clock_monotonic_ns(map->options.clock);
}

/* --- Counting --- */

static SeriesCount count_of(const MapTables *tables, uint32_t number)
{
    const Series *series = tables_series(tables, number);
    MapRow row = {0};

    tables_name_row(tables, number, 0, &row);
    return (SeriesCount){map_row_hash(&row), series->n_counted, series_group(row.kind, row.source)};
}

void choice_note(Map *map, MapTables *beyond)
{
    tables_flush(beyond);
    for (uint32_t i = 0; i < beyond->series.n_records; i++) {
        Series *series = tables_series(beyond, i);

        if (series->n_counted != 0) {
            const SeriesCount count = count_of(beyond, i);

            series_counts_add(&map->choice.rest, count);
            series->n_counted = 0;
        }
    }
}

static void count_all(Map *map)
{
    if (map->tables.beyond != NULL) {
        choice_note(map, map->tables.beyond);
    }
}

/* Everybody; the caller frees it. */
static SeriesCount *candidates(const Map *map, size_t *ret_n)
{
    const MapTables *tables = &map->tables;
    const Table *rest = &map->choice.rest.table;
    size_t n = 0;
    SeriesCount *items = NEW_ARRAY(SeriesCount, tables->series.n_records + rest->n_records + 1);

    for (uint32_t i = 0; i < tables->series.n_records; i++) {
        if (!tables_series(tables, i)->key.is_other) {
            items[n++] = count_of(tables, i);
        }
    }
    mem_copy(items + n, rest->records, rest->n_records * sizeof(items[0]));
    *ret_n = n + rest->n_records;
    return items;
}

static bool has_place(const Places *places, const SeriesCount *item)
{
    if (table_find(&places->contested, &item->group) != NULL) {
        return table_find(&places->contested, &item->hash) != NULL;
    }
    return !places->is_chosen || table_find(&places->chosen, &item->hash) != NULL;
}

/* Those of @items that have no place are the rest. */
static void set_rest(Map *map, const SeriesCount *items, size_t n, const Places *places)
{
    SeriesCounts *rest = &map->choice.rest;

    table_clear(&rest->table);
    for (size_t i = 0; i < n; i++) {
        if (!has_place(places, &items[i])) {
            series_counts_add(rest, items[i]);
        }
    }
}

/* When all that the flows' limits leave have places, only what is left out of these was chosen. */
static uint64_t contested_fingerprint(const Places *places)
{
    uint64_t sum = places->contested.n_records;

    for (size_t i = 0; i < places->contested.n_records; i++) {
        sum += *(const uint64_t *)table_at(&places->contested, i) * 0x9e3779b97f4a7c15U;
    }
    return sum;
}

static void choose_places(const Map *map, SeriesCount *items, size_t n, Places *places)
{
    *places = (Places){.is_chosen = false};
    table_init(&places->chosen, sizeof(uint64_t), sizeof(uint64_t));
    table_init(&places->contested, sizeof(uint64_t), sizeof(uint64_t));
    n = series_counts_limit_groups(items, n, map->options.variants_max, &places->contested);
    places->is_chosen = n > map->options.series_max;
    if (places->is_chosen) { /* among what the flows' limits leave, too */
        table_clear(&places->contested);
    }
    n = series_counts_select(items, n, map->options.series_max);
    for (size_t i = 0; i < n && places->is_chosen; i++) {
        (void)table_put(&places->chosen, &items[i].hash, NULL);
    }
    places->fingerprint =
        places->is_chosen ? series_counts_fingerprint(items, n) : contested_fingerprint(places);
}

void places_deinit(Places *places)
{
    table_deinit(&places->chosen);
    table_deinit(&places->contested);
}

void tables_choose(MapTables *tables, const Places *places)
{
    tables->chosen = places->is_chosen ? &places->chosen : NULL;
    tables->contested = places->contested.n_records > 0 ? &places->contested : NULL;
}

void tables_chosen(MapTables *tables, const Places *places)
{
    tables->chosen = tables->contested = NULL;
    if (places->is_chosen) {
        tables->series_max = tables->series.n_records - tables->n_others;
    }
}

void choice_take(Map *map, SeriesCount *items, size_t n, Places *ret_places)
{
    CLEANUP(mem_freep) SeriesCount *all = NEW_ARRAY(SeriesCount, n + 1);

    mem_copy(all, items, n * sizeof(items[0]));
    choose_places(map, items, n, ret_places);
    set_rest(map, all, n, ret_places);
    map->choice.fingerprint = ret_places->fingerprint;
}

/* --- Changing places --- */

typedef struct Choosing {
    Map *map, *other;
    Places places;
    uint64_t n_changes; /* of files, as @other has learnt them */
} Choosing;

static void apply_rows(MapTables *tables, MapRows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        ASSERT(tables_apply_row(tables, &rows->items[i]) == 0);
    }
    map_rows_deinit(rows);
}

/* The cut that is under way: in files soon, not to be cut again. */
static void add_in_flight(Map *other, const MapPending *pending)
{
    other->pages.cut = pending->number;
    other->pages.committed = pending->number - 1;
    for (size_t i = 0; i < pending->rows.count; i++) {
        ASSERT(tables_add_row(&other->tables, &pending->rows.items[i]) == 0);
    }
}

/* What is in no file. Takes it out of the map. */
static void add_uncommitted(Map *map, Map *other)
{
    MapRows rows;

    if (map->in_flight != NULL) {
        add_in_flight(other, map->in_flight);
    }
    other->pages.cut = map->pages.cut;
    other->pages.committed = map->pages.committed;
    other->pages.fresh_hour = 0;
    tables_cut(&map->tables, &rows);
    apply_rows(&other->tables, &rows);
    if (map->tables.beyond != NULL) {
        tables_cut(map->tables.beyond, &rows);
        apply_rows(&other->tables, &rows);
    }
    tables_flush(&other->tables);
}

/* These are counted already. */
static void forget_counts(MapTables *beyond)
{
    tables_flush(beyond);
    for (uint32_t i = 0; i < beyond->series.n_records; i++) {
        tables_series(beyond, i)->n_counted = 0;
    }
}

static void carry_over(const Map *map, Map *other)
{
    const Pages *pages = &map->pages;

    other->tables.n_refused = map->tables.n_refused;
    other->tables.n_folded = map->tables.n_folded;
    other->tables.n_folded_variants = map->tables.n_folded_variants;
    other->tables.n_cut_names = map->tables.n_cut_names;
    other->tables.n_unnamed = tables_unnamed(&map->tables);
    other->pages.n_loads += pages->n_loads;
    other->pages.n_damaged += pages->n_damaged;
    other->pages.n_evicted = pages->n_evicted;
    other->pages.n_left = pages->n_left;
    other->pages.n_changes = pages->n_changes;
    for (size_t i = 0; i < pages->n_cuts; i++) {
        ASSERT(pages->cuts[i].file == other->pages.cuts[i].file);
        other->pages.cuts[i].is_left = pages->cuts[i].is_left;
    }
}

static void change_places(Map *map, Map *other)
{
    Mappings *mappings = map->tables.mappings;
    MapTables tables = map->tables;
    Pages pages = map->pages;

    map->tables = other->tables;
    other->tables = tables;
    map->pages = other->pages;
    other->pages = pages;
    map->tables.mappings = mappings;
    other->tables.mappings = NULL;
    map->pages.tables = &map->tables;
    map->tables.pager = &map->pages.pager;
    other->pages.tables = &other->tables;
    other->tables.pager = &other->pages.pager;
}

/* A cut under way has its names from the tables that were the map's. */
static void keep_names(Map *map, Map *other)
{
    if (map->in_flight != NULL && map->in_flight->names == NULL) {
        map->in_flight->names = NEW(MapTables);
        *map->in_flight->names = other->tables;
        map->in_flight->names->pager = NULL;
        tables_init(&other->tables, 0);
    }
}

static void take_over(Choosing *choosing)
{
    Map *map = choosing->map, *other = choosing->other;
    size_t n;

    count_all(map);
    CLEANUP(mem_freep) SeriesCount *items = candidates(map, &n);
    set_rest(map, items, n, &choosing->places);
    tables_choose(&other->tables, &choosing->places);
    other->tables.series_max = map->options.series_max;
    add_uncommitted(map, other);
    tables_chosen(&other->tables, &choosing->places);
    if (other->tables.beyond != NULL) {
        forget_counts(other->tables.beyond);
    }
    carry_over(map, other);
    change_places(map, other);
    keep_names(map, other);
    pages_shrink(&map->pages, (PageWindow){0});
    map->choice.fingerprint = choosing->places.fingerprint;
    map->choice.checked += map->choice.checked == map->version; /* nothing came meanwhile */
    map->version++;
}

/* --- When --- */

/* Finds out who is the most frequent now. Returns whether these are others than those that have
 * places; then @choosing is about them. */
static bool find_chosen(Choosing *choosing)
{
    Map *map = choosing->map;
    size_t n;
    CLEANUP(mem_freep) SeriesCount *items = candidates(map, &n);

    choose_places(map, items, n, &choosing->places);
    if (choosing->places.fingerprint == map->choice.fingerprint) {
        return false;
    }
    choosing->other = map_new(&map->options);
    pages_copy_files(&choosing->other->pages, &map->pages);
    choosing->n_changes = map->pages.n_changes;
    return true;
}

/* Returns whether the right ones have places now. Not so when there are other files than those that
 * were read, without the lock. */
static bool choose(Map *map)
{
    Choosing choosing = {.map = map};

    map_lock_flushed(map);
    count_all(map);
    map->choice.checked = map->version;
    bool another = find_chosen(&choosing);
    if (!another) {
        map_unlock(map);
        places_deinit(&choosing.places);
        return true;
    }
    map_unlock(map);
    tiers_learn(choosing.other, &choosing.places);
    map_lock_flushed(map);
    bool done = choosing.n_changes == map->pages.n_changes;
    if (done) {
        take_over(&choosing);
    }
    map_unlock(map);
    places_deinit(&choosing.places);
    map_free(choosing.other);
    return done;
}

static bool is_due(const Map *map)
{
    const Choice *choice = &map->choice;

    return (map->tables.beyond != NULL || choice->rest.table.n_records > 0) &&
           choice->checked != map->version && now_ns(map) >= choice->not_before_ns &&
           !choice->is_running;
}

/* Whether this thread is the one that chooses now. */
static bool begin(Map *map)
{
    map_lock_shared(map);
    bool due = is_due(map);
    map_unlock(map);
    if (due) {
        map_lock(map);
        due = is_due(map);
        map->choice.is_running |= due;
        map_unlock(map);
    }
    return due;
}

void choice_refresh(Map *map)
{
    bool done = false;

    if (!begin(map)) {
        return;
    }
    uint64_t start_ns = now_ns(map);
    for (int i = 1; i <= ATTEMPTS && !done; i++) {
        done = choose(map);
    }
    uint64_t end_ns = now_ns(map);
    map_lock(map);
    map->choice.is_running = false;
    if (!done) {
        map->choice.checked = map->version - 1;
    }
    if (end_ns - start_ns > FREE_MS * 1000000U) {
        map->choice.not_before_ns = end_ns + (end_ns - start_ns) * (SHARE - 1);
    }
    map_unlock(map);
}
