// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/member.h"

/*
 * What a run of a flow adds to the map, as a pure function of its members (CONTRACT.md §6). A run
 * counts whole in the minute of its first step, else of its first span; only its `follows` edges
 * count in the minutes of the later steps (§5).
 */
typedef struct RunSummary {
    bool counts; /* it is a run: it has a step, or an envelope that no other run overshadows */
    bool failed, no_run_id;
    size_t n_steps;
    uint64_t first_ns;         /* start of the first step, else span: what its window is told by */
    uint64_t start_ns, end_ns; /* over all members */
} RunSummary;

/* Sorts @members, all of one run: the steps first, in the order of the sequence. */
void run_sort(Member *members, size_t n);

/* @members sorted. */
RunSummary run_summary(const Member *members, size_t n);

/* Appends what the run adds. @members sorted. */
void run_contribute(const Member *members, size_t n, Deltas *deltas);

/*
 * The identity of a sequence of steps, as bytes: each name with its length before it. What is
 * longer than VARIANT_BYTES_MAX is cut behind a whole name, and told apart by a hash of all of it.
 */
enum { VARIANT_BYTES_MAX = 1024 };
void variant_append(const Member *steps, size_t n_steps, Buf *buf);

/* Takes the next step's name off @variant. Returns 0; 1 at the end; *@ret_cut: names are missing.
 */
MUST_USE int variant_take(Str *variant, Str *ret_step, bool *ret_cut);
