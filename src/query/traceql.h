// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/filter_build.h"

/*
 * TraceQL, as far as it asks one span: `{ … }` with comparisons joined by && || ! and parentheses.
 *
 *   fields      span.key resource.key event.key link.key instrumentation.key .key, keys in quotes
 *               where they need it: span."a key"; name kind status statusMessage duration, and with
 *               scope: span:name span:kind span:status span:statusMessage span:duration span:id
 *               span:parentID trace:id event:name instrumentation:name instrumentation:version
 *   comparisons = != < <= > >= =~ !~ (anchored regular expressions), with nil: there or not
 *   values      "text" `text` 42 -1.5 true false 1.5s 100ms; ok error unset; server client producer
 *               consumer internal unspecified
 *
 * The empty query, {} and { true } match every span. What belongs to TraceQL and is not supported
 * yet is an error that says so.
 */
enum { TRACEQL_QUERY_MAX = 32 << 10 };

/*
 * Parses @text. @set was initialised with the arena that is to hold the filter; strings in it are
 * views into @text or copies in the arena. Returns 0 with set->root, or 1 with the place (offset in
 * @text) and what is wrong.
 */
MUST_USE int traceql_parse(Str text, FilterSet *set, ParseError *ret_error);
