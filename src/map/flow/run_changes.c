// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_changes.h"

#include "base/assert.h"
#include "codec/bytes.h"

/*
 * A run is mostly one trace whose steps follow each other, so a trace id is told once, starts are
 * differences, and what stays is the span id and some bytes a step.
 */
enum {
    FLAG_KIND = 3,
    FLAG_CLIENT = 1 << 2,
    FLAG_FAILED = 1 << 3,
    FLAG_SHADOWED = 1 << 4,
    FLAG_NO_RUN_ID = 1 << 5,
    FLAG_THRESHOLD = 1 << 6,
    FLAG_TAKEN = 1 << 7,
    CHANGE_BYTES_MIN = 12, /* so that a count can be checked before it is believed */
    TRACES_MAX = 64,       /* remembered: the last */
};

typedef struct TraceRing {
    TraceId ids[TRACES_MAX];
    size_t n;
} TraceRing;

static void ring_add(TraceRing *ring, TraceId id)
{
    ring->ids[ring->n++ % TRACES_MAX] = id;
}

/* How many new ids ago @id was told; TRACES_MAX: not, or too long ago. */
static size_t ring_find(const TraceRing *ring, TraceId id)
{
    size_t n = MIN(ring->n, (size_t)TRACES_MAX);

    for (size_t ago = 0; ago < n; ago++) {
        if (trace_id_equal(ring->ids[(ring->n - 1 - ago) % TRACES_MAX], id)) {
            return ago;
        }
    }
    return TRACES_MAX;
}

static void append_name(Buf *buf, const Symbols *names, Str name)
{
    uint32_t number = name.len == 0 ? 0 : symbols_find(names, name);

    ASSERT(name.len == 0 || number != SYMBOL_NONE);
    varint_append(buf, name.len == 0 ? 0 : (uint64_t)number + 1);
}

static void append_trace(Buf *buf, TraceRing *ring, TraceId id)
{
    size_t ago = ring_find(ring, id);

    if (ago < TRACES_MAX) {
        varint_append(buf, 1 + ago);
        return;
    }
    varint_append(buf, 0);
    buf_append(buf, id.bytes, TRACE_ID_SIZE);
    ring_add(ring, id);
}

static uint8_t member_flags(const Member *member)
{
    unsigned flags = (unsigned)member->kind & FLAG_KIND;

    flags |= member->client ? FLAG_CLIENT : 0U;
    flags |= member->failed ? FLAG_FAILED : 0U;
    flags |= member->shadowed ? FLAG_SHADOWED : 0U;
    flags |= member->no_run_id ? FLAG_NO_RUN_ID : 0U;
    flags |= member->threshold != 0 ? FLAG_THRESHOLD : 0U;
    flags |= member->sign < 0 ? FLAG_TAKEN : 0U;
    return (uint8_t)flags;
}

static void append_member(Buf *buf, const Member *member, const Symbols *names, TraceRing *ring,
                          uint64_t before_ns)
{
    buf_append_byte(buf, member_flags(member));
    append_trace(buf, ring, member->trace_id);
    buf_append(buf, member->span_id.bytes, SPAN_ID_SIZE);
    zigzag_append(buf, (int64_t)(member->start_ns - before_ns));
    varint_append(buf, member->end_ns - member->start_ns);
    if (member->threshold != 0) {
        buf_append_u64le(buf, member->threshold);
    }
    append_name(buf, names, member->step);
    append_name(buf, names, member->service);
}

static void append_link(Buf *buf, const EntityLink *link, const Symbols *names, uint64_t before_ns)
{
    buf_append_byte(buf, (uint8_t)(link->sign < 0 ? FLAG_TAKEN : 0));
    buf_append(buf, link->trace_id.bytes, TRACE_ID_SIZE);
    zigzag_append(buf, (int64_t)(link->start_ns - before_ns));
    append_name(buf, names, link->flow);
    bytes_append_counted(buf, link->run_id);
}

void changes_append(const SubjectChanges *changes, const Symbols *names, Buf *buf)
{
    TraceRing ring = {.n = 0};
    uint64_t before_ns = 0;

    varint_append(buf, changes->n);
    for (uint32_t i = 0; i < changes->n; i++) {
        if (changes->subject.kind == SUBJECT_RUN) {
            append_member(buf, &changes->members[i], names, &ring, before_ns);
            before_ns = changes->members[i].start_ns;
        } else {
            append_link(buf, &changes->links[i], names, before_ns);
            before_ns = changes->links[i].start_ns;
        }
    }
}

/* ---- back ---- */

static int take_name(Str *in, ChangeNames names, Str *ret_name)
{
    uint64_t number;

    TRY(varint_take(in, &number));
    if (number > names.count) {
        return 1;
    }
    *ret_name = number == 0 ? (Str){0} : names.items[number - 1];
    return 0;
}

static int take_trace(Str *in, TraceRing *ring, TraceId *ret_id)
{
    uint64_t told;
    Str bytes;

    TRY(varint_take(in, &told));
    if (told > MIN(ring->n, (size_t)TRACES_MAX)) {
        return 1;
    }
    if (told > 0) {
        *ret_id = ring->ids[(ring->n - told) % TRACES_MAX];
        return 0;
    }
    TRY(bytes_take(in, TRACE_ID_SIZE, &bytes));
    mem_copy(ret_id->bytes, bytes.ptr, TRACE_ID_SIZE);
    ring_add(ring, *ret_id);
    return 0;
}

static int take_flags(Str *in, uint8_t *ret_flags)
{
    Str byte;

    TRY(bytes_take(in, 1, &byte));
    *ret_flags = (uint8_t)byte.ptr[0];
    return 0;
}

static int take_times(Str *in, uint64_t before_ns, Member *member)
{
    int64_t difference;
    uint64_t duration_ns;

    TRY(zigzag_take(in, &difference));
    TRY(varint_take(in, &duration_ns));
    member->start_ns = before_ns + (uint64_t)difference;
    return __builtin_add_overflow(member->start_ns, duration_ns, &member->end_ns);
}

static int take_threshold(Str *in, uint8_t flags, uint64_t *ret_threshold)
{
    Str bytes;

    if ((flags & FLAG_THRESHOLD) == 0) {
        return 0;
    }
    TRY(bytes_take(in, sizeof(uint64_t), &bytes));
    *ret_threshold = load_u64le(bytes.ptr);
    return *ret_threshold >> 56 != 0;
}

static int take_member(Str *in, ChangeNames names, TraceRing *ring, uint64_t before_ns,
                       Member *member)
{
    uint8_t flags;
    Str bytes;

    TRY(take_flags(in, &flags));
    member->kind = (MemberKind)(flags & FLAG_KIND);
    if (member->kind > MEMBER_JOINER) {
        return 1;
    }
    member->client = (flags & FLAG_CLIENT) != 0;
    member->failed = (flags & FLAG_FAILED) != 0;
    member->shadowed = (flags & FLAG_SHADOWED) != 0;
    member->no_run_id = (flags & FLAG_NO_RUN_ID) != 0;
    member->sign = (flags & FLAG_TAKEN) != 0 ? -1 : 1;
    TRY(take_trace(in, ring, &member->trace_id));
    TRY(bytes_take(in, SPAN_ID_SIZE, &bytes));
    mem_copy(member->span_id.bytes, bytes.ptr, SPAN_ID_SIZE);
    TRY(take_times(in, before_ns, member));
    TRY(take_threshold(in, flags, &member->threshold));
    TRY(take_name(in, names, &member->step));
    TRY(take_name(in, names, &member->service));
    return (member->kind == MEMBER_STEP) != (member->step.len > 0);
}

static int take_link(Str *in, ChangeNames names, uint64_t before_ns, EntityLink *link)
{
    int64_t difference;
    uint8_t flags;
    Str bytes;

    TRY(take_flags(in, &flags));
    link->sign = (flags & FLAG_TAKEN) != 0 ? -1 : 1;
    TRY(bytes_take(in, TRACE_ID_SIZE, &bytes));
    mem_copy(link->trace_id.bytes, bytes.ptr, TRACE_ID_SIZE);
    TRY(zigzag_take(in, &difference));
    link->start_ns = before_ns + (uint64_t)difference;
    TRY(take_name(in, names, &link->flow));
    return bytes_take_counted(in, &link->run_id);
}

static int take_members(Str in, ChangeNames names, SubjectChanges *changes)
{
    TraceRing ring = {.n = 0};
    uint64_t before_ns = 0;

    for (uint32_t i = 0; i < changes->n; i++) {
        Member *member = &changes->members[i];

        TRY(take_member(&in, names, &ring, before_ns, member));
        member->flow = changes->subject.owner;
        member->run_id = changes->subject.id;
        before_ns = member->start_ns;
    }
    return in.len != 0;
}

static int take_links(Str in, ChangeNames names, SubjectChanges *changes)
{
    uint64_t before_ns = 0;

    for (uint32_t i = 0; i < changes->n; i++) {
        EntityLink *link = &changes->links[i];

        TRY(take_link(&in, names, before_ns, link));
        link->type = changes->subject.owner;
        link->id = changes->subject.id;
        before_ns = link->start_ns;
    }
    return in.len != 0;
}

int changes_parse(Str bytes, const Subject *subject, ChangeNames names, Arena *arena,
                  SubjectChanges *ret_changes)
{
    SubjectChanges changes = {.subject = *subject};
    uint64_t n;

    TRY(varint_take(&bytes, &n));
    if (n > bytes.len / CHANGE_BYTES_MIN) {
        return 1;
    }
    changes.n = (uint32_t)n;
    if (subject->kind == SUBJECT_RUN) {
        changes.members = ARENA_ARRAY(arena, Member, changes.n);
        TRY(take_members(bytes, names, &changes));
    } else {
        changes.links = ARENA_ARRAY(arena, EntityLink, changes.n);
        TRY(take_links(bytes, names, &changes));
    }
    *ret_changes = changes;
    return 0;
}
