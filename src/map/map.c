// SPDX-License-Identifier: Apache-2.0
#include "map/map.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/answer/answer.h"
#include "map/answer/consult.h"
#include "map/answer/mappings.h"
#include "map/flow/runs.h"
#include "map/answer/profile.h"
#include "map/layout/layout.h"
#include "map/map_inside.h"
#include "map/page_load.h"

/*
 * One writer, many readers. The lock prefers the writer: a page that polls the map must not hold up
 * the applier, behind which every request's spans wait. A question first moves the hot cells into
 * the cold series (see tables.h) and then reads under the shared lock; the layout, which needs
 * nothing but the answer, comes after it.
 */
enum {
    PRESENCE_GAP_MINUTES = 5,
    NODES_MAX = 10000,
    EDGES_MAX = 100000,
    CHILDREN_MAX = 1000, /* collections of a database, steps of a flow */
    FLOW_VARIANTS_MAX = 10000,
};

static size_t or_default(size_t value, size_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static MapOptions fill_options(const MapOptions *options)
{
    MapOptions filled = options == NULL ? (MapOptions){0} : *options;

    if (filled.presence_gap_minutes == 0) {
        filled.presence_gap_minutes = PRESENCE_GAP_MINUTES;
    }
    filled.nodes_max = or_default(filled.nodes_max, NODES_MAX);
    filled.edges_max = or_default(filled.edges_max, EDGES_MAX);
    filled.collections_max = or_default(filled.collections_max, CHILDREN_MAX);
    filled.flow_names_max = or_default(filled.flow_names_max, CHILDREN_MAX);
    filled.variants_max = or_default(filled.variants_max, FLOW_VARIANTS_MAX);
    filled.cells_bytes_max = or_default(filled.cells_bytes_max, PAGES_BYTES_DEFAULT);
    filled.series_max = MIN(or_default(filled.series_max, SERIES_MAX), (size_t)SERIES_MAX);
    filled.fold_series_max = or_default(filled.fold_series_max, tables_fold_max(filled.series_max));
    return filled;
}

static void init_tables(Map *map)
{
    tables_init(&map->tables, map->options.presence_gap_minutes);
    map->tables.series_max = map->options.series_max;
    map->tables.beyond_max = tables_beyond_max(map->options.series_max);
    map->tables.variants_max = map->options.variants_max;
    map->tables.folds = true;
}

void map_reset_tables(Map *map)
{
    Mappings *mappings = map->tables.mappings;

    tables_deinit(&map->tables);
    init_tables(map);
    map->tables.mappings = mappings;
    map->tables.pager = &map->pages.pager;
}

Map *map_new(const MapOptions *options)
{
    Map *map = NEW(Map);
    pthread_rwlockattr_t attributes;

    ASSERT(pthread_rwlockattr_init(&attributes) == 0);
    ASSERT(pthread_rwlockattr_setkind_np(&attributes,
                                         PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    ASSERT(pthread_rwlock_init(&map->lock, &attributes) == 0);
    ASSERT(pthread_mutex_init(&map->loader, NULL) == 0);
    pthread_rwlockattr_destroy(&attributes);
    map->options = fill_options(options);
    init_tables(map);
    map->runs = runs_new();
    pages_init(&map->pages, &map->tables, map->options.cells_bytes_max);
    map->merges.fold_max = FOLD_MAX;
    series_counts_init(&map->choice.rest, map->options.fold_series_max);
    return map;
}

Map *map_free(Map *map)
{
    if (map != NULL) {
        mappings_unref(map->tables.mappings);
        pages_deinit(&map->pages);
        page_hours_deinit(&map->merges.left_days);
        tables_deinit(&map->tables);
        series_counts_deinit(&map->choice.rest);
        runs_free(map->runs);
        pthread_rwlock_destroy(&map->lock);
        pthread_mutex_destroy(&map->loader);
        mem_free(map);
    }
    return NULL;
}

void map_lock(Map *map)
{
    ASSERT(pthread_rwlock_wrlock(&map->lock) == 0);
}

void map_lock_shared(Map *map)
{
    ASSERT(pthread_rwlock_rdlock(&map->lock) == 0);
}

void map_unlock(Map *map)
{
    ASSERT(pthread_rwlock_unlock(&map->lock) == 0);
}

/* For CLEANUP on a Map pointer that map_read() gave. */
static void map_unlockp(Map **map)
{
    map_unlock(*map);
}

enum { READ_ATTEMPTS = 3 };

static const PageWindow no_window = {0, 0, MINUTES_PER_DAY};

/* The hours that hot cells lie in, with the lock shared. They come in runs. */
static void fetch_hot(const Map *map, PageFetch *fetch)
{
    uint32_t last = UINT32_MAX;

    for (size_t i = 0; i < tables_hot_count(&map->tables); i++) {
        uint32_t hour = tables_hot_minute(&map->tables, i) / MINUTES_PER_HOUR;

        if (hour != last && fetch->bytes < PAGE_FETCH_BYTES) {
            page_fetch_hour(fetch, &map->pages, hour);
        }
        last = hour;
    }
}

void map_lock_flushed(Map *map)
{
    CLEANUP(page_fetch_deinit) PageFetch fetch = {0};

    map_lock_shared(map);
    fetch_hot(map, &fetch);
    map_unlock(map);
    page_fetch_read(&fetch);
    map_lock(map);
    map->pages.fetched = &fetch;
    tables_flush(&map->tables);
    map->pages.fetched = NULL;
}

/* Brings the window into memory, some days at a time, so that others get the lock in between. Once
 * through: what they let go meanwhile is read by the pages_need() behind it, as a window that is
 * larger than memory would never be there as a whole. */
static void load_window(Map *map, PageWindow window)
{
    bool more = true;
    size_t at = 0;

    ASSERT(pthread_mutex_lock(&map->loader) == 0);
    while (more) {
        CLEANUP(page_fetch_deinit) PageFetch fetch = {0};

        map_lock_shared(map);
        more = page_fetch_window(&fetch, &map->pages, window, &at);
        map_unlock(map);
        if (!more) {
            break;
        }
        page_fetch_read(&fetch);
        map_lock(map);
        map->pages.fetched = &fetch;
        pages_need_days(&map->pages, window, fetch.days, fetch.n_days);
        map->pages.fetched = NULL;
        map_unlock(map);
    }
    ASSERT(pthread_mutex_unlock(&map->loader) == 0);
}

/* Takes the lock, with everything that was applied in the cold series and the window in memory:
 * shared, but after some attempts in which others let go what this one had loaded. */
static Map *map_read(Map *map, PageWindow window)
{
    choice_refresh(map);
    for (int i = 0; i < READ_ATTEMPTS; i++) {
        map_lock_shared(map);
        bool have = pages_have(&map->pages, window);
        if (have && !tables_need_flush(&map->tables)) {
            return map;
        }
        map_unlock(map);
        if (!have) {
            load_window(map, window);
        }
        map_lock_flushed(map);
        pages_need(&map->pages, window);
        pages_shrink(&map->pages, window);
        if (i + 1 < READ_ATTEMPTS) {
            map_unlock(map);
        }
    }
    return map;
}

void map_set_mappings(Map *map, Mappings *mappings)
{
    mappings_ref(mappings);
    map_lock(map);
    Mappings *before = map->tables.mappings;
    map->tables.mappings = mappings;
    map->version++;
    map_unlock(map);
    mappings_unref(before);
}

void map_apply(Map *map, const Deltas *deltas, int sign)
{
    if (deltas->count == 0) {
        return;
    }
    map_lock(map);
    uint64_t beyond = map->tables.n_refused + map->tables.n_folded;
    for (size_t i = 0; i < deltas->count; i++) {
        tables_apply(&map->tables, &deltas->items[i], sign);
    }
    map->deltas_applied += deltas->count;
    map->version++;
    bool is_first = beyond == 0 && map->tables.n_refused + map->tables.n_folded > 0;
    map_unlock(map);
    if (is_first) {
        log_warn("map is full: new edges and names are told in (other)",
                 LOG_U64("series", map->options.series_max));
    }
}

Runs *map_runs(Map *map)
{
    return map->runs;
}

bool map_knows_flows(Map *map)
{
    CLEANUP(map_unlockp) Map *locked = map_read(map, no_window);
    const MapTables *tables = &locked->tables;
    bool found = false;

    for (size_t i = 0; i < symbols_count(&tables->nodes) && !found; i++) {
        NodeType type = tables->node[i].key.type;

        found = tables->node[i].n_series > 0 && (type == NODE_FLOW || type == NODE_STEP);
    }
    return found;
}

/* --- Questions --- */

enum { LIFE_DAYS = 30 };

static PageWindow question_window(const MapQuestion *question)
{
    return (PageWindow){question->from_minute, question->to_minute,
                        question->with_profiles ? profile_unit(question) : MINUTES_PER_DAY};
}

int map_consult(Map *map, PageWindow window, MapConsult consult, void *context)
{
    CLEANUP(map_unlockp) Map *locked = map_read(map, window);

    return consult(&locked->tables, &locked->options, context);
}

bool map_widen(Map *map, uint32_t *from_minute, uint32_t *to_minute, uint32_t *step)
{
    CLEANUP(map_unlockp) Map *locked = map;
    PageWindow window = {*from_minute, *to_minute, 1};

    map_lock_shared(map);
    bool thin = pages_widen(&locked->pages, &window);
    *from_minute = window.from_minute;
    *to_minute = window.to_minute;
    if (thin && step != NULL) {
        uint32_t rest = *to_minute % MINUTES_PER_HOUR;

        *from_minute -= *from_minute % MINUTES_PER_HOUR;
        *to_minute += rest > 0 ? MINUTES_PER_HOUR - rest : 0;
        *step = (*step + MINUTES_PER_HOUR - 1) / MINUTES_PER_HOUR * MINUTES_PER_HOUR;
    }
    return thin;
}

int map_ask(Map *map, const MapQuestion *question, Arena *arena, MapAnswer *ret_answer)
{
    MapQuestion asked = *question;
    PageWindow window = question_window(question);
    MapAnswer answer;

    map_read(map, window);
    asked.by_hours = pages_widen(&map->pages, &window);
    asked.from_minute = window.from_minute;
    asked.to_minute = window.to_minute;
    int result = answer_ask(&map->tables, &map->options, &asked, arena, &answer);
    map_unlock(map);
    TRY(result);
    if (question->with_layout) {
        map_place(map, question, &answer);
    }
    *ret_answer = answer;
    return 0;
}

/* The question whose picture the nodes stand in: all that was seen in the days before. */
static MapQuestion question_of_life(const MapQuestion *question)
{
    uint64_t end = (uint64_t)(question->to_minute / MINUTES_PER_DAY + 1) * MINUTES_PER_DAY;
    MapQuestion life = *question;

    life.to_minute = (uint32_t)MIN(end, (uint64_t)UINT32_MAX);
    life.from_minute = MIN(question->from_minute, life.to_minute > LIFE_DAYS * MINUTES_PER_DAY
                                                      ? life.to_minute - LIFE_DAYS * MINUTES_PER_DAY
                                                      : 0);
    life.with_layout = life.with_profiles = false;
    life.by_presence = true;
    return life;
}

static int compare_node_ids(const void *a, const void *b)
{
    return str_compare(((const MapNode *)a)->id, ((const MapNode *)b)->id);
}

/* Puts the nodes where those of @life stand. Returns whether all are there. */
static bool copy_places(const MapAnswer *life, MapAnswer *answer)
{
    for (size_t i = 0; i < answer->n_nodes; i++) {
        MapNode *node = &answer->nodes[i];
        const MapNode *place = life->n_nodes == 0 ? NULL
                                                  : bsearch(node, life->nodes, life->n_nodes,
                                                            sizeof(*node), compare_node_ids);

        if (place == NULL) {
            return false;
        }
        node->x = place->x, node->y = place->y;
        node->width = place->width, node->height = place->height;
        node->layer = place->layer;
    }
    return true;
}

void map_place(Map *map, const MapQuestion *question, MapAnswer *answer)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapQuestion life_question = question_of_life(question);
    MapAnswer life = {0};

    if (question->focus.len > 0 || question->flow.len > 0) {
        layout_answer(answer); /* a part is looked at by itself: close together */
        return;
    }
    map_read(map, no_window);
    int r = answer_outline(&map->tables, &map->options, &life_question, &arena, &life);
    map_unlock(map);
    if (r == 0) {
        layout_answer(&life);
    }
    if (r != 0 || !copy_places(&life, answer)) {
        layout_answer(answer); /* what is folded has no life of its own */
    } else {
        layout_pack_tables(answer);
    }
}

static Str copy_node_id(Str key_bytes, Arena *arena)
{
    CLEANUP(buf_deinit) Buf id = {0};

    node_id_append(key_bytes, &id);
    return arena_copy(arena, buf_str(&id));
}

static Str copy_node_label(Str key_bytes, Arena *arena)
{
    NodeKey key;

    ASSERT(node_key_parse(key_bytes, &key) == 0);
    return arena_copy(arena, node_key_label(&key));
}

void map_locate(Map *map, const Delta *deltas, size_t n, Arena *arena, MapPlace *ret_places)
{
    CLEANUP(buf_deinit) Buf edge_id = {0};
    CLEANUP(map_unlockp) Map *locked = map_read(map, no_window);
    Resolver *resolver = resolver_new(&locked->tables, &(MapQuestion){0}, arena);

    for (size_t i = 0; i < n; i++) {
        ASSERT(deltas[i].kind == DELTA_EDGE);
        Str target = resolver_target_key(resolver, &deltas[i]);

        buf_clear(&edge_id);
        answer_edge_id(deltas[i].source, deltas[i].relation, target, &edge_id);
        ret_places[i] = (MapPlace){
            .edge_id = arena_copy(arena, buf_str(&edge_id)),
            .source_id = copy_node_id(deltas[i].source, arena),
            .target_id = copy_node_id(target, arena),
            .source_name = copy_node_label(deltas[i].source, arena),
            .target_name = copy_node_label(target, arena),
        };
        ASSERT(node_key_parse(arena_copy(arena, target), &ret_places[i].target) == 0);
    }
    resolver_free(resolver);
}

/* --- Status --- */

void map_status(Map *map, MapStatus *ret_status)
{
    CLEANUP(map_unlockp) Map *locked = map_read(map, no_window);
    const MapTables *tables = &locked->tables;
    MapStatus status = {.deltas_applied = locked->deltas_applied,
                        .version = locked->version,
                        .bytes = tables_memory(tables),
                        .series = tables->series.n_records,
                        .series_max = locked->options.series_max,
                        .folded = tables->n_folded,
                        .folded_variants = tables->n_folded_variants,
                        .refused = tables->n_refused,
                        .unnamed = tables_unnamed(tables),
                        .cut_names = tables->n_cut_names,
                        .file_reads = locked->pages.n_loads,
                        .damaged_reads = locked->pages.n_damaged,
                        .left_files = locked->pages.n_left,
                        .evicted_hours = locked->pages.n_evicted};

    status.sparse_hours = pages_sparse_hours(&locked->pages);
    for (size_t i = 0; i < symbols_count(&tables->nodes); i++) {
        status.nodes += tables->node[i].n_series > 0 && tables->node[i].key.type != NODE_NAME;
    }
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        const Presence *presence = &series->presence;
        bool is_edge = series->key.kind == SERIES_EDGE;

        if (presence->n_runs == 0 || (!is_edge && series->key.kind != SERIES_SPAN)) {
            continue;
        }
        uint32_t first = presence->runs[0].first_minute;
        status.edges += is_edge;
        status.edge_minutes += is_edge ? series->cells.n_cells : 0;
        status.newest_minute =
            MAX(status.newest_minute, presence->runs[presence->n_runs - 1].last_minute);
        status.oldest_minute = status.oldest_minute == 0 ? first : MIN(status.oldest_minute, first);
    }
    *ret_status = status;
}

uint64_t map_version(Map *map)
{
    ASSERT(pthread_rwlock_rdlock(&map->lock) == 0);
    uint64_t version = map->version;

    map_unlock(map);
    return version;
}
