// SPDX-License-Identifier: Apache-2.0
#include "map/tiers.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"
#include "map/map_inside.h"
#include "map/roll_up.h"

/*
 * Plans, in the order in which they are looked for:
 *
 *   expire   hours and days whose newest rows came too long ago go, unread
 *   fold     cut files become hours: inputs are the cut files, the hours that they touch, or the
 *            sparse files that have these, their days (made anew later) and the facts
 *   day      the hours of a day that is over add up to the day; nothing goes
 *   thin     hours whose newest rows came long ago keep of their minutes no more than the counts
 *
 * A fold writes FOLD_MAX files at most; what the cut files have beyond these hours comes out
 * as a cut file again. One that has more series than fit in memory is planned with half as many;
 * what does not fit by itself stays as it is. The map's lock is held while lists are looked at,
 * never while files are read or written: the writer thread alone changes the lists, so they stay as
 * they were planned.
 */
enum {
    PLAN_EXPIRE,
    PLAN_FOLD, /* with its last hour */
    PLAN_DAY,  /* with the day */
    PLAN_THIN,
    PLAN_BITS = 2,
    FOLD_AFTER_S = 2 * 3600, /* few cut files, too, when they have waited for so long */
    CUT_FILES_MAX = 32,
    THIN_HOURS_MAX = 6, /* at a time, of one day: cuts wait for it */
};

#define KEPT_S ((uint64_t)396 * 24 * 3600)
#define MINUTES_KEPT_S ((uint64_t)31 * 24 * 3600)

/* --- Cuts --- */

static void collect_hours(const MapRows *rows, PageHours *hours)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (series_is_paged(rows->items[i].kind)) {
            page_hours_add(hours, rows->items[i].minute / MINUTES_PER_HOUR);
        }
    }
    page_hours_sort(hours);
}

static void add_beyond(MapTables *beyond, MapRows *rows)
{
    MapRows more;

    tables_cut(beyond, &more);
    for (size_t i = 0; i < more.count; i++) {
        *map_rows_add(rows) = more.items[i];
    }
    mem_free(more.items);
}

MapRoom map_room(Map *map)
{
    map_lock_shared(map);
    size_t fill = tables_beyond_fill(&map->tables);
    map_unlock(map);
    return fill >= BEYOND_PARTS * 3 / 4 ? MAP_IS_FULL
           : fill >= BEYOND_PARTS / 2   ? MAP_WANTS_CUT
                                        : MAP_HAS_ROOM;
}

static void pending_free(MapPending *pending)
{
    map_rows_deinit(&pending->rows);
    page_hours_deinit(&pending->hours);
    map_tables_free(pending->beyond);
    map_tables_free(pending->names);
    mem_free(pending);
}

MapPending *map_cut(Map *map)
{
    MapPending *pending = NEW(MapPending);

    map_lock_flushed(map);
    tables_cut(&map->tables, &pending->rows);
    pending->beyond = tables_take_beyond(&map->tables);
    pending->number = map->pages.cut++;
    map->pages.fresh_hour = 0;
    if (pending->beyond != NULL) {
        choice_note(map, pending->beyond);
        add_beyond(pending->beyond, &pending->rows);
    }
    if (pending->rows.count > 0) {
        map->in_flight = pending;
    }
    map_unlock(map);
    if (pending->rows.count == 0) {
        pending_free(pending);
        return NULL;
    }
    collect_hours(&pending->rows, &pending->hours);
    return pending;
}

/* Without a commit, when the store is closed while the disk refuses. */
void tiers_free(Map *map, MapPending *pending)
{
    if (pending == NULL) {
        return;
    }
    map_lock(map);
    if (map->in_flight == pending) {
        map->in_flight = NULL;
    }
    map_unlock(map);
    pending_free(pending);
}

int map_pending_write(const MapPending *pending, Buf *ret_file)
{
    return map_file_write(&pending->rows, ret_file);
}

int tiers_write(const MapPending *pending, TableSink *sink)
{
    return roll_up_emit(&pending->rows, LEVEL_CUT, sink);
}

/* --- Whole files, without a store --- */

int map_load(Map *map, Str file, ParseError *ret_error)
{
    ParseError error = {0};

    map_lock(map);
    int result = map_file_load(file, &map->tables, &error);
    map->version++;
    map_unlock(map);
    if (result != 0) {
        *ret_error = error;
    }
    return result;
}

int map_merge_files(const Str *files, size_t n_files, Buf *ret_file)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    ParseError error = {0};

    for (size_t i = 0; i < n_files; i++) {
        TRY(map_file_read(files[i], true, &arena, &rows, &error));
    }
    for (size_t i = 0; i < rows.count; i++) {
        if (rows.items[i].minutes.len > 0 || rows.items[i].presence.len > 0) {
            return 1;
        }
    }
    return map_file_write(&rows, ret_file);
}

/* --- Changes --- */

static bool is_hour(const TableFile *file)
{
    return table_info_is(&file->info, TIERS_FAMILY) &&
           (file->info.level == LEVEL_HOUR || file->info.level == LEVEL_THIN);
}

static bool has_hour(TableFile *const *files, size_t n, const TableFile *hour)
{
    for (size_t i = 0; i < n; i++) {
        if (files[i]->info.level <= LEVEL_CUT ||
            (is_hour(files[i]) && files[i]->info.from_minute == hour->info.from_minute)) {
            return true;
        }
    }
    return false;
}

static void expire_sparse(Pages *pages, const TableFile *file)
{
    const PageSparse *sparse = pages_sparse(pages, file->info.from_minute / MINUTES_PER_HOUR);

    if (sparse != NULL && sparse->file == file) {
        pages_expire_hours(pages, sparse->hours.items, sparse->hours.count);
    }
}

/* An hour that went without cut files to be folded and without another in its place has expired. */
static void expire(Pages *pages, const TablesChange *change)
{
    for (size_t i = 0; i < change->n_removed; i++) {
        const TableFile *file = change->removed[i];

        if (!table_info_is(&file->info, TIERS_FAMILY) || has_hour(change->removed, i, file) ||
            has_hour(change->added, change->n_added, file)) {
            continue;
        }
        if (is_hour(file)) {
            uint32_t hour = file->info.from_minute / MINUTES_PER_HOUR;

            pages_expire_hours(pages, &hour, 1);
        } else if (file->info.level == LEVEL_SPARSE) {
            expire_sparse(pages, file);
        }
    }
}

/* Readers are held off for all of it: in between they would miss sums or see them twice. The hours
 * of files are found out before. */
/* Whether files come or go that the map learns at a start. */
static bool changes_tiers(const TablesChange *change)
{
    bool changes = change->pending != NULL;

    for (size_t i = 0; i < change->n_added; i++) {
        changes |= table_info_is(&change->added[i]->info, TIERS_FAMILY);
    }
    for (size_t i = 0; i < change->n_removed; i++) {
        changes |= table_info_is(&change->removed[i]->info, TIERS_FAMILY);
    }
    return changes;
}

void tiers_changed(Map *map, const TablesChange *change)
{
    const MapPending *pending = change->pending;
    PageHours *hours = NEW_ARRAY(PageHours, change->n_added + 1);
    ParseError error = {0};

    for (size_t i = 0; i < change->n_added && pending == NULL; i++) {
        if (table_info_is(&change->added[i]->info, TIERS_FAMILY) &&
            tiers_check_file(change->added[i], &hours[i], &error) != 0) {
            log_error("map: a table file that was just written cannot be read",
                      LOG_U64("table", change->added[i]->number));
        }
    }
    map_lock(map);
    if (pending != NULL) {
        map->pages.committed = pending->number;
        map->in_flight = NULL;
    }
    map->pages.n_changes += changes_tiers(change);
    expire(&map->pages, change);
    for (size_t i = 0; i < change->n_removed; i++) {
        pages_remove_file(&map->pages, change->removed[i]);
    }
    for (size_t i = 0; i < change->n_added; i++) {
        TableFile *file = change->added[i];

        for (size_t k = 0; pending != NULL && k < pending->hours.count; k++) {
            page_hours_add(&hours[i], pending->hours.items[k]);
        }
        if (table_info_is(&file->info, TIERS_FAMILY)) {
            pages_add_file(&map->pages, file, &hours[i]);
        }
    }
    pages_shrink(&map->pages, (PageWindow){0});
    map_unlock(map);
    for (size_t i = 0; i < change->n_added; i++) {
        page_hours_deinit(&hours[i]);
    }
    mem_free(hours);
}

/* --- Plans --- */

/* A damaged file stays where it is; what is made without it takes its place in answers. */
static void plan_add(TablePlan *plan, TableFile *file)
{
    ASSERT(plan->n_inputs < TABLE_INPUTS_MAX);
    if (file != NULL && !atomic_load(&file->damaged)) {
        plan->inputs[plan->n_inputs++] = file;
    }
}

uint64_t tiers_expired_s(const Map *map, uint64_t now_s)
{
    uint64_t kept_s = map->options.kept_s == 0 ? KEPT_S : map->options.kept_s;

    return now_s > kept_s ? now_s - kept_s : 0;
}

/* An hour goes with its day, or the day would tell what its hours do not know any more. */
static bool is_expired(const Map *map, const TableFile *file, uint64_t now_s)
{
    const TableFile *day = pages_day_file(&map->pages, file->info.from_minute / MINUTES_PER_DAY);

    if (!table_info_is(&file->info, TIERS_FAMILY) ||
        (!is_hour(file) && file->info.level != LEVEL_DAY && file->info.level != LEVEL_SPARSE)) {
        return false;
    }
    uint64_t written_s = day == NULL || file->info.level == LEVEL_SPARSE
                             ? file->written_s
                             : MAX(file->written_s, day->written_s);
    return written_s != 0 && written_s < tiers_expired_s(map, now_s);
}

static bool plan_expiry(const Map *map, TableFile *const *files, size_t n, uint64_t now_s,
                        TablePlan *plan)
{
    for (size_t i = 0; i < n && plan->n_inputs < TABLE_INPUTS_MAX; i++) {
        if (is_expired(map, files[i], now_s)) {
            plan->inputs[plan->n_inputs++] = files[i];
        }
    }
    plan->what = PLAN_EXPIRE;
    return plan->n_inputs > 0;
}

/* What has the hour now, and its day. Returns whether a file is written for it alone. */
static bool plan_hour(const Pages *pages, uint32_t hour, uint64_t now_s, TablePlan *plan,
                      TableFile **day, TableFile **sparse)
{
    TableFile *file = pages_hour_file(pages, hour);
    const PageSparse *shared = pages_sparse(pages, hour);

    plan_add(plan, file);
    if (pages_day_file(pages, hour / HOURS_PER_DAY) != *day) {
        *day = pages_day_file(pages, hour / HOURS_PER_DAY);
        plan_add(plan, *day);
    }
    if (file != NULL && !atomic_load(&file->damaged)) {
        return true;
    }
    if (shared != NULL && shared->file != *sparse) {
        *sparse = shared->file;
        plan_add(plan, *sparse);
    }
    return roll_up_is_near(hour, now_s);
}

/* The first hours, what has them and their days: as many as the fold writes files for.
 * Returns the last of them; UINT32_MAX when that is all. */
static uint32_t plan_hours(const Map *map, const PageHours *hours, uint64_t now_s, TablePlan *plan)
{
    const Pages *pages = &map->pages;
    TableFile *day = NULL, *sparse = NULL;
    uint32_t shared = UINT32_MAX, n_made = 0;
    size_t i = 0;

    for (; i < hours->count && n_made < map->merges.fold_max &&
           plan->n_inputs + 4 <= TABLE_INPUTS_MAX;
         i++) {
        uint32_t hour = hours->items[i];

        if (plan_hour(pages, hour, now_s, plan, &day, &sparse)) {
            n_made++;
        } else if (hour / SPARSE_HOURS != shared) {
            shared = hour / SPARSE_HOURS;
            n_made++;
        }
    }
    plan_add(plan, pages->facts);
    return i == hours->count ? UINT32_MAX : hours->items[i - 1];
}

static bool cut_stays(const PageCut *cut)
{
    return cut->is_left || atomic_load(&cut->file->damaged);
}

/* Whether there are cut files enough, or the first of them has waited for long enough. */
static bool fold_is_due(const Map *map, uint64_t now_s)
{
    const Pages *pages = &map->pages;
    size_t cuts_max = map->options.cut_files_max == 0 ? CUT_FILES_MAX : map->options.cut_files_max;
    uint64_t first_s = UINT64_MAX;
    size_t n = 0;

    for (size_t i = 0; i < pages->n_cuts; i++) {
        if (!cut_stays(&pages->cuts[i])) {
            first_s = MIN(first_s, pages->cuts[i].file->written_s);
            n++;
        }
    }
    return n > cuts_max || (n > 0 && now_s >= first_s + FOLD_AFTER_S);
}

/* The first cut files, and the hours that they touch. */
static void plan_cuts(const Map *map, PageHours *hours, TablePlan *plan)
{
    const Pages *pages = &map->pages;

    for (size_t i = 0; i < pages->n_cuts && plan->n_inputs < map->merges.fold_max; i++) {
        const PageCut *cut = &pages->cuts[i];

        if (cut_stays(cut)) {
            continue;
        }
        plan_add(plan, cut->file);
        for (size_t k = 0; k < cut->hours.count; k++) {
            page_hours_add(hours, cut->hours.items[k]);
        }
    }
    page_hours_sort(hours);
}

static bool plan_fold(const Map *map, uint64_t now_s, TablePlan *plan)
{
    CLEANUP(page_hours_deinit) PageHours hours = {0};

    if (!fold_is_due(map, now_s)) {
        return false;
    }
    plan_cuts(map, &hours, plan);
    uint32_t last_hour = plan_hours(map, &hours, now_s, plan);

    plan->what = (uint64_t)last_hour << PLAN_BITS | PLAN_FOLD;
    return true;
}

/* Whether the day is over, as far as its data say, with all that it has in hours. */
static bool day_is_complete(const Pages *pages, uint32_t day, uint32_t newest_day,
                            uint64_t *ret_written_s)
{
    uint64_t written_s = 0;
    bool any = false;

    if (day >= newest_day) {
        return false;
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        uint32_t hour = day * HOURS_PER_DAY + i;

        const TableFile *file = pages_hour_file(pages, hour);

        any |= file != NULL && !atomic_load(&file->damaged);
        written_s = file == NULL ? written_s : MAX(written_s, file->written_s);
        for (size_t k = 0; k < pages->n_cuts; k++) {
            if (!cut_stays(&pages->cuts[k]) && page_hours_have(&pages->cuts[k].hours, hour)) {
                return false;
            }
        }
    }
    *ret_written_s = written_s;
    return any;
}

static bool plan_day(const Map *map, TablePlan *plan)
{
    const Pages *pages = &map->pages;
    uint32_t newest = 0;

    for (size_t i = 0; i < pages->days.n_records; i++) {
        newest = MAX(newest, ((const PageDay *)table_at(&pages->days, i))->day);
    }
    /* By their hours' files, of which there are some thousands: the days may be many more. */
    for (size_t i = 0; i < pages->hour_files.n_records; i++) {
        const PageFile *hour = table_at(&pages->hour_files, i);
        uint32_t day = hour->time / HOURS_PER_DAY;

        if (pages_day_file(pages, day) == NULL && !page_hours_have(&map->merges.left_days, day) &&
            day_is_complete(pages, day, newest, &plan->written_s)) {
            plan->what = (uint64_t)day << PLAN_BITS | PLAN_DAY;
            return true;
        }
    }
    return false;
}

/* Whether an hour that answers are made of has come long enough ago. */
static bool may_thin(const Map *map, const TableFile *file, uint64_t now_s)
{
    uint64_t kept_s =
        map->options.minutes_kept_s == 0 ? MINUTES_KEPT_S : map->options.minutes_kept_s;

    return is_hour(file) && file->info.level == LEVEL_HOUR && !atomic_load(&file->damaged) &&
           file == pages_hour_file(&map->pages, file->info.from_minute / MINUTES_PER_HOUR) &&
           file->written_s != 0 && now_s > file->written_s && now_s - file->written_s > kept_s;
}

static bool plan_thin(const Map *map, TableFile *const *files, size_t n, uint64_t now_s,
                      TablePlan *plan)
{
    uint32_t day = 0;

    for (size_t i = 0; i < n && plan->n_inputs < THIN_HOURS_MAX; i++) {
        if (may_thin(map, files[i], now_s)) {
            uint32_t its_day = files[i]->info.from_minute / MINUTES_PER_DAY;

            day = plan->n_inputs == 0 ? its_day : day;
            if (its_day == day) {
                plan->inputs[plan->n_inputs++] = files[i];
            }
        }
    }
    plan->what = PLAN_THIN;
    return plan->n_inputs > 0;
}

bool tiers_plan(Map *map, TableFile *const *files, size_t n_files, uint64_t now_s,
                TablePlan *ret_plan)
{
    bool fold_waits = map->merges.fold_failed;

    map->merges.fold_failed = false;
    map_lock_shared(map);
    bool any = plan_expiry(map, files, n_files, now_s, ret_plan) ||
               (!fold_waits && plan_fold(map, now_s, ret_plan)) || plan_day(map, ret_plan) ||
               plan_thin(map, files, n_files, now_s, ret_plan);
    map_unlock(map);
    return any;
}

/* --- Merges --- */

static int merge_day(Map *map, uint32_t day, TableSink *sink)
{
    TableFile *files[HOURS_PER_DAY];
    size_t n = 0;

    map_lock_shared(map);
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        TableFile *file = pages_hour_file(&map->pages, day * HOURS_PER_DAY + i);

        if (file != NULL && !atomic_load(&file->damaged)) {
            files[n++] = table_file_ref(file);
        }
    }
    map_unlock(map);
    int result = roll_up_day(files, n, day, map->options.fold_series_max, sink);
    for (size_t i = 0; i < n; i++) {
        table_file_unref(files[i]);
    }
    return result;
}

/* The day has more series than fit: its hours tell it. */
static int leave_day(Map *map, uint32_t day)
{
    log_warn("map: a day has too many series to be added up", LOG_U64("day", day));
    map_lock(map);
    map->pages.n_left++;
    map_unlock(map);
    page_hours_add(&map->merges.left_days, day);
    page_hours_sort(&map->merges.left_days);
    return TABLES_PLAN_AGAIN;
}

static void leave_cut(Map *map, const TableFile *file)
{
    log_warn("map: a cut file has too many series to be merged", LOG_U64("table", file->number));
    map_lock(map);
    for (size_t i = 0; i < map->pages.n_cuts; i++) {
        map->pages.cuts[i].is_left |= map->pages.cuts[i].file == file;
    }
    map->pages.n_left++;
    map_unlock(map);
}

/* The inputs of a fold begin with its cut files. */
static int fold_less(Map *map, const TablePlan *plan)
{
    if (map->merges.fold_max > 1) {
        map->merges.fold_max /= 2;
    } else {
        leave_cut(map, plan->inputs[0]);
    }
    return TABLES_PLAN_AGAIN;
}

static int merge_cuts(Map *map, const TablePlan *plan, uint32_t last_hour, TableSink *sink)
{
    Merges *merges = &map->merges;
    int result = roll_up_fold(plan, last_hour, map->options.fold_series_max, sink);

    if (result == -EOVERFLOW) {
        return fold_less(map, plan);
    }
    merges->fold_failed = result < 0;
    if (result == 0) {
        merges->fold_max = MIN(merges->fold_max + merges->fold_max / 8 + 1, (size_t)FOLD_MAX);
    }
    return result;
}

int tiers_merge(Map *map, const TablePlan *plan, TableSink *sink)
{
    uint32_t about = (uint32_t)(plan->what >> PLAN_BITS);
    int result;

    switch (plan->what & ((1U << PLAN_BITS) - 1)) {
    case PLAN_FOLD:
        return merge_cuts(map, plan, about, sink);
    case PLAN_DAY:
        result = merge_day(map, about, sink);
        return result == -EOVERFLOW ? leave_day(map, about) : result;
    case PLAN_THIN:
        return roll_up_thin(plan, sink);
    default: /* PLAN_EXPIRE */
        return 0;
    }
}
