# SPDX-License-Identifier: Apache-2.0
"""Small OTLP requests for tests, made with the official protobuf classes."""

import os
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVER, CLIENT, INTERNAL = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL
PRODUCER, CONSUMER = Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER


def request(service, n_spans=1, trace_id=None, start_ns=None, name="GET /", kind=SERVER, attributes=None):
    """One request with @n_spans spans of one service; each span is a trace of its own unless trace_id is given."""
    body = ExportTraceServiceRequest()
    resource = body.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_spans.add()
    scope.scope.name = "test"
    start = start_ns or time.time_ns()
    for i in range(n_spans):
        span = scope.spans.add(trace_id=trace_id or os.urandom(16), span_id=os.urandom(8), name=name, kind=kind,
                               start_time_unix_nano=start + i, end_time_unix_nano=start + i + 5_000_000)
        for key, value in (attributes or {}).items():
            entry = span.attributes.add(key=key).value
            setattr(entry, {str: "string_value", int: "int_value", bool: "bool_value", float: "double_value",
                            bytes: "bytes_value"}[type(value)], value)
    return body


def spans(body):
    return [span for resource in body.resource_spans for scope in resource.scope_spans for span in scope.spans]


def to_json(body):
    """OTLP's JSON mapping: ids in hex, enums as numbers."""
    tree = json_format.MessageToDict(body, use_integers_for_enums=True)
    written = [span for resource in tree["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    for span, source in zip(written, spans(body), strict=True):
        span["traceId"], span["spanId"] = source.trace_id.hex(), source.span_id.hex()
        span["parentSpanId"] = source.parent_span_id.hex()
        for link, named in zip(span.get("links", []), source.links, strict=True):
            link["traceId"], link["spanId"] = named.trace_id.hex(), named.span_id.hex()
    return tree


def call(caller, callee):
    """One trace: @caller serves a request and calls @callee, which serves it."""
    trace = os.urandom(16)
    body = request(caller, 2, trace_id=trace)
    served, calling = spans(body)
    calling.kind, calling.parent_span_id, calling.name = CLIENT, served.span_id, "GET"
    answered = request(callee, 1, trace_id=trace)
    spans(answered)[0].parent_span_id = calling.span_id
    body.MergeFrom(answered)
    return body
