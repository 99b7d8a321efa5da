// SPDX-License-Identifier: Apache-2.0
#include "desk/desk.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"

/*
 * One connection behind a lock: what people save is little and rare. Write-ahead logging lets the
 * house that takes over on SIGHUP open the file while the one before still has it.
 */
enum { FORMAT_VERSION = 1, BUSY_MS = 5000 };

struct Desk {
    pthread_mutex_t lock;
    sqlite3 *database;
    bool was_damaged; /* the one before */
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS kind (kind TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS item (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    "  PRIMARY KEY (kind, key)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

static int run(Desk *desk, const char *sql)
{
    if (sqlite3_exec(desk->database, sql, NULL, NULL, NULL) != SQLITE_OK) {
        log_error("desk", LOG_CSTR("problem", sqlite3_errmsg(desk->database)));
        return -EIO;
    }
    return 0;
}

static void statement_finish(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

/* A statement with its texts bound, @n of them. */
static int prepare(Desk *desk, const char *sql, const Str *texts, int n,
                   sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite3_prepare_v2(desk->database, sql, -1, &statement, NULL);

    for (int i = 0; r == SQLITE_OK && i < n; i++) {
        r = sqlite3_bind_text64(statement, i + 1, texts[i].len == 0 ? "" : texts[i].ptr,
                                texts[i].len, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    if (r != SQLITE_OK) {
        log_error("desk", LOG_CSTR("problem", sqlite3_errmsg(desk->database)));
        sqlite3_finalize(statement);
        return -EIO;
    }
    *ret_statement = statement;
    return 0;
}

/* Runs a statement that gives no rows. */
static int change(Desk *desk, const char *sql, const Str *texts, int n)
{
    CLEANUP(statement_finish) sqlite3_stmt *statement = NULL;

    TRY(prepare(desk, sql, texts, n, &statement));
    if (sqlite3_step(statement) != SQLITE_DONE) {
        log_error("desk", LOG_CSTR("problem", sqlite3_errmsg(desk->database)));
        return -EIO;
    }
    return 0;
}

/* A number that a query gives; 0 when it gives none. */
static int number(Desk *desk, const char *sql, const Str *texts, int n, uint64_t *ret_number)
{
    CLEANUP(statement_finish) sqlite3_stmt *statement = NULL;

    TRY(prepare(desk, sql, texts, n, &statement));
    int r = sqlite3_step(statement);
    if (r != SQLITE_ROW && r != SQLITE_DONE) {
        log_error("desk", LOG_CSTR("problem", sqlite3_errmsg(desk->database)));
        return -EIO;
    }
    *ret_number = r == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    return 0;
}

static Desk *desk_lock(Desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    return desk;
}

/* For CLEANUP on what desk_lock() gave; also ends a transaction that was not committed. */
static void desk_unlockp(Desk **desk)
{
    if (sqlite3_get_autocommit((*desk)->database) == 0) {
        (void)run(*desk, "ROLLBACK");
    }
    pthread_mutex_unlock(&(*desk)->lock);
}

/* --- Opening --- */

static bool is_damaged(Desk *desk)
{
    int code = sqlite3_errcode(desk->database);

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

/* Whether all pages can be read and fit together. Returns 0; -EBADMSG: they do not; -EIO. */
static int examine(Desk *desk)
{
    CLEANUP(statement_finish) sqlite3_stmt *statement = NULL;

    if (prepare(desk, "PRAGMA quick_check(1)", NULL, 0, &statement) != 0) {
        return is_damaged(desk) ? -EBADMSG : -EIO;
    }
    if (sqlite3_step(statement) != SQLITE_ROW) {
        return is_damaged(desk) ? -EBADMSG : -EIO;
    }
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    return text != NULL && str_equal(str_from_cstr(text), STR("ok")) ? 0 : -EBADMSG;
}

static int use_file(Desk *desk, const char *path, Buf *why)
{
    uint64_t version = 0;

    if (sqlite3_open_v2(path, &desk->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        buf_append_format(why, "%s cannot be opened: %s", path, sqlite3_errmsg(desk->database));
        return -EIO;
    }
    sqlite3_busy_timeout(desk->database, BUSY_MS);
    int r = run(desk, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    if (r == 0) {
        r = number(desk, "PRAGMA user_version", NULL, 0, &version);
    }
    r = r != 0 && is_damaged(desk) ? -EBADMSG : r;
    if (r == 0 && version > FORMAT_VERSION) {
        buf_append_format(why, "%s was written by a newer program (format %llu)", path,
                          (unsigned long long)version);
        return -EPROTO;
    }
    if (r == 0) {
        r = examine(desk);
    }
    if (r != 0) {
        buf_append_format(why, "%s cannot be read: %s", path, sqlite3_errmsg(desk->database));
        return r;
    }
    if (version < FORMAT_VERSION && run(desk, schema) != 0) {
        buf_append_format(why, "%s cannot be written: %s", path, sqlite3_errmsg(desk->database));
        return -EIO;
    }
    return 0;
}

/* The file of a database and what SQLite keeps beside it: a log of the old one must not be taken
 * for one of the new. */
static int move_files(const char *from, const char *to, Arena *arena)
{
    static const char *const endings[] = {"-wal", "-shm", ""};

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (rename(arena_format(arena, "%s%s", from, endings[i]).ptr,
                   arena_format(arena, "%s%s", to, endings[i]).ptr) < 0 &&
            errno != ENOENT) {
            return -errno;
        }
    }
    return 0;
}

static int set_aside(const char *path)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str whole = str_from_cstr(path);
    size_t slash = whole.len;

    while (slash > 0 && path[slash - 1] != '/') {
        slash--;
    }
    Str directory = arena_format(&arena, "%.*sdamaged", (int)slash, path);
    Str to = arena_format(&arena, "%s/%s-%lld", directory.ptr, path + slash, (long long)time(NULL));
    if (mkdir(directory.ptr, 0777) < 0 && errno != EEXIST) {
        return -errno;
    }
    TRY(move_files(path, to.ptr, &arena));
    log_error("desk: what people saved is damaged and was moved away; starting without it",
              LOG_STR("file", to));
    return 0;
}

int desk_open(const char *path, Desk **ret_desk, Buf *why)
{
    Desk *desk = NEW(Desk);

    ASSERT(pthread_mutex_init(&desk->lock, NULL) == 0);
    int r = use_file(desk, path, why);
    if (r == -EBADMSG) {
        sqlite3_close(TAKE(desk->database));
        r = set_aside(path);
        if (r == 0) {
            buf_clear(why);
            desk->was_damaged = true;
            r = use_file(desk, path, why);
        }
    }
    if (r != 0) {
        desk_close(desk);
        return r;
    }
    *ret_desk = desk;
    return 0;
}

bool desk_was_damaged(const Desk *desk)
{
    return desk->was_damaged;
}

Desk *desk_close(Desk *desk)
{
    if (desk != NULL) {
        sqlite3_close(desk->database);
        pthread_mutex_destroy(&desk->lock);
        mem_free(desk);
    }
    return NULL;
}

/* --- Reading --- */

static Str column(sqlite3_stmt *statement, int at, Arena *arena)
{
    const void *bytes = sqlite3_column_text(statement, at);

    return arena_copy(arena, str_from_bytes(bytes, (size_t)sqlite3_column_bytes(statement, at)));
}

static int version_of(Desk *desk, Str kind, uint64_t *ret_version)
{
    return number(desk, "SELECT version FROM kind WHERE kind = ?", &kind, 1, ret_version);
}

static int count_of(Desk *desk, Str kind, uint64_t *ret_count)
{
    return number(desk, "SELECT count(*) FROM item WHERE kind = ?", &kind, 1, ret_count);
}

int desk_read(Desk *desk, Str kind, Arena *arena, DeskList *ret_list)
{
    CLEANUP(statement_finish) sqlite3_stmt *statement = NULL;
    CLEANUP(desk_unlockp) Desk *locked = desk_lock(desk);
    DeskList list = {0};
    uint64_t count = 0;
    int r;

    TRY(run(locked, "BEGIN"));
    TRY(version_of(locked, kind, &list.version));
    TRY(count_of(locked, kind, &count));
    TRY(prepare(locked, "SELECT key, value FROM item WHERE kind = ? ORDER BY key", &kind, 1,
                &statement));
    list.items = ARENA_ARRAY(arena, DeskItem, count + 1);
    while ((r = sqlite3_step(statement)) == SQLITE_ROW && list.n_items < count) {
        list.items[list.n_items++] =
            (DeskItem){column(statement, 0, arena), column(statement, 1, arena)};
    }
    if (r != SQLITE_DONE) {
        log_error("desk", LOG_CSTR("problem", sqlite3_errmsg(locked->database)));
        return -EIO;
    }
    sqlite3_reset(statement);
    TRY(run(locked, "COMMIT"));
    *ret_list = list;
    return 0;
}

/* --- Writing --- */

static int check_limits(const DeskItem *items, size_t n)
{
    if (n > DESK_ITEMS_MAX) {
        return -EFBIG;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].value.len > DESK_VALUE_MAX || items[i].key.len > DESK_VALUE_MAX) {
            return -EFBIG;
        }
    }
    return 0;
}

static int put(Desk *desk, Str kind, const DeskItem *item)
{
    const Str texts[] = {kind, item->key, item->value};

    if (item->value.len == 0) {
        return change(desk, "DELETE FROM item WHERE kind = ? AND key = ?", texts, 2);
    }
    return change(desk,
                  "INSERT INTO item (kind, key, value) VALUES (?1, ?2, ?3) "
                  "ON CONFLICT (kind, key) DO UPDATE SET value = ?3",
                  texts, 3);
}

static int step_version(Desk *desk, Str kind)
{
    return change(desk,
                  "INSERT INTO kind (kind, version) VALUES (?1, 1) "
                  "ON CONFLICT (kind) DO UPDATE SET version = version + 1",
                  &kind, 1);
}

int desk_replace(Desk *desk, Str kind, const DeskList *list, uint64_t *ret_version)
{
    uint64_t version = 0;

    TRY(check_limits(list->items, list->n_items));
    CLEANUP(desk_unlockp) Desk *locked = desk_lock(desk);
    TRY(run(locked, "BEGIN IMMEDIATE"));
    TRY(version_of(locked, kind, &version));
    if (list->version != DESK_ANY_VERSION && list->version != version) {
        return DESK_CONFLICT;
    }
    TRY(change(locked, "DELETE FROM item WHERE kind = ?", &kind, 1));
    for (size_t i = 0; i < list->n_items; i++) {
        TRY(put(locked, kind, &list->items[i]));
    }
    TRY(step_version(locked, kind));
    TRY(run(locked, "COMMIT"));
    *ret_version = version + 1;
    return 0;
}

int desk_merge(Desk *desk, Str kind, const DeskItem *items, size_t n)
{
    uint64_t count = 0;

    TRY(check_limits(items, n));
    CLEANUP(desk_unlockp) Desk *locked = desk_lock(desk);
    TRY(run(locked, "BEGIN IMMEDIATE"));
    for (size_t i = 0; i < n; i++) {
        TRY(put(locked, kind, &items[i]));
    }
    TRY(count_of(locked, kind, &count));
    if (count > DESK_ITEMS_MAX) {
        return -EFBIG;
    }
    TRY(step_version(locked, kind));
    return run(locked, "COMMIT");
}
