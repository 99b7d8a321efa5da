// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "serve/http/connection.h"

/*
 * Bodies share one limit, and whoever sends half of one holds its part of it. So that such clients
 * cannot shut out the others, the last quarter is for small bodies only, and once half of it is
 * taken, a body has to be whole after some seconds. To hold the limit against that a client has to
 * send all of it again and again.
 */
enum { BODY_FIRST_RESERVE = 16 << 10 }; /* what a client announces is believed up to this */

void exchange_drop_body(Exchange *exchange)
{
    buf_deinit(&exchange->body);
    atomic_fetch_sub(&exchange->worker->shared->body_bytes, exchange->charged);
    exchange->charged = 0;
}

bool exchange_take_body(Exchange *exchange, Buf *buf)
{
    ASSERT(buf->ptr == NULL);
    if (exchange->request.is_grpc) {
        return false;
    }
    *buf = exchange->body;
    exchange->body = (Buf){0};
    exchange_drop_body(exchange);
    return true;
}

static void refuse_body(Exchange *exchange, int status, const char *text)
{
    exchange->refusal = 0; /* this one cannot wait for the end of the body, a 404 could */
    exchange_refuse(exchange, status, text);
    exchange->unwanted = true;
    exchange_drop_body(exchange);
    if (status == 413) {
        COUNT(exchange->worker, oversized, 1);
    } else {
        COUNT(exchange->worker, bodies_refused, 1);
    }
}

/* A few large bodies must not shut out the many small ones. */
static uint64_t body_bytes_max(const Shared *shared, size_t capacity)
{
    return capacity > SERVER_BODY_SMALL ? shared->body_bytes_max / 4 * 3 : shared->body_bytes_max;
}

static bool charge(Exchange *exchange, size_t capacity)
{
    Shared *shared = exchange->worker->shared;
    size_t more = capacity - exchange->charged;

    if (atomic_fetch_add(&shared->body_bytes, more) + more > body_bytes_max(shared, capacity)) {
        atomic_fetch_sub(&shared->body_bytes, more);
        return false;
    }
    exchange->charged = capacity;
    return true;
}

/* As Buf grows: to the next power of two. */
static size_t grown_capacity(size_t size)
{
    size_t capacity = 64;

    while (capacity < size) {
        capacity *= 2;
    }
    return capacity;
}

uint8_t *exchange_body_space(Exchange *exchange, size_t len, uint64_t expected)
{
    uint64_t body_max = exchange->listener->options.body_max;
    Buf *body = &exchange->body;

    if (exchange->unwanted) {
        return NULL;
    }
    if (exchange->received + len > body_max || expected > body_max) {
        refuse_body(exchange, 413, "the body is larger than this server takes");
        return NULL;
    }
    if (exchange->refusal != 0) {
        return NULL;
    }
    size_t needed = body->len + len;
    if (needed > body->capacity) {
        size_t ahead = MAX((size_t)BODY_FIRST_RESERVE, body->capacity * 2);
        size_t capacity = grown_capacity(MAX(needed, (size_t)MIN(expected, (uint64_t)ahead)));

        if (!charge(exchange, capacity)) {
            refuse_body(exchange, 503, "the server holds as many request bodies as it can");
            return NULL;
        }
        buf_reserve(body, capacity - body->len);
        ASSERT(body->capacity == exchange->charged);
    }
    return body->ptr + body->len;
}

void exchange_body_add(Exchange *exchange, Str bytes, uint64_t expected)
{
    uint8_t *space = exchange_body_space(exchange, bytes.len, expected);

    if (space != NULL && bytes.len > 0) {
        mem_copy(space, bytes.ptr, bytes.len);
        exchange->body.len += bytes.len;
    }
    exchange->received += bytes.len;
}

bool exchange_outstays(const Exchange *exchange, uint64_t now)
{
    Shared *shared = exchange->worker->shared;

    return exchange->charged > 0 && !exchange->held &&
           now - MIN(now, exchange->started_ms) > shared->patience_ms &&
           atomic_load(&shared->body_bytes) > shared->body_bytes_max / 2;
}
