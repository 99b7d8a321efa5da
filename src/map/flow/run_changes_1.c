// SPDX-License-Identifier: Apache-2.0
#include "codec/bytes.h"
#include "map/flow/run_changes_private.h"

/* Version 1 of run tables: all of a subject's changes in one string, one behind the other. */
enum { CHANGE_BYTES_MIN = 12 }; /* so that a count can be checked before it is believed */

static int take_member(Str *in, ChangeNames names, TraceRing *ring, uint64_t before_ns,
                       Member *member)
{
    bool has_threshold;

    TRY(change_take_flags(in, member, &has_threshold));
    TRY(change_take_trace(in, in, ring, &member->trace_id));
    TRY(change_take_span(in, &member->span_id));
    TRY(change_take_times(in, before_ns, member));
    if (has_threshold) {
        TRY(change_take_threshold(in, &member->threshold));
    }
    TRY(change_take_name(in, names, &member->step));
    TRY(change_take_name(in, names, &member->service));
    return (member->kind == MEMBER_STEP) != (member->step.len > 0);
}

static int take_link(Str *in, ChangeNames names, uint64_t before_ns, EntityLink *link)
{
    int64_t difference;
    Str bytes;

    TRY(bytes_take(in, 1, &bytes));
    link->sign = ((uint8_t)bytes.ptr[0] & FLAG_TAKEN) != 0 ? -1 : 1;
    TRY(bytes_take(in, TRACE_ID_SIZE, &bytes));
    mem_copy(link->trace_id.bytes, bytes.ptr, TRACE_ID_SIZE);
    TRY(zigzag_take(in, &difference));
    link->start_ns = before_ns + (uint64_t)difference;
    TRY(change_take_name(in, names, &link->flow));
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

int changes_unpack_1(Str bytes, const Subject *subject, ChangeNames names, Arena *arena,
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
