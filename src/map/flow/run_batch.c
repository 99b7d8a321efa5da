// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_batch.h"

#include <stdlib.h>

#include <xxhash.h>

#include "base/memory.h"
#include "codec/bytes.h"
#include "map/flow/run.h"

/*
 * A run that grows over days has its older members in files, so a batch holds changes, not runs. A
 * subject's changes are few (a trace's steps), so they are an array that is searched from its end.
 */
enum {
    CANCEL_LOOK_BACK = 64, /* what is further back is cancelled when it is written */
    KEY_BYTES_SMALL = 512, /* longer ones need the heap */
};

SubjectKey subject_key(const Subject *subject)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    uint8_t small[KEY_BYTES_SMALL];
    size_t room = subject->owner.len + subject->id.len + 1 + VARINT_SIZE_MAX;
    uint8_t *bytes = room <= sizeof(small) ? small : buf_grow(&buf, room);
    size_t n = 0;

    bytes[n++] = (uint8_t)subject->kind;
    for (uint64_t len = subject->owner.len; n == 1 || len > 0; len >>= 7) {
        bytes[n++] = (uint8_t)((len & 0x7f) | (len >= 0x80 ? 0x80 : 0));
    }
    if (subject->owner.len > 0) {
        mem_copy(bytes + n, subject->owner.ptr, subject->owner.len);
        n += subject->owner.len;
    }
    if (subject->id.len > 0) {
        mem_copy(bytes + n, subject->id.ptr, subject->id.len);
        n += subject->id.len;
    }
    XXH128_hash_t hash = XXH3_128bits(bytes, n);
    return (SubjectKey){hash.high64, hash.low64};
}

int subject_key_compare(SubjectKey a, SubjectKey b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    return a.low < b.low ? -1 : a.low > b.low;
}

RunBatch *run_batch_new(void)
{
    RunBatch *batch = NEW(RunBatch);

    table_init(&batch->subjects, sizeof(SubjectChanges), sizeof(SubjectKey));
    return batch;
}

RunBatch *run_batch_free(RunBatch *batch)
{
    if (batch != NULL) {
        for (size_t i = 0; i < batch->subjects.n_records; i++) {
            SubjectChanges *changes = table_at(&batch->subjects, i);

            mem_free(changes->members);
            mem_free(changes->links);
        }
        table_deinit(&batch->subjects);
        symbols_deinit(&batch->names);
        arena_deinit(&batch->arena);
        mem_free(batch);
    }
    return NULL;
}

static Str keep_name(RunBatch *batch, Str name)
{
    return symbols_get(&batch->names, symbols_intern(&batch->names, name));
}

SubjectChanges *run_batch_subject(RunBatch *batch, SubjectKey key, const Subject *subject)
{
    bool is_new;
    SubjectChanges *changes = table_put(&batch->subjects, &key, &is_new);

    if (is_new) {
        changes->subject = (Subject){.kind = subject->kind,
                                     .owner = keep_name(batch, subject->owner),
                                     .id = arena_copy(&batch->arena, subject->id)};
    }
    return changes;
}

const SubjectChanges *run_batch_find(const RunBatch *batch, SubjectKey key)
{
    return table_find(&batch->subjects, &key);
}

bool members_equal(const Member *a, const Member *b)
{
    return span_id_compare(a->span_id, b->span_id) == 0 &&
           trace_id_equal(a->trace_id, b->trace_id) && a->start_ns == b->start_ns &&
           a->end_ns == b->end_ns && a->threshold == b->threshold && a->kind == b->kind &&
           a->client == b->client && a->failed == b->failed && a->shadowed == b->shadowed &&
           a->no_run_id == b->no_run_id && str_equal(a->step, b->step) &&
           str_equal(a->service, b->service) && str_equal(a->flow, b->flow) &&
           str_equal(a->run_id, b->run_id);
}

bool entity_links_equal(const EntityLink *a, const EntityLink *b)
{
    return trace_id_equal(a->trace_id, b->trace_id) && a->start_ns == b->start_ns &&
           str_equal(a->run_id, b->run_id) && str_equal(a->flow, b->flow) &&
           str_equal(a->id, b->id) && str_equal(a->type, b->type);
}

void run_batch_add_member(RunBatch *batch, SubjectChanges *run, const Member *member)
{
    uint32_t least = run->n > CANCEL_LOOK_BACK ? run->n - CANCEL_LOOK_BACK : 0;

    run->net += member->sign;
    for (uint32_t i = run->n; i > least; i--) {
        const Member *other = &run->members[i - 1];

        if (other->sign == -member->sign && members_equal(other, member)) {
            run->members[i - 1] = run->members[--run->n];
            return;
        }
    }
    ARRAY_RESERVE(run->members, run->n, run->capacity);
    Member *added = &run->members[run->n++];
    *added = *member;
    added->flow = run->subject.owner;
    added->run_id = run->subject.id;
    added->step = keep_name(batch, member->step);
    added->service = keep_name(batch, member->service);
    batch->n_changes++;
}

void run_batch_add_link(RunBatch *batch, SubjectChanges *entity, const EntityLink *link)
{
    uint32_t least = entity->n > CANCEL_LOOK_BACK ? entity->n - CANCEL_LOOK_BACK : 0;

    entity->net += link->sign;
    for (uint32_t i = entity->n; i > least; i--) {
        const EntityLink *other = &entity->links[i - 1];

        if (other->sign == -link->sign && entity_links_equal(other, link)) {
            entity->links[i - 1] = entity->links[--entity->n];
            return;
        }
    }
    ARRAY_RESERVE(entity->links, entity->n, entity->capacity);
    EntityLink *added = &entity->links[entity->n++];
    *added = *link;
    added->type = entity->subject.owner;
    added->id = entity->subject.id;
    added->flow = keep_name(batch, link->flow);
    added->run_id = arena_copy(&batch->arena, link->run_id);
    batch->n_changes++;
}

/* An order in which equal ones are neighbours, the sequence's order among steps. */
static int compare_whole(const void *a, const void *b)
{
    const Member *left = a;
    const Member *right = b;
    int order = (left->kind != MEMBER_STEP) - (right->kind != MEMBER_STEP);

    order = order != 0 ? order : member_compare(left, right);
    order = order != 0 ? order : (int)left->kind - (int)right->kind;
    order = order != 0 ? order : (int)left->failed - (int)right->failed;
    order = order != 0 ? order : (int)left->shadowed - (int)right->shadowed;
    order = order != 0 ? order : (int)left->no_run_id - (int)right->no_run_id;
    order = order != 0 ? order : str_compare(left->step, right->step);
    order = order != 0 ? order : str_compare(left->service, right->service);
    return order != 0 ? order
                      : (left->threshold > right->threshold) - (left->threshold < right->threshold);
}

static int compare_links(const void *a, const void *b)
{
    const EntityLink *left = a;
    const EntityLink *right = b;

    if (left->start_ns != right->start_ns) {
        return left->start_ns < right->start_ns ? -1 : 1;
    }
    int order = trace_id_compare(left->trace_id, right->trace_id);
    order = order != 0 ? order : str_compare(left->flow, right->flow);
    return order != 0 ? order : str_compare(left->run_id, right->run_id);
}

/* Leaves |sum| of the @n equal members with its sign. */
static size_t keep_members(Member *to, const Member *from, size_t n, int64_t sum)
{
    size_t kept = (size_t)(sum < 0 ? -sum : sum);

    for (size_t i = 0; i < kept && i < n; i++) {
        to[i] = from[0];
        to[i].sign = sum < 0 ? -1 : 1;
    }
    return MIN(kept, n);
}

static void reduce_members(SubjectChanges *run)
{
    uint32_t kept = 0;

    qsort(run->members, run->n, sizeof(Member), compare_whole);
    for (uint32_t i = 0, end; i < run->n; i = end) {
        int64_t sum = 0;
        Member first = run->members[i];

        for (end = i; end < run->n && compare_whole(&first, &run->members[end]) == 0; end++) {
            sum += run->members[end].sign;
        }
        kept += (uint32_t)keep_members(&run->members[kept], &first, end - i, sum);
    }
    run->n = kept;
}

static void reduce_links(SubjectChanges *entity)
{
    uint32_t kept = 0;

    qsort(entity->links, entity->n, sizeof(EntityLink), compare_links);
    for (uint32_t i = 0, end; i < entity->n; i = end) {
        EntityLink first = entity->links[i];
        int64_t sum = 0;

        for (end = i; end < entity->n && compare_links(&first, &entity->links[end]) == 0; end++) {
            sum += entity->links[end].sign;
        }
        first.sign = sum < 0 ? -1 : 1;
        for (int64_t k = 0; k < (sum < 0 ? -sum : sum); k++) {
            entity->links[kept++] = first;
        }
    }
    entity->n = kept;
}

void changes_reduce(SubjectChanges *changes)
{
    if (changes->n == 0) {
        return;
    }
    if (changes->subject.kind == SUBJECT_RUN) {
        reduce_members(changes);
    } else {
        reduce_links(changes);
    }
}

void changes_drop_taken(SubjectChanges *changes)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < changes->n; i++) {
        if (changes->subject.kind == SUBJECT_ENTITY) {
            changes->links[kept] = changes->links[i];
            kept += changes->links[i].sign > 0;
        } else {
            changes->members[kept] = changes->members[i];
            kept += changes->members[i].sign > 0;
        }
    }
    changes->n = kept;
}
