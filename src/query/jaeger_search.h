// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/filter_build.h"

/*
 * Jaeger's trace search (jaegertracing/jaeger, cmd/query/app/query_parser.go) as a Filter on one
 * span: service and operation, all tags, duration.
 */
enum { JAEGER_SEARCH_BAD = 1, JAEGER_TAGS_MAX = 100 };

typedef struct JaegerTag {
    Str key, value;
} JaegerTag;

typedef struct JaegerSearch {
    Str service, operation; /* empty: any */
    JaegerTag tags[JAEGER_TAGS_MAX];
    size_t n_tags;
    uint64_t duration_min_ns, duration_max_ns; /* 0: no bound */
} JaegerSearch;

/* Adds the tag of `tag=key:value`. Returns 0, or JAEGER_SEARCH_BAD with what is wrong. */
MUST_USE int jaeger_search_tag(JaegerSearch *search, Str text, ParseError *ret_error);

/* Adds the tags of `tags={"key":"value"}`; numbers and booleans are taken as their text. Strings
 * are views into @text or @arena. Returns 0, or JAEGER_SEARCH_BAD. */
MUST_USE int jaeger_search_tags(JaegerSearch *search, Str text, Arena *arena,
                                ParseError *ret_error);

/*
 * The filter. A tag matches an attribute of the span, its resource or one of its events as text.
 * What Jaeger shows as tags but OpenTelemetry keeps in fields is asked of the field: error,
 * span.kind, otel.status_code, otel.status_description, otel.scope.name, otel.scope.version.
 */
MUST_USE int jaeger_search_filter(const JaegerSearch *search, FilterSet *set);
