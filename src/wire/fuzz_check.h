// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/assert.h"
#include "wire/jaeger_json.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

/* Properties that hold for every batch that any reader yields, shared by the fuzz targets. */

/* Every view can be read, which AddressSanitizer watches; every span has a resource and scope. */
static inline void check_canonical(const Batch *batch, Buf *ret_form)
{
    for (size_t i = 0; i < batch->n_spans; i++) {
        ASSERT(batch->spans[i].resource != NULL && batch->spans[i].scope != NULL);
        ASSERT(!trace_id_is_zero(batch->spans[i].trace_id));
        ASSERT(!span_id_is_zero(batch->spans[i].span_id));
        span_append_canonical(&batch->spans[i], ret_form);
    }
}

/* Protobuf holds everything: what is written is read as the same spans. */
static inline void check_protobuf(const Batch *batch, Arena *arena)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf after = {0};
    ParseError error;
    Batch again;

    otlp_write_protobuf(batch->spans, batch->n_spans, &buf);
    ASSERT(otlp_read_protobuf(buf_str(&buf), arena, &again, &error) == 0);
    ASSERT(again.n_spans == batch->n_spans && again.n_rejected == 0);
    check_canonical(batch, &before);
    check_canonical(&again, &after);
    ASSERT(str_equal(buf_str(&before), buf_str(&after)));
}

/* JSON replaces what is no UTF-8, so the text that is written must come back, not the bytes. */
static inline void check_json(const Batch *batch, Arena *arena)
{
    CLEANUP(buf_deinit) Buf first = {0};
    CLEANUP(buf_deinit) Buf second = {0};
    ParseError error;
    Batch again;

    otlp_write_json(batch->spans, batch->n_spans, &first);
    ASSERT(otlp_read_json(buf_str(&first), arena, &again, &error) == 0);
    ASSERT(again.n_spans == batch->n_spans && again.n_rejected == 0);
    otlp_write_json(again.spans, again.n_spans, &second);
    ASSERT(str_equal(buf_str(&first), buf_str(&second)));
}

/* The lossy formats stay readable and lose no span. */
static inline void check_others(const Batch *batch, Arena *arena)
{
    CLEANUP(buf_deinit) Buf zipkin = {0};
    CLEANUP(buf_deinit) Buf jaeger = {0};
    JsonWriter writer = {.buf = &jaeger};
    ParseError error;
    Batch again;

    zipkin_write_json(batch->spans, batch->n_spans, &zipkin);
    ASSERT(zipkin_read_json(buf_str(&zipkin), arena, &again, &error) == 0);
    ASSERT(again.n_spans == batch->n_spans);
    jaeger_write_trace(&writer, batch->spans, batch->n_spans);
    ASSERT(jaeger_read_json(buf_str(&jaeger), arena, &again, &error) == 0);
    ASSERT(again.n_spans == batch->n_spans);
}

typedef int (*ReadFunction)(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* Feeds @bytes to the reader. A refusal has a place and a text; what it yields has the properties
 * above. */
static inline void check_reader(ReadFunction read, const uint8_t *bytes, size_t size)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    ParseError error = {0};
    Batch batch;

    if (read(str_from_bytes(bytes, size), &arena, &batch, &error) != 0) {
        ASSERT(error.text != NULL && error.offset <= size);
        return;
    }
    ASSERT((batch.n_rejected == 0) == (batch.reject_reason == NULL));
    check_protobuf(&batch, &arena);
    check_json(&batch, &arena);
    check_others(&batch, &arena);
}
