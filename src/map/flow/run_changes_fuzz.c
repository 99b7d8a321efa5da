// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/bytes.h"
#include "map/flow/run_changes.h"

/* Any bytes as the changes of a run or a business object (the first byte says which, and in which
 * version): refused, or read; what was read is packed and read again, and has other names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIRST_NS = 1000 };

static const Str names[] = {STR("pay"), STR("web"), STR("order")};

static int read(Str bytes, uint8_t version, const Subject *subject, Arena *arena,
                SubjectChanges *changes)
{
    const ChangeNames known = {names, ARRAY_LEN(names)};
    PackedChanges packed;

    if (version % 2 == 0) {
        return changes_unpack_1(bytes, subject, known, arena, changes);
    }
    TRY(bytes_take_counted(&bytes, &packed.shape));
    TRY(bytes_take_counted(&bytes, &packed.sizes));
    packed.bits = bytes;
    return changes_unpack(&packed, subject, FIRST_NS, known, arena, changes);
}

static void write(const SubjectChanges *changes, Arena *arena)
{
    static const uint32_t same[] = {0, 1, 2};
    const ChangeNames known = {names, ARRAY_LEN(names)};
    CLEANUP(symbols_deinit) Symbols symbols = {0};
    CLEANUP(change_bufs_deinit) ChangeBufs bufs = {0};
    CLEANUP(buf_deinit) Buf renamed = {0};
    SubjectChanges again;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)symbols_intern(&symbols, names[i]);
    }
    changes_pack(changes, FIRST_NS, &symbols, &bufs);
    const PackedChanges packed = {buf_str(&bufs.shape), buf_str(&bufs.sizes), buf_str(&bufs.bits)};
    ASSERT(changes_unpack(&packed, &changes->subject, FIRST_NS, known, arena, &again) == 0);
    ASSERT(again.n == changes->n);
    for (uint32_t i = 0; i < again.n; i++) {
        ASSERT(changes->subject.kind == SUBJECT_RUN
                   ? members_equal(&changes->members[i], &again.members[i])
                   : entity_links_equal(&changes->links[i], &again.links[i]));
    }
    ASSERT(changes_rename(packed.shape, changes->subject.kind,
                          (ChangeNumbers){same, ARRAY_LEN(same)}, &renamed) == 0);
    ASSERT(str_equal(packed.shape, buf_str(&renamed)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    SubjectChanges changes;

    if (size == 0) {
        return 0;
    }
    const Subject subject = {data[0] % 2 == 0 ? SUBJECT_RUN : SUBJECT_ENTITY, STR("owner"),
                             STR("1")};
    if (read(str_from_bytes(data + 1, size - 1), data[0] / 2, &subject, &arena, &changes) != 0) {
        return 0;
    }
    write(&changes, &arena);
    changes_reduce(&changes);
    changes_drop_taken(&changes);
    return 0;
}
