// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "query/times.h"
#include "query/traceql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever parses can be asked of a span; whatever does not has its error inside the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str text = str_from_bytes(data, size);
    Arena arena = {0};
    FilterSet set;
    TraceQuery query;
    ParseError error = {0};
    uint64_t ns;
    const Resource resource = {0};
    const Scope scope = {0};
    const Span span = {.resource = &resource, .scope = &scope};

    filter_set_init(&set, &arena);
    if (traceql_parse(text, &set, &query, &error) == 0) {
        filter_matches(query.filter, &span);
        trace_query_accepts(&query, &span, 1);
    } else {
        ASSERT(error.text != NULL && error.offset <= size);
    }
    filter_set_deinit(&set);
    if (time_parse(text, UINT64_C(1700000000000000000), &ns, &error) != 0) {
        ASSERT(error.text != NULL && error.offset <= size);
    }
    arena_deinit(&arena);
    return 0;
}
