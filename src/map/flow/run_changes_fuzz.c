// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "map/flow/run_changes.h"

/* Any bytes as the changes of a run or a business object (the first byte says which): refused, or
 * read; what was read is written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const Str names[] = {STR("pay"), STR("web"), STR("order")};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf written = {0};
    CLEANUP(symbols_deinit) Symbols symbols = {0};
    const ChangeNames known = {names, ARRAY_LEN(names)};
    SubjectChanges changes;
    SubjectChanges again;

    if (size == 0) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)symbols_intern(&symbols, names[i]);
    }
    const Subject subject = {data[0] % 2 == 0 ? SUBJECT_RUN : SUBJECT_ENTITY, STR("owner"),
                             STR("1")};
    if (changes_parse(str_from_bytes(data + 1, size - 1), &subject, known, &arena, &changes) != 0) {
        return 0;
    }
    changes_append(&changes, &symbols, &written);
    ASSERT(changes_parse(buf_str(&written), &subject, known, &arena, &again) == 0);
    ASSERT(again.n == changes.n);
    for (uint32_t i = 0; i < changes.n; i++) {
        ASSERT(subject.kind == SUBJECT_RUN
                   ? members_equal(&changes.members[i], &again.members[i])
                   : entity_links_equal(&changes.links[i], &again.links[i]));
    }
    changes_reduce(&changes);
    return 0;
}
