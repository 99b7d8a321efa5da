// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/pages.h"
#include "map/tiers.h"
#include "store/manifest.h"

/*
 * The map's table files: hours of 2,000 edges cut once a minute and folded, then asked from files
 * after a new start (goal: any hour within 50 ms). Argument: a directory that may be filled, and
 * the hours (default 6).
 */
enum {
    SERVICES = 400,
    EDGES = 2000,
    CALLS = 12,
    START = 1440 * 20000,
    FILES_MAX = 4096,
    STARTS = 7
};

typedef struct Disk {
    TableSink sink; /* first */
    FileSystem *fs;
    TableFile *files[FILES_MAX], *made[FILES_MAX];
    size_t n_files, n_made;
    uint64_t next, now_s;
    Map *map; /* that is asked */
} Disk;

static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Disk *disk = (Disk *)sink;
    char path[MANIFEST_PATH_MAX];

    manifest_table_path(disk->next, path);
    if (fs_replace_file(disk->fs, path, content) != 0 || disk->n_made == FILES_MAX) {
        return -EIO;
    }
    disk->made[disk->n_made] = table_file_new(disk->fs, disk->next++, content.len, info);
    disk->made[disk->n_made++]->written_s = disk->now_s;
    return 0;
}

static void commit(Disk *disk, Map *map, TablesChange change)
{
    size_t kept = 0;

    change.added = disk->made;
    change.n_added = disk->n_made;
    tiers_changed(map, &change);
    for (size_t i = 0; i < disk->n_files; i++) {
        bool gone = false;

        for (size_t k = 0; k < change.n_removed; k++) {
            gone |= change.removed[k] == disk->files[i];
        }
        if (gone) {
            atomic_store(&disk->files[i]->retired, true);
            table_file_unref(disk->files[i]);
        } else {
            disk->files[kept++] = disk->files[i];
        }
    }
    disk->n_files = kept;
    for (size_t i = 0; i < disk->n_made; i++) {
        disk->files[disk->n_files++] = disk->made[i];
    }
    disk->n_made = 0;
}

static void cut(Disk *disk, Map *map)
{
    MapPending *pending = map_cut(map);

    if (pending != NULL && tiers_write(pending, &disk->sink) == 0) {
        commit(disk, map, (TablesChange){.pending = pending});
    }
    tiers_free(map, pending);
}

static void fold(Disk *disk, Map *map)
{
    TablePlan plan = {0};

    while (tiers_plan(map, disk->files, disk->n_files, disk->now_s, &plan) &&
           tiers_merge(map, &plan, &disk->sink) == 0) {
        commit(disk, map, (TablesChange){.removed = plan.inputs, .n_removed = plan.n_inputs});
        plan = (TablePlan){0};
    }
}

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static Str service(Arena *arena, uint32_t number)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey key = {.type = NODE_SERVICE,
                   .scope = STR("default"),
                   .name = arena_format(arena, "service-%u", number)};

    node_key_append(&key, &buf);
    return arena_copy(arena, buf_str(&buf));
}

static void add_minute(Map *map, Str *ends, uint32_t minute)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Deltas deltas = {.arena = &arena};

    for (uint32_t i = 0; i < EDGES * CALLS; i++) {
        Delta *delta = deltas_add(&deltas);
        uint32_t edge = i % EDGES;

        *delta = (Delta){.kind = DELTA_EDGE,
                         .rule = RULE_PAIRED,
                         .source = ends[2 * edge],
                         .target = ends[2 * edge + 1],
                         .minute = minute,
                         .count = 1,
                         .errors = random_below(100) == 0,
                         .adjusted = ADJUSTED_ONE,
                         .has_duration = true,
                         .has_server_duration = true,
                         .start_ns = (uint64_t)minute * 60000000000U};
        delta->duration_ns = (uint64_t)(100 + edge * 7) * (50 + random_below(100)) * 10;
        delta->server_duration_ns = delta->duration_ns * 9 / 10;
        mem_copy(delta->trace_id.bytes, &random_state, sizeof(random_state));
    }
    map_apply(map, &deltas, 1);
}

static Map *start(const Disk *disk)
{
    Map *map = map_new(NULL);
    ParseError error;

    for (size_t i = 0; i < disk->n_files; i++) {
        if (tiers_load(map, disk->files[i], &error) != 0) {
            abort();
        }
    }
    tiers_loaded(map);
    return map;
}

/* The best of some starts: others are at work on the machine, too. */
static void ask(Disk *disk, const char *what, uint32_t from, uint32_t to)
{
    MapQuestion question = {.from_minute = from, .to_minute = to};
    double best[2] = {1e9, 1e9};
    MapAnswer answer = {0};
    MapStatus status;

    for (int i = 0; i < 2 * STARTS; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Map *map = i % 2 == 0 ? start(disk) : disk->map;
        double begin = cpu_seconds();

        if (map_ask(map, &question, &arena, &answer) != 0) {
            abort();
        }
        best[i % 2] = MIN(best[i % 2], cpu_seconds() - begin);
        map_status(map, &status);
        disk->map = i % 2 == 0 ? map : map_free(map);
    }
    printf("%-28s %5zu edges: %6.1f ms from files, then %6.1f ms; %.1f MB\n", what, answer.n_edges,
           best[0] * 1e3, best[1] * 1e3, (double)status.bytes / 1e6);
}

static void print_sizes(const Disk *disk)
{
    static const char *const names[] = {"cut", "hour", "day", "facts", "sparse", "thin"};
    uint64_t bytes[ARRAY_LEN(names)] = {0}, n[ARRAY_LEN(names)] = {0};

    for (size_t i = 0; i < disk->n_files; i++) {
        bytes[disk->files[i]->info.level] += disk->files[i]->bytes;
        n[disk->files[i]->info.level]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (n[i] > 0) {
            uint64_t per_day = i == LEVEL_HOUR || i == LEVEL_THIN ? 24 : 1;

            printf("level %-6s %5lu files %12lu bytes, %.0f per edge and day\n", names[i], n[i],
                   bytes[i], (double)(bytes[i] * per_day) / (double)n[i] / EDGES);
        }
    }
}

int main(int argc, char **argv)
{
    uint32_t hours = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 6;
    CLEANUP(arena_deinit) Arena arena = {0};
    Disk *disk = NEW(Disk);
    Map *map = map_new(NULL);
    Str *ends = ARENA_ARRAY(&arena, Str, 2 * EDGES);
    double applied = 0, cutting = 0, folding = 0;
    MapStatus status;

    if (argc < 2 || fs_open_directory(argv[1], &disk->fs) != 0 ||
        disk->fs->ops->make_directory(disk->fs, "tables") != 0) {
        return 2;
    }
    disk->sink.emit = emit;
    disk->next = 1;
    disk->now_s = (uint64_t)START * 60;
    for (uint32_t i = 0; i < EDGES; i++) {
        ends[2 * i] = service(&arena, i % SERVICES);
        ends[2 * i + 1] = service(&arena, (i * 7 + i / SERVICES + 1) % SERVICES);
    }
    for (uint32_t minute = 0; minute < hours * 60; minute++) {
        double begin = cpu_seconds();
        add_minute(map, ends, START + minute);
        double middle = cpu_seconds();
        cut(disk, map);
        double end = cpu_seconds();
        fold(disk, map);
        applied += middle - begin;
        cutting += end - middle;
        folding += cpu_seconds() - end;
    }
    double millions = (double)hours * 60 * EDGES * CALLS / 1e6;
    map_status(map, &status);
    printf("CPU-seconds per million deltas: %.2f made and applied, %.2f cut and written, %.2f "
           "folded\n",
           applied / millions, cutting / millions, folding / millions);
    printf("memory: %.1f MB, %lu hours let go\n", (double)status.bytes / 1e6, status.evicted_hours);
    disk->now_s += 1000000;
    fold(disk, map);
    add_minute(map, ends, START + 1440 * 2); /* the first day is over */
    cut(disk, map);
    disk->now_s += 1000000;
    fold(disk, map);
    print_sizes(disk);
    map_free(map);

    double begin = cpu_seconds();
    map = start(disk);
    map_status(map, &status);
    printf("start: %.1f ms, %.1f MB\n", (cpu_seconds() - begin) * 1e3, (double)status.bytes / 1e6);
    map_free(map);
    ask(disk, "a whole hour", START + 60, START + 120);
    ask(disk, "an hour, from 17 past", START + 137, START + 197);
    ask(disk, "all hours but minutes", START + 5, START + hours * 60 - 5);
    ask(disk, "a whole day", START, START + 1440);
    map = start(disk);
    disk->now_s += 31 * 86400;
    begin = cpu_seconds();
    fold(disk, map);
    printf("thinned in %.0f ms an hour\n", (cpu_seconds() - begin) * 1e3 / hours);
    map_free(map);
    print_sizes(disk);
    ask(disk, "a thin hour", START + 60, START + 120);
    for (size_t i = 0; i < disk->n_files; i++) {
        table_file_unref(disk->files[i]);
    }
    disk->fs->ops->free(disk->fs);
    mem_free(disk);
    return 0;
}
