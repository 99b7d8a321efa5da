// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_changes.h"

#include "base/assert.h"
#include "codec/bits.h"
#include "codec/bytes.h"
#include "map/flow/run_changes_private.h"

/*
 * A run is mostly one trace whose steps follow each other, so a trace id is told once, and a start
 * is told from the end of the step before it.
 */
void change_bufs_clear(ChangeBufs *bufs)
{
    buf_clear(&bufs->shape);
    buf_clear(&bufs->sizes);
    buf_clear(&bufs->bits);
    buf_clear(&bufs->numbers);
    bufs->last = bufs->n_last = 0;
}

void change_bufs_deinit(ChangeBufs *bufs)
{
    buf_deinit(&bufs->shape);
    buf_deinit(&bufs->sizes);
    buf_deinit(&bufs->bits);
    buf_deinit(&bufs->numbers);
}

/* ---- numbers ---- */

/* How many bits it has, and those below the highest. */
static void put_number(ChangeBufs *bufs, uint64_t value)
{
    unsigned size = bits_needed(value);

    buf_append_byte(&bufs->sizes, (uint8_t)size);
    if (size < 2) {
        return;
    }
    unsigned n = size - 1;
    value &= (UINT64_C(1) << n) - 1;
    bufs->last |= value << bufs->n_last;
    if (bufs->n_last + n >= 64) {
        buf_append_u64le(&bufs->numbers, bufs->last);
        bufs->last = value >> (64 - bufs->n_last); /* n < 64, so n_last > 0 */
        bufs->n_last += n - 64;
    } else {
        bufs->n_last += n;
    }
}

static void append_numbers(ChangeBufs *bufs)
{
    buf_append(&bufs->numbers, &bufs->last, (bufs->n_last + 7) / 8);
    buf_append_str(&bufs->bits, buf_str(&bufs->numbers));
}

/* Numbers that are taken, one behind the other. */
typedef struct NumberReader {
    Str sizes, bits;
    size_t at; /* bit */
} NumberReader;

static int take_number(NumberReader *in, uint64_t *ret_value)
{
    uint64_t value;
    Str byte;

    TRY(bytes_take(&in->sizes, 1, &byte));
    unsigned size = (uint8_t)byte.ptr[0];
    if (size > 64 || (size > 1 && in->at + size - 1 > 8 * in->bits.len)) {
        return 1;
    }
    value = size == 0 ? 0 : UINT64_C(1) << (size - 1);
    for (unsigned got = 0; got + 1 < size;) {
        unsigned shift = in->at % 8, n = MIN(8 - shift, size - 1 - got);
        uint64_t bits = (uint8_t)in->bits.ptr[in->at / 8] >> shift & ((1U << n) - 1);

        value |= bits << got;
        got += n;
        in->at += n;
    }
    *ret_value = value;
    return 0;
}

/* ---- changes ---- */

void trace_ring_add(TraceRing *ring, TraceId id)
{
    ring->ids[ring->n++ % CHANGE_TRACES_MAX] = id;
}

/* How many new ids ago @id was told; CHANGE_TRACES_MAX: not, or too long ago. */
static size_t ring_find(const TraceRing *ring, TraceId id)
{
    size_t n = MIN(ring->n, (size_t)CHANGE_TRACES_MAX);

    for (size_t ago = 0; ago < n; ago++) {
        if (trace_id_equal(ring->ids[(ring->n - 1 - ago) % CHANGE_TRACES_MAX], id)) {
            return ago;
        }
    }
    return CHANGE_TRACES_MAX;
}

static void append_name(Buf *buf, const Symbols *names, Str name)
{
    uint32_t number = name.len == 0 ? 0 : symbols_find(names, name);

    ASSERT(name.len == 0 || number != SYMBOL_NONE);
    varint_append(buf, name.len == 0 ? 0 : (uint64_t)number + 1);
}

static void append_trace(ChangeBufs *bufs, TraceRing *ring, TraceId id)
{
    size_t ago = ring_find(ring, id);

    if (ago < CHANGE_TRACES_MAX) {
        varint_append(&bufs->shape, 1 + ago);
        return;
    }
    varint_append(&bufs->shape, 0);
    buf_append(&bufs->bits, id.bytes, TRACE_ID_SIZE);
    trace_ring_add(ring, id);
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

static void pack_member(ChangeBufs *bufs, const Member *member, const Symbols *names,
                        TraceRing *ring, uint64_t before_ns)
{
    buf_append_byte(&bufs->shape, member_flags(member));
    append_trace(bufs, ring, member->trace_id);
    append_name(&bufs->shape, names, member->step);
    append_name(&bufs->shape, names, member->service);
    put_number(bufs, zigzag_encode((int64_t)(member->start_ns - before_ns)));
    put_number(bufs, member->end_ns - member->start_ns);
    if (member->threshold != 0) {
        put_number(bufs, member->threshold);
    }
    buf_append(&bufs->bits, member->span_id.bytes, SPAN_ID_SIZE);
}

static void pack_link(ChangeBufs *bufs, const EntityLink *link, const Symbols *names,
                      uint64_t before_ns)
{
    buf_append_byte(&bufs->shape, (uint8_t)(link->sign < 0 ? FLAG_TAKEN : 0));
    append_name(&bufs->shape, names, link->flow);
    put_number(bufs, zigzag_encode((int64_t)(link->start_ns - before_ns)));
    bytes_append_counted(&bufs->sizes, link->run_id);
    buf_append(&bufs->bits, link->trace_id.bytes, TRACE_ID_SIZE);
}

void changes_pack(const SubjectChanges *changes, uint64_t first_ns, const Symbols *names,
                  ChangeBufs *bufs)
{
    TraceRing ring = {.n = 0};
    uint64_t before_ns = first_ns;

    change_bufs_clear(bufs);
    for (uint32_t i = 0; i < changes->n; i++) {
        if (changes->subject.kind == SUBJECT_RUN) {
            pack_member(bufs, &changes->members[i], names, &ring, before_ns);
            before_ns = changes->members[i].end_ns;
        } else {
            pack_link(bufs, &changes->links[i], names, before_ns);
            before_ns = changes->links[i].start_ns;
        }
    }
    append_numbers(bufs);
}

/* ---- back ---- */

int change_take_name(Str *in, ChangeNames names, Str *ret_name)
{
    uint64_t number;

    TRY(varint_take(in, &number));
    if (number > names.count) {
        return 1;
    }
    *ret_name = number == 0 ? (Str){0} : names.items[number - 1];
    return 0;
}

int change_take_trace(Str *numbers, Str *ids, TraceRing *ring, TraceId *ret_id)
{
    uint64_t told;
    Str bytes;

    TRY(varint_take(numbers, &told));
    if (told > MIN(ring->n, (size_t)CHANGE_TRACES_MAX)) {
        return 1;
    }
    if (told > 0) {
        *ret_id = ring->ids[(ring->n - told) % CHANGE_TRACES_MAX];
        return 0;
    }
    TRY(bytes_take(ids, TRACE_ID_SIZE, &bytes));
    mem_copy(ret_id->bytes, bytes.ptr, TRACE_ID_SIZE);
    trace_ring_add(ring, *ret_id);
    return 0;
}

int change_take_flags(Str *in, Member *member, bool *ret_threshold)
{
    Str byte;

    TRY(bytes_take(in, 1, &byte));
    uint8_t flags = (uint8_t)byte.ptr[0];
    member->kind = (MemberKind)(flags & FLAG_KIND);
    member->client = (flags & FLAG_CLIENT) != 0;
    member->failed = (flags & FLAG_FAILED) != 0;
    member->shadowed = (flags & FLAG_SHADOWED) != 0;
    member->no_run_id = (flags & FLAG_NO_RUN_ID) != 0;
    member->sign = (flags & FLAG_TAKEN) != 0 ? -1 : 1;
    *ret_threshold = (flags & FLAG_THRESHOLD) != 0;
    return member->kind > MEMBER_JOINER;
}

int change_take_times(Str *in, uint64_t before_ns, Member *member)
{
    int64_t difference;
    uint64_t duration_ns;

    TRY(zigzag_take(in, &difference));
    TRY(varint_take(in, &duration_ns));
    member->start_ns = before_ns + (uint64_t)difference;
    return __builtin_add_overflow(member->start_ns, duration_ns, &member->end_ns);
}

int change_take_threshold(Str *in, uint64_t *ret_threshold)
{
    Str bytes;

    TRY(bytes_take(in, sizeof(uint64_t), &bytes));
    *ret_threshold = load_u64le(bytes.ptr);
    return *ret_threshold >> 56 != 0 || *ret_threshold == 0;
}

int change_take_span(Str *in, SpanId *ret_id)
{
    Str bytes;

    TRY(bytes_take(in, SPAN_ID_SIZE, &bytes));
    mem_copy(ret_id->bytes, bytes.ptr, SPAN_ID_SIZE);
    return 0;
}

/* What is left of packed changes. */
typedef struct Unpacking {
    Str shape, ids;
    NumberReader numbers;
    ChangeNames names;
    TraceRing ring;
} Unpacking;

static int unpack_times(NumberReader *in, uint64_t before_ns, Member *member)
{
    uint64_t difference, duration_ns;

    TRY(take_number(in, &difference));
    TRY(take_number(in, &duration_ns));
    member->start_ns = before_ns + (uint64_t)zigzag_decode(difference);
    member->end_ns = member->start_ns + duration_ns;
    return 0;
}

static int unpack_member(Unpacking *in, uint64_t before_ns, Member *member)
{
    bool has_threshold;

    TRY(change_take_flags(&in->shape, member, &has_threshold));
    TRY(change_take_trace(&in->shape, &in->ids, &in->ring, &member->trace_id));
    TRY(change_take_name(&in->shape, in->names, &member->step));
    TRY(change_take_name(&in->shape, in->names, &member->service));
    TRY(unpack_times(&in->numbers, before_ns, member));
    if (has_threshold) {
        TRY(take_number(&in->numbers, &member->threshold));
    }
    TRY(change_take_span(&in->ids, &member->span_id));
    return (member->kind == MEMBER_STEP) != (member->step.len > 0) || member->threshold >> 56 != 0;
}

static int unpack_members(Unpacking *in, uint64_t before_ns, SubjectChanges *changes)
{
    while (in->shape.len > 0) {
        Member *member = &changes->members[changes->n];

        if (in->ids.len < SPAN_ID_SIZE) {
            return 1;
        }
        TRY(unpack_member(in, before_ns, member));
        member->flow = changes->subject.owner;
        member->run_id = changes->subject.id;
        before_ns = member->end_ns;
        changes->n++;
    }
    return 0;
}

static int unpack_link(Unpacking *in, uint64_t before_ns, EntityLink *link)
{
    uint64_t difference;
    Str byte;
    Str bytes;

    TRY(bytes_take(&in->shape, 1, &byte));
    link->sign = ((uint8_t)byte.ptr[0] & FLAG_TAKEN) != 0 ? -1 : 1;
    TRY(change_take_name(&in->shape, in->names, &link->flow));
    TRY(take_number(&in->numbers, &difference));
    link->start_ns = before_ns + (uint64_t)zigzag_decode(difference);
    TRY(bytes_take_counted(&in->numbers.sizes, &link->run_id));
    TRY(bytes_take(&in->ids, TRACE_ID_SIZE, &bytes));
    mem_copy(link->trace_id.bytes, bytes.ptr, TRACE_ID_SIZE);
    return 0;
}

static int unpack_links(Unpacking *in, uint64_t before_ns, SubjectChanges *changes)
{
    while (in->shape.len > 0) {
        EntityLink *link = &changes->links[changes->n];

        if (in->ids.len < TRACE_ID_SIZE) {
            return 1;
        }
        TRY(unpack_link(in, before_ns, link));
        link->type = changes->subject.owner;
        link->id = changes->subject.id;
        before_ns = link->start_ns;
        changes->n++;
    }
    return 0;
}

/* How many bytes of ids there are: the shape tells. */
static int measure_ids(Str shape, SubjectKind kind, size_t *ret_size)
{
    size_t size = 0;

    while (shape.len > 0) {
        uint64_t number;
        Str flags;

        TRY(bytes_take(&shape, 1, &flags));
        size += kind == SUBJECT_RUN ? SPAN_ID_SIZE : TRACE_ID_SIZE;
        if (kind == SUBJECT_RUN) {
            TRY(varint_take(&shape, &number));
            size += number == 0 ? TRACE_ID_SIZE : 0;
            TRY(varint_take(&shape, &number));
        }
        TRY(varint_take(&shape, &number));
    }
    *ret_size = size;
    return 0;
}

/* Each change has an id, so that memory is bounded by what was read. */
int changes_unpack(const PackedChanges *packed, const Subject *subject, uint64_t first_ns,
                   ChangeNames names, Arena *arena, SubjectChanges *ret_changes)
{
    SubjectChanges changes = {.subject = *subject};
    Unpacking in = {.shape = packed->shape, .names = names};
    Str numbers = packed->bits;
    size_t size = 0;

    TRY(measure_ids(packed->shape, subject->kind, &size));
    TRY(bytes_take(&numbers, size, &in.ids));
    in.numbers = (NumberReader){.sizes = packed->sizes, .bits = numbers};
    if (subject->kind == SUBJECT_RUN) {
        changes.members = ARENA_ARRAY(arena, Member, size / SPAN_ID_SIZE + 1);
        TRY(unpack_members(&in, first_ns, &changes));
    } else {
        changes.links = ARENA_ARRAY(arena, EntityLink, size / TRACE_ID_SIZE + 1);
        TRY(unpack_links(&in, first_ns, &changes));
    }
    *ret_changes = changes;
    return in.ids.len != 0 || in.numbers.sizes.len != 0 ||
           (in.numbers.at + 7) / 8 != in.numbers.bits.len;
}

/* ---- other names ---- */

static int rename_one(Str *shape, ChangeNumbers numbers, Buf *buf)
{
    uint64_t number;

    TRY(varint_take(shape, &number));
    if (number > numbers.count) {
        return 1;
    }
    varint_append(buf, number == 0 ? 0 : (uint64_t)numbers.items[number - 1] + 1);
    return 0;
}

int changes_rename(Str shape, SubjectKind kind, ChangeNumbers numbers, Buf *buf)
{
    while (shape.len > 0) {
        uint64_t told;
        Str flags;

        TRY(bytes_take(&shape, 1, &flags));
        buf_append_str(buf, flags);
        if (kind == SUBJECT_RUN) {
            TRY(varint_take(&shape, &told));
            varint_append(buf, told);
            TRY(rename_one(&shape, numbers, buf));
        }
        TRY(rename_one(&shape, numbers, buf));
    }
    return 0;
}
