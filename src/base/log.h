// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/*
 * The program's own log, to standard error, one line an event: time, level, what happened, then
 * key=value pairs (logfmt). Thread-safe. An error is logged once, where it is handled.
 *
 *     log_warn("segment tail cut", LOG_STR("file", name), LOG_U64("offset", offset), LOG_ERR(r));
 */
typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SILENT } LogLevel;

typedef struct LogField {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_DOUBLE, LOG_FIELD_ERRNO } type;
    union {
        Str str;
        uint64_t u64;
        int64_t i64;
        double number;
    };
} LogField;

#define LOG_STR(k, v) ((LogField){.key = (k), .type = LOG_FIELD_STR, .str = (v)})
#define LOG_CSTR(k, v) LOG_STR((k), str_from_cstr(v))
#define LOG_U64(k, v) ((LogField){.key = (k), .type = LOG_FIELD_U64, .u64 = (uint64_t)(v)})
#define LOG_I64(k, v) ((LogField){.key = (k), .type = LOG_FIELD_I64, .i64 = (int64_t)(v)})
#define LOG_DOUBLE(k, v) ((LogField){.key = (k), .type = LOG_FIELD_DOUBLE, .number = (v)})
/* A negated errno as its text. */
#define LOG_ERR(r) ((LogField){.key = "error", .type = LOG_FIELD_ERRNO, .i64 = (r)})

void log_write(LogLevel level, const char *event, const LogField *fields, size_t n_fields);
void log_set_level(LogLevel level);

#define LOG_EVENT_(level, event, ...)                                                              \
    do {                                                                                           \
        const LogField log_fields_[] = {{0}, ##__VA_ARGS__};                                       \
        log_write((level), (event), log_fields_ + 1, ARRAY_LEN(log_fields_) - 1);                  \
    } while (0)

#define log_debug(event, ...) LOG_EVENT_(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_EVENT_(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_EVENT_(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_EVENT_(LOG_ERROR, event, ##__VA_ARGS__)
