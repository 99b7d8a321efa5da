// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "map/flow/member.h"

/*
 * Changes of runs and of business objects, by subject, in memory: those that are not in a committed
 * file yet. Added to by one thread; may be read by many while nobody adds.
 */
typedef enum SubjectKind { SUBJECT_RUN, SUBJECT_ENTITY } SubjectKind;

typedef struct SubjectKey {
    uint64_t high, low;
} SubjectKey;

/* A run of a flow, or a business object. */
typedef struct Subject {
    SubjectKind kind;
    Str owner; /* run: key of the flow's node; entity: its type */
    Str id;    /* run id; entity id */
} Subject;

/* A stable hash, wide enough to be the identity in memory. */
SubjectKey subject_key(const Subject *subject);
int subject_key_compare(SubjectKey a, SubjectKey b);

typedef struct SubjectChanges {
    SubjectKey key;
    Subject subject;
    bool known_before; /* a run: an older batch or file has changes of it */
    Member *members;   /* of a run */
    EntityLink *links; /* of an entity */
    uint32_t n, capacity;
    int64_t net; /* sum of all signs, also of those that have cancelled out */
} SubjectChanges;

typedef struct RunBatch {
    Table subjects; /* of SubjectChanges */
    Symbols names;  /* keys of nodes, steps */
    Arena arena;    /* ids */
    uint64_t n_changes;
} RunBatch;

RunBatch *run_batch_new(void);
RunBatch *run_batch_free(RunBatch *batch);

/* Copies what they point to. Equal ones of opposite sign cancel. */
SubjectChanges *run_batch_subject(RunBatch *batch, SubjectKey key, const Subject *subject);
void run_batch_add_member(RunBatch *batch, SubjectChanges *run, const Member *member);
void run_batch_add_link(RunBatch *batch, SubjectChanges *entity, const EntityLink *link);

const SubjectChanges *run_batch_find(const RunBatch *batch, SubjectKey key);

/* Cancels equal changes of opposite sign, however far apart, and sorts: members as run_sort() does,
 * links by start. */
void changes_reduce(SubjectChanges *changes);

/* Drops what is taken back of something that is not there (any more). Reduced before. */
void changes_drop_taken(SubjectChanges *changes);

/* Whether all but their signs is equal. */
bool members_equal(const Member *a, const Member *b);
bool entity_links_equal(const EntityLink *a, const EntityLink *b);
