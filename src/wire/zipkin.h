// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * Zipkin v2 JSON (zipkin.io/zipkin-api, version 2), a list of spans, to and from the vocabulary, by
 * OpenTelemetry's "Transformation to Zipkin" (specification, trace/sdk_exporters/zipkin) read
 * backwards: localEndpoint.serviceName is the resource's service.name, remoteEndpoint becomes
 * peer.service, network.peer.address, network.peer.port (server.address when it is a name), tags
 * become string attributes except otel.* ones, `error` sets the status, annotations become events,
 * `shared` marks the SERVER half.
 */
enum { ZIPKIN_BAD = 1, ZIPKIN_SPANS_MAX = 1 << 20 };

MUST_USE int zipkin_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* A JSON array of v2 spans. */
void zipkin_write_json(const Span *spans, size_t n, Buf *buf);
