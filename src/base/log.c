// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"

static _Atomic int log_level = LOG_INFO;

void log_set_level(LogLevel level)
{
    atomic_store(&log_level, level);
}

static bool needs_quotes(Str value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = (uint8_t)value.ptr[i];

        if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte == 0x7f) {
            return true;
        }
    }
    return value.len == 0;
}

static void append_value(Buf *line, Str value)
{
    if (!needs_quotes(value)) {
        buf_append_str(line, value);
        return;
    }
    buf_append_byte(line, '"');
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = (uint8_t)value.ptr[i];

        if (byte == '"' || byte == '\\') {
            buf_append_byte(line, '\\');
            buf_append_byte(line, byte);
        } else if (byte < ' ' || byte == 0x7f) {
            buf_append_format(line, "\\x%02x", byte);
        } else {
            buf_append_byte(line, byte);
        }
    }
    buf_append_byte(line, '"');
}

static void append_field(Buf *line, const LogField *field)
{
    buf_append_format(line, " %s=", field->key);
    switch (field->type) {
    case LOG_FIELD_STR:
        append_value(line, field->str);
        break;
    case LOG_FIELD_U64:
        buf_append_u64(line, field->u64);
        break;
    case LOG_FIELD_I64:
        buf_append_i64(line, field->i64);
        break;
    case LOG_FIELD_DOUBLE:
        buf_append_format(line, "%g", field->number);
        break;
    case LOG_FIELD_ERRNO:
        append_value(
            line, str_from_cstr(strerrordesc_np((int)(field->i64 < 0 ? -field->i64 : field->i64))));
        break;
    }
}

void log_write(LogLevel level, const char *event, const LogField *fields, size_t n_fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    CLEANUP(buf_deinit) Buf line = {0};
    struct timespec now;
    struct tm parts;
    char time_text[32];

    if ((int)level < atomic_load_explicit(&log_level, memory_order_relaxed)) {
        return;
    }
    ASSERT(level < LOG_SILENT);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &parts);
    buf_append_format(&line, "%s.%03ldZ %-5s ", time_text, now.tv_nsec / 1000000, names[level]);
    buf_append_str(&line, str_from_cstr(event));
    for (size_t i = 0; i < n_fields; i++) {
        append_field(&line, &fields[i]);
    }
    buf_append_byte(&line, '\n');
    if (write(STDERR_FILENO, line.ptr, line.len) < 0) {
        return; /* nowhere left to tell */
    }
}

void assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "weft: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
