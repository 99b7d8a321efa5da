// SPDX-License-Identifier: Apache-2.0
#include "os/fs_sim.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * Names and content are apart, as in a real file system. `names` is what a running program sees;
 * `durable` is what a power cut leaves, plus a prefix of `journal`, the name changes that no
 * sync_directory has confirmed. A node knows how much of its content is synced.
 */
enum { PATH_MAX_BYTES = 128, SECTOR = 512 };

typedef struct Node {
    int refs;
    Buf content;
    size_t synced;
} Node;

typedef struct Name {
    char path[PATH_MAX_BYTES];
    Node *node;
} Name;

typedef struct Names {
    Name *items;
    size_t count, capacity;
} Names;

typedef struct Change {
    char from[PATH_MAX_BYTES]; /* empty: created */
    char to[PATH_MAX_BYTES];   /* empty: removed */
    Node *node;
} Change;

typedef struct Fault {
    unsigned calls;
    uint64_t nth, count;
    int error;
} Fault;

struct FsSim {
    FileSystem base;
    pthread_mutex_t mutex;
    uint64_t random;
    Names names, durable;
    Change *journal;
    size_t n_journal, journal_capacity;
    uint64_t calls, off_at, capacity, used;
    bool off, locked;
    Fault fault;
};

typedef struct SimFile {
    File base;
    Node *node;
} SimFile;

static uint64_t next_random(FsSim *sim)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void node_unref(FsSim *sim, Node *node)
{
    if (--node->refs == 0) {
        sim->used -= node->content.len;
        buf_deinit(&node->content);
        mem_free(node);
    }
}

static Name *names_find(Names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void copy_path(char to[PATH_MAX_BYTES], const char *from)
{
    Str text = str_from_cstr(from);

    ASSERT(text.len < PATH_MAX_BYTES);
    mem_copy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

static void names_set(FsSim *sim, Names *names, const char *path, Node *node)
{
    Name *name = names_find(names, path);

    node->refs++;
    if (name != NULL) {
        node_unref(sim, name->node);
        name->node = node;
        return;
    }
    ARRAY_RESERVE(names->items, names->count, names->capacity);
    copy_path(names->items[names->count].path, path);
    names->items[names->count++].node = node;
}

static void names_drop(FsSim *sim, Names *names, const char *path)
{
    Name *name = names_find(names, path);

    if (name != NULL) {
        node_unref(sim, name->node);
        *name = names->items[--names->count];
    }
}

static void apply_change(FsSim *sim, Names *names, const Change *change)
{
    if (change->to[0] != '\0') {
        names_set(sim, names, change->to, change->node);
    }
    if (change->from[0] != '\0') {
        names_drop(sim, names, change->from);
    }
}

static void change_names(FsSim *sim, const char *from, const char *to, Node *node)
{
    ARRAY_RESERVE(sim->journal, sim->n_journal, sim->journal_capacity);
    Change *change = &sim->journal[sim->n_journal++];

    copy_path(change->from, from);
    copy_path(change->to, to);
    change->node = node;
    node->refs++;
    apply_change(sim, &sim->names, change);
}

static void drop_journal(FsSim *sim, size_t index)
{
    node_unref(sim, sim->journal[index].node);
    sim->n_journal--;
    mem_move(&sim->journal[index], &sim->journal[index + 1],
             (sim->n_journal - index) * sizeof(Change));
}

/* The error that the call is to meet; 0: none. */
static int meet_fault(FsSim *sim, unsigned call)
{
    if ((sim->fault.calls & call) == 0 || sim->fault.count == 0) {
        return 0;
    }
    if (sim->fault.nth > 0) {
        sim->fault.nth--;
        return 0;
    }
    sim->fault.count--;
    return -sim->fault.error;
}

/* Counts a changing call. Returns 0, or the error that it is to fail with. */
static int begin_change(FsSim *sim, unsigned call)
{
    sim->calls++;
    if (sim->off) {
        return -EIO;
    }
    if (sim->off_at == 0) {
        sim->off = true;
        return -EIO;
    }
    sim->off_at -= sim->off_at != UINT64_MAX;
    return meet_fault(sim, call);
}

static FsSim *lock_sim(FileSystem *fs)
{
    FsSim *sim = (FsSim *)fs;

    pthread_mutex_lock(&sim->mutex);
    return sim;
}

static int unlock_sim(FsSim *sim, int result)
{
    pthread_mutex_unlock(&sim->mutex);
    return result;
}

static int open_locked(FsSim *sim, const char *path, FileMode mode, Node **ret_node)
{
    Name *name = names_find(&sim->names, path);

    if (sim->off) {
        return -EIO;
    }
    if (mode != FILE_CREATE) {
        if (name == NULL) {
            return -ENOENT;
        }
        *ret_node = name->node;
        return 0;
    }
    TRY(begin_change(sim, 0));
    if (name != NULL) {
        return -EEXIST;
    }
    *ret_node = NEW(Node);
    change_names(sim, "", path, *ret_node);
    return 0;
}

static int sim_open(FileSystem *fs, const char *path, FileMode mode, File **ret_file)
{
    FsSim *sim = lock_sim(fs);
    Node *node;
    int result = open_locked(sim, path, mode, &node);

    if (result == 0) {
        SimFile *file = NEW(SimFile);

        file->base.fs = fs;
        file->node = node;
        node->refs++;
        *ret_file = &file->base;
    }
    return unlock_sim(sim, result);
}

static int sim_close(File *file)
{
    if (file == NULL) {
        return 0;
    }
    FsSim *sim = lock_sim(file->fs);

    node_unref(sim, ((SimFile *)file)->node);
    mem_free(file);
    return unlock_sim(sim, 0);
}

static void append_locked(FsSim *sim, Node *node, const void *bytes, size_t len)
{
    buf_append(&node->content, bytes, len);
    sim->used += len;
}

static int sim_append(File *file, const void *bytes, size_t len)
{
    FsSim *sim = lock_sim(file->fs);
    Node *node = ((SimFile *)file)->node;
    bool was_off = sim->off;
    int result = begin_change(sim, FS_SIM_APPEND);
    uint64_t room = sim->capacity > sim->used ? sim->capacity - sim->used : 0;

    if (result == 0 && len > room) {
        append_locked(sim, node, bytes, (size_t)room);
        result = -ENOSPC;
    } else if (result == 0) {
        append_locked(sim, node, bytes, len);
    } else if (!was_off && len > 0) {
        append_locked(sim, node, bytes,
                      (size_t)(next_random(sim) % (MIN((uint64_t)len, room) + 1)));
    }
    return unlock_sim(sim, result);
}

static int sim_read_at(File *file, uint64_t offset, void *bytes, size_t len)
{
    FsSim *sim = lock_sim(file->fs);
    const Buf *content = &((SimFile *)file)->node->content;

    if (sim->off || offset > content->len || len > content->len - offset) {
        return unlock_sim(sim, -EIO);
    }
    int result = meet_fault(sim, FS_SIM_READ);
    if (result != 0) {
        return unlock_sim(sim, result);
    }
    if (len > 0) {
        mem_copy(bytes, content->ptr + offset, len);
    }
    return unlock_sim(sim, 0);
}

static bool has_name(const Names *names, const Node *node)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].node == node) {
            return true;
        }
    }
    return false;
}

static int sim_sync(File *file)
{
    FsSim *sim = lock_sim(file->fs);
    Node *node = ((SimFile *)file)->node;
    int result = begin_change(sim, FS_SIM_SYNC);

    if (result == 0) {
        node->synced = node->content.len;
        result = has_name(&sim->names, node) ? 0 : -ENOENT;
    }
    return unlock_sim(sim, result);
}

static int sim_truncate(File *file, uint64_t size)
{
    FsSim *sim = lock_sim(file->fs);
    Node *node = ((SimFile *)file)->node;
    int result = begin_change(sim, FS_SIM_TRUNCATE);

    if (result == 0 && size <= node->content.len) {
        sim->used -= node->content.len - size;
        node->content.len = (size_t)size;
        node->synced = MIN(node->synced, (size_t)size);
    }
    return unlock_sim(sim, result);
}

static int sim_size(File *file, uint64_t *ret_size)
{
    FsSim *sim = lock_sim(file->fs);

    *ret_size = ((SimFile *)file)->node->content.len;
    return unlock_sim(sim, 0);
}

static int sim_rename(FileSystem *fs, const char *from, const char *to)
{
    FsSim *sim = lock_sim(fs);
    int result = begin_change(sim, 0);
    Name *name = names_find(&sim->names, from);

    if (result == 0 && name == NULL) {
        result = -ENOENT;
    }
    if (result == 0) {
        change_names(sim, from, to, name->node);
    }
    return unlock_sim(sim, result);
}

static int sim_remove(FileSystem *fs, const char *path)
{
    FsSim *sim = lock_sim(fs);
    Name *name = names_find(&sim->names, path);
    int result = name == NULL ? -ENOENT : begin_change(sim, 0);

    if (result == 0) {
        change_names(sim, path, "", name->node);
    }
    return unlock_sim(sim, result);
}

/* Directories are only the front part of names here. */
static int sim_make_directory(FileSystem *fs, const char *path)
{
    FsSim *sim = lock_sim(fs);

    return unlock_sim(sim, sim->off ? -EIO : 0);
}

/* Whether @path is an entry of @directory itself; yields its last part. */
static bool entry_name(const char *directory, const char *path, const char **ret_name)
{
    Str parent = str_from_cstr(directory);
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    *ret_name = slash == NULL ? path : slash + 1;
    return path[0] != '\0' && str_equal(parent, str_from_bytes(path, len));
}

static int sim_sync_directory(FileSystem *fs, const char *path)
{
    FsSim *sim = lock_sim(fs);
    int result = begin_change(sim, 0);
    const char *name;

    for (size_t i = 0; result == 0 && i < sim->n_journal;) {
        const Change *change = &sim->journal[i];

        if (entry_name(path, change->from, &name) || entry_name(path, change->to, &name)) {
            apply_change(sim, &sim->durable, change);
            drop_journal(sim, i);
        } else {
            i++;
        }
    }
    return unlock_sim(sim, result);
}

static int sim_list(FileSystem *fs, const char *path, int (*visit)(void *context, const char *name),
                    void *context)
{
    FsSim *sim = lock_sim(fs);
    Name *copies = NEW_ARRAY(Name, sim->names.count + 1);
    size_t count = sim->names.count;
    int result = sim->off ? -EIO : 0;
    const char *name;

    if (count > 0) {
        mem_copy(copies, sim->names.items, count * sizeof(Name));
    }
    unlock_sim(sim, 0);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (entry_name(path, copies[i].path, &name)) {
            result = visit(context, name);
        }
    }
    mem_free(copies);
    return result;
}

static int sim_free_bytes(FileSystem *fs, uint64_t *ret_free, uint64_t *ret_total)
{
    FsSim *sim = lock_sim(fs);

    *ret_free = sim->capacity > sim->used ? sim->capacity - sim->used : 0;
    *ret_total = sim->capacity;
    return unlock_sim(sim, 0);
}

static int sim_lock(FileSystem *fs)
{
    FsSim *sim = lock_sim(fs);
    int result = sim->off ? -EIO : sim->locked ? -EBUSY : 0;

    sim->locked = true;
    return unlock_sim(sim, result);
}

static void sim_no_free(FileSystem *fs)
{
}

static const FileSystemOps sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .append = sim_append,
    .read_at = sim_read_at,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .size = sim_size,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_directory = sim_make_directory,
    .sync_directory = sim_sync_directory,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
    .lock = sim_lock,
    .free = sim_no_free,
};

FsSim *fs_sim_new(uint64_t seed)
{
    FsSim *sim = NEW(FsSim);

    sim->base.ops = &sim_ops;
    sim->random = seed;
    sim->off_at = sim->capacity = UINT64_MAX;
    pthread_mutex_init(&sim->mutex, NULL);
    return sim;
}

static void clear_names(FsSim *sim, Names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        node_unref(sim, names->items[i].node);
    }
    mem_free(names->items);
    *names = (Names){0};
}

FsSim *fs_sim_free(FsSim *sim)
{
    if (sim == NULL) {
        return NULL;
    }
    while (sim->n_journal > 0) {
        drop_journal(sim, sim->n_journal - 1);
    }
    clear_names(sim, &sim->names);
    clear_names(sim, &sim->durable);
    mem_free(sim->journal);
    pthread_mutex_destroy(&sim->mutex);
    mem_free(sim);
    return NULL;
}

FileSystem *fs_sim_fs(FsSim *sim)
{
    return &sim->base;
}

uint64_t fs_sim_calls(FsSim *sim)
{
    lock_sim(&sim->base);
    uint64_t calls = sim->calls;
    unlock_sim(sim, 0);
    return calls;
}

void fs_sim_power_off_at(FsSim *sim, uint64_t nth)
{
    lock_sim(&sim->base);
    sim->off_at = nth;
    unlock_sim(sim, 0);
}

bool fs_sim_is_off(FsSim *sim)
{
    lock_sim(&sim->base);
    bool off = sim->off;
    unlock_sim(sim, 0);
    return off;
}

/* Of what was not synced a random part is there, any of its sectors perhaps as zeros. */
static void tear_content(FsSim *sim, Node *node)
{
    size_t unsynced = node->content.len - node->synced;

    if (unsynced == 0) {
        return;
    }
    size_t kept = (size_t)(next_random(sim) % (unsynced + 1));
    sim->used -= unsynced - kept;
    node->content.len = node->synced + kept;
    for (size_t at = node->synced; at < node->content.len; at += SECTOR) {
        if (next_random(sim) % 4 == 0) { /* it would have been written later */
            mem_fill(node->content.ptr + at, 0, MIN(node->content.len - at, (size_t)SECTOR));
        }
    }
    node->synced = node->content.len;
}

void fs_sim_restart(FsSim *sim)
{
    lock_sim(&sim->base);
    size_t kept = sim->n_journal == 0 ? 0 : (size_t)(next_random(sim) % (sim->n_journal + 1));
    for (size_t i = 0; i < kept; i++) {
        apply_change(sim, &sim->durable, &sim->journal[i]);
    }
    while (sim->n_journal > 0) {
        drop_journal(sim, sim->n_journal - 1);
    }
    clear_names(sim, &sim->names);
    for (size_t i = 0; i < sim->durable.count; i++) {
        tear_content(sim, sim->durable.items[i].node);
        names_set(sim, &sim->names, sim->durable.items[i].path, sim->durable.items[i].node);
    }
    sim->off = sim->locked = false;
    sim->off_at = UINT64_MAX;
    sim->fault = (Fault){0};
    unlock_sim(sim, 0);
}

void fs_sim_kill(FsSim *sim)
{
    lock_sim(&sim->base);
    sim->off = sim->locked = false;
    sim->off_at = UINT64_MAX;
    sim->fault = (Fault){0};
    unlock_sim(sim, 0);
}

void fs_sim_set_capacity(FsSim *sim, uint64_t bytes)
{
    lock_sim(&sim->base);
    sim->capacity = bytes;
    unlock_sim(sim, 0);
}

uint64_t fs_sim_used(FsSim *sim)
{
    lock_sim(&sim->base);
    uint64_t used = sim->used;
    unlock_sim(sim, 0);
    return used;
}

void fs_sim_fail(FsSim *sim, unsigned calls, uint64_t nth, uint64_t count, int error)
{
    lock_sim(&sim->base);
    sim->fault = (Fault){.calls = calls, .nth = nth, .count = count, .error = error};
    unlock_sim(sim, 0);
}

int fs_sim_damage(FsSim *sim, const char *path, uint64_t offset)
{
    lock_sim(&sim->base);
    Name *name = names_find(&sim->names, path);
    int result = name == NULL ? -ENOENT : offset >= name->node->content.len ? -ERANGE : 0;

    if (result == 0) {
        name->node->content.ptr[offset] ^= 0xff;
    }
    return unlock_sim(sim, result);
}
