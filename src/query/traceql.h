// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/trace_query.h"

/*
 * TraceQL, as far as it chooses traces:
 *
 *   filters     { … } with comparisons joined by && || ! and parentheses
 *   fields      span.key resource.key event.key link.key instrumentation.key .key, keys in quotes
 *               where they need it: span."a key"; name kind status statusMessage duration, and with
 *               scope: span:name span:kind span:status span:statusMessage span:duration span:id
 *               span:parentID span:childCount trace:id trace:duration trace:rootName
 *               trace:rootService event:name event:timeSinceStart link:traceID link:spanID
 *               instrumentation:name instrumentation:version; as they were called before: rootName
 *               rootServiceName traceDuration childCount; nestedSetLeft nestedSetRight
 *               nestedSetParent
 *   comparisons = != < <= > >= =~ !~ (anchored regular expressions), with nil: there or not
 *   values      "text" `text` 42 -1.5 true false 1.5s 100ms; ok error unset; server client producer
 *               consumer internal unspecified
 *   sets        { … } && { … }, ||, and relations: >> > << < ~, with ! none of them, with & both
 *               sides
 *   stages      | { … }  | count() > 2  | avg|min|max|sum(field) > 1s  | by(field)  | coalesce()
 *               | select(fields)
 *
 * The empty query, {} and { true } match every span. What belongs to TraceQL and is not supported
 * (arithmetic, comparing two fields, attributes of the parent, metrics) is an error that says so.
 */
enum { TRACEQL_QUERY_MAX = 32 << 10 };

/*
 * Parses @text. @set was initialised with the arena that is to hold the filter; strings in it are
 * views into @text or copies in the arena. Returns 0 with @ret_query, whose window is all of time,
 * and its filter in set->root; or 1 with the place (offset in @text) and what is wrong.
 */
MUST_USE int traceql_parse(Str text, FilterSet *set, TraceQuery *ret_query, ParseError *ret_error);
