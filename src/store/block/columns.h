// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/parquet.h"

/*
 * The fixed columns of a block, docs/format/block.md: X(id, name, type, optional, encoding, size).
 * Those from END_TIME on are left out of the file when no row needs them.
 */
#define BLOCK_COLUMNS(X)                                                                           \
    X(TRACE_ID, "trace_id", PARQUET_FIXED, false, PARQUET_PLAIN, 16)                               \
    X(SPAN_ID, "span_id", PARQUET_FIXED, false, PARQUET_PLAIN_BARE, 8)                             \
    X(PARENT_SPAN_ID, "parent_span_id", PARQUET_FIXED, true, PARQUET_PLAIN, 8)                     \
    X(SERVICE_NAME, "service_name", PARQUET_STRING, true, PARQUET_AUTO, 0)                         \
    X(NAME, "name", PARQUET_STRING, false, PARQUET_AUTO, 0)                                        \
    X(KIND, "kind", PARQUET_STRING, false, PARQUET_AUTO, 0)                                        \
    X(START, "start_time_unix_nano", PARQUET_INT64, false, PARQUET_DELTA, 0)                       \
    X(DURATION, "duration_ns", PARQUET_INT64, false, PARQUET_DELTA, 0)                             \
    X(STATUS_CODE, "status_code", PARQUET_STRING, false, PARQUET_AUTO, 0)                          \
    X(STATUS_MESSAGE, "status_message", PARQUET_STRING, true, PARQUET_AUTO, 0)                     \
    X(TRACE_STATE, "trace_state", PARQUET_STRING, true, PARQUET_AUTO, 0)                           \
    X(SCOPE_NAME, "scope_name", PARQUET_STRING, true, PARQUET_AUTO, 0)                             \
    X(SCOPE_VERSION, "scope_version", PARQUET_STRING, true, PARQUET_AUTO, 0)                       \
    X(FLAGS, "flags", PARQUET_INT32, false, PARQUET_AUTO, 0)                                       \
    X(ATTRIBUTES, "attributes", PARQUET_MAP, false, PARQUET_AUTO, 0)                               \
    X(RESOURCE_ATTRIBUTES, "resource_attributes", PARQUET_MAP, false, PARQUET_AUTO, 0)             \
    X(SCOPE_ATTRIBUTES, "scope_attributes", PARQUET_MAP, false, PARQUET_AUTO, 0)                   \
    X(EVENTS, "events", PARQUET_STRING, true, PARQUET_AUTO, 0)                                     \
    X(LINKS, "links", PARQUET_STRING, true, PARQUET_AUTO, 0)                                       \
    X(END_TIME, "end_time_unix_nano", PARQUET_INT64, true, PARQUET_DELTA, 0)                       \
    X(ATTRIBUTES_TYPE, "attributes_type", PARQUET_BYTES, true, PARQUET_AUTO, 0)                    \
    X(RESOURCE_ATTRIBUTES_TYPE, "resource_attributes_type", PARQUET_BYTES, true, PARQUET_AUTO, 0)  \
    X(SCOPE_ATTRIBUTES_TYPE, "scope_attributes_type", PARQUET_BYTES, true, PARQUET_AUTO, 0)        \
    X(DROPPED_ATTRIBUTES, "dropped_attributes_count", PARQUET_INT32, true, PARQUET_AUTO, 0)        \
    X(DROPPED_EVENTS, "dropped_events_count", PARQUET_INT32, true, PARQUET_AUTO, 0)                \
    X(DROPPED_LINKS, "dropped_links_count", PARQUET_INT32, true, PARQUET_AUTO, 0)                  \
    X(RESOURCE_DROPPED, "resource_dropped_attributes_count", PARQUET_INT32, true, PARQUET_AUTO, 0) \
    X(SCOPE_DROPPED, "scope_dropped_attributes_count", PARQUET_INT32, true, PARQUET_AUTO, 0)       \
    X(RESOURCE_SCHEMA_URL, "resource_schema_url", PARQUET_STRING, true, PARQUET_AUTO, 0)           \
    X(SCOPE_SCHEMA_URL, "scope_schema_url", PARQUET_STRING, true, PARQUET_AUTO, 0)                 \
    X(EXACT_SPAN, "exact_span", PARQUET_BYTES, true, PARQUET_PLAIN, 0)

#define BLOCK_COLUMN_ID(id, name, type, optional, encoding, size) BLOCK_##id,
typedef enum BlockColumn { BLOCK_COLUMNS(BLOCK_COLUMN_ID) BLOCK_N_COLUMNS } BlockColumn;
#undef BLOCK_COLUMN_ID

enum {
    BLOCK_FIRST_RARE = BLOCK_END_TIME,
    BLOCK_VERSION = 2,
    BLOCK_ATTRIBUTE_COLUMNS = 256,      /* unless another limit is set, ... */
    BLOCK_ATTRIBUTE_COLUMNS_MAX = 2048, /* ... which is at most this */
    BLOCK_PROMOTE_DIVISOR = 100,        /* a column from 1 / 100 of the rows on */
};

extern const ParquetColumn block_columns[BLOCK_N_COLUMNS];

/* The fixed column of that name, or BLOCK_N_COLUMNS. */
BlockColumn block_column_find(Str name);

/* The levels of attributes, in the file and in memory. */
typedef enum BlockLevel { BLOCK_SPAN_LEVEL, BLOCK_RESOURCE_LEVEL, BLOCK_SCOPE_LEVEL } BlockLevel;
enum { BLOCK_N_LEVELS = 3 };

/* Of the trace id, as the `traces` and `bloom` sections have it. */
uint64_t block_trace_hash(const void *trace_id);
