// SPDX-License-Identifier: Apache-2.0
#include "trace/links.h"

#include "base/assert.h"

/*
 * Links have numbers in order of arrival. Those of one target are chained from the newest to older
 * ones; a number below `first` has been forgotten, and a chain ends there. When the last link of a
 * target is forgotten, so is the target.
 */
enum { LINKS_CAPACITY_MIN = 64 };

typedef struct LinkTarget {
    uint64_t target;
    uint64_t newest : 63;
    uint64_t was_there : 1;
} LinkTarget;

void links_init(Links *links, size_t max)
{
    *links = (Links){.max = max == 0 ? LINKS_MAX : max, .next = 1, .first = 1};
    ASSERT((links->max & (links->max - 1)) == 0);
    table_init(&links->targets, sizeof(LinkTarget), sizeof(uint64_t));
}

void links_deinit(Links *links)
{
    table_deinit(&links->targets);
    mem_free(links->entries);
    *links = (Links){0};
}

static LinkEntry *entry_at(const Links *links, uint64_t number)
{
    return &links->entries[number & (links->capacity - 1)];
}

static void forget_oldest(Links *links)
{
    const LinkEntry *entry = entry_at(links, links->first);
    LinkTarget *target = table_find(&links->targets, &entry->target);

    if (target != NULL && target->newest == links->first) {
        table_remove(&links->targets, target);
    }
    links->first++;
    links->forgotten++;
}

static void links_grow(Links *links)
{
    Links grown = *links;

    grown.capacity = MAX(links->capacity * 2, MIN((size_t)LINKS_CAPACITY_MIN, links->max));
    grown.entries = NEW_ARRAY(LinkEntry, grown.capacity);
    for (uint64_t number = links->first; number < links->next; number++) {
        *entry_at(&grown, number) = *entry_at(links, number);
    }
    mem_free(links->entries);
    *links = grown;
}

void links_add(Links *links, TraceId target, TraceId source, bool curious)
{
    uint64_t key = trace_id_hash(target);
    bool is_new;

    if (links_count(links) == links->capacity) {
        if (links->capacity < links->max) {
            links_grow(links);
        } else {
            forget_oldest(links);
        }
    }
    LinkTarget *record = table_put(&links->targets, &key, &is_new);
    uint64_t older = is_new ? 0 : record->newest;
    if (!is_new && trace_id_equal(entry_at(links, older)->source, source)) {
        entry_at(links, older)->curious |= curious;
        return;
    }
    record->newest = links->next & (UINT64_MAX >> 1);
    *entry_at(links, links->next++) = (LinkEntry){
        .target = key, .source = source, .older = older & (UINT64_MAX >> 1), .curious = curious};
}

void links_rewind(Links *links, uint64_t next)
{
    while (links->next > MAX(next, links->first)) {
        const LinkEntry *entry = entry_at(links, --links->next);
        LinkTarget *target = table_find(&links->targets, &entry->target);

        ASSERT(target != NULL && target->newest == links->next);
        if (entry->older >= links->first) {
            target->newest = entry->older;
        } else {
            table_remove(&links->targets, target);
        }
    }
}

void links_visit(const Links *links, TraceId target,
                 void (*visit)(void *context, TraceId source, bool curious), void *context)
{
    uint64_t key = trace_id_hash(target);
    const LinkTarget *record = table_find(&links->targets, &key);
    uint64_t number = record == NULL ? 0 : record->newest;

    for (size_t n = 0; number >= links->first && n < LINKS_SOURCES_MAX; n++) {
        const LinkEntry *entry = entry_at(links, number);

        visit(context, entry->source, entry->curious != 0);
        number = entry->older;
    }
}

bool links_has(const Links *links, TraceId target)
{
    uint64_t key = trace_id_hash(target);

    return table_find(&links->targets, &key) != NULL;
}

void links_note_there(Links *links, TraceId target)
{
    uint64_t key = trace_id_hash(target);
    LinkTarget *record = table_find(&links->targets, &key);

    if (record != NULL) {
        record->was_there = true;
    }
}

bool links_was_there(const Links *links, TraceId target)
{
    uint64_t key = trace_id_hash(target);
    const LinkTarget *record = table_find(&links->targets, &key);

    return record != NULL && record->was_there;
}
