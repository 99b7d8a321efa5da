// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/jaeger_search.h"
#include "serve/jaeger/jaeger_api.h"

/* What the calls of both versions share; for the files of this folder only. */

/* A search, once its parameters are read. */
typedef struct JaegerQuestion {
    JaegerSearch search;
    uint64_t from_ns, to_ns;
    size_t limit;
} JaegerQuestion;

/* jaeger_question.c: by the names that each version has for its parameters. */
MUST_USE int jaeger_question_read(ApiCall *call, JaegerQuestion *question);
MUST_USE int jaeger_v3_question_read(ApiCall *call, JaegerQuestion *question);

/* The newest traces with a span that matches. */
MUST_USE int jaeger_question_ask(ApiCall *call, const JaegerQuestion *question,
                                 StoreHits *ret_hits);

/* What a search could not look at; empty: nothing. */
Str jaeger_gap_text(StoreGap gap);

/* The trace id of the path; waits for what was acknowledged. */
MUST_USE int jaeger_item_id(ApiCall *call, TraceId *ret_id);

/* jaeger_names.c: version 1's envelope, {"data":[ …
 * ],"total":n,"limit":0,"offset":0,"errors":null}. An error is a trace id (key) and a text (value).
 */
void jaeger_envelope_open(ApiCall *call);
void jaeger_envelope_close(ApiCall *call, uint64_t total);
void jaeger_envelope_close_errors(ApiCall *call, uint64_t total, const JaegerTag *errors, size_t n);
