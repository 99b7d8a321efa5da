// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * The benchmark's data sets, made by a generator so that nobody needs to fetch them: traces of a
 * shop, ten spans each over five services. The easy set has 10 attributes a span, about 505 bytes
 * on the wire; the hard set 20, about 1,020 bytes, with UUIDs and SQL texts that never repeat. The
 * wide set is the easy one over WIDE_SERVICES services, each of which calls ten others and has a
 * hundred operations: CORPUS_WIDE_TRACES traces have every call and every operation once.
 */
typedef enum CorpusKind { CORPUS_EASY, CORPUS_HARD, CORPUS_WIDE } CorpusKind;

enum { WIDE_SERVICES = 10000, WIDE_CALLS = 10, WIDE_OPERATIONS = 100 };
enum { CORPUS_WIDE_TRACES = WIDE_SERVICES * WIDE_OPERATIONS / 4 };

enum { CORPUS_TRACE_SPANS = 10 };

/* Yields @n_traces whole traces, the @first-th portion of so many, that start around @start_ns. The
 * same numbers give the same spans. */
Span *corpus_make(CorpusKind kind, uint64_t first, size_t n_traces, uint64_t start_ns,
                  Arena *arena);
