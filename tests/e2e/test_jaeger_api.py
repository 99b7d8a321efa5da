# SPDX-License-Identifier: Apache-2.0
"""Jaeger's query API as Grafana's data source and Jaeger's own page use it."""

import json
import time

import pytest
import requests

import otlp


@pytest.fixture(scope="module")
def filled(shared_weft):
    start = time.time_ns() - 60_000_000_000
    for i in range(30):
        body = otlp.request("shop" if i % 3 else "cart", 1, start_ns=start + i * 1_000_000_000, name=f"GET /{i % 2}",
                            attributes={"http.response.status_code": 200 + i, "user": f"u{i}"})
        span = otlp.spans(body)[0]
        span.end_time_unix_nano = span.start_time_unix_nano + i * 10_000_000
        if i == 7:
            span.status.code = 2
        requests.post(shared_weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                      headers={"Content-Type": "application/x-protobuf"}, timeout=10).raise_for_status()
    return shared_weft


def traces(weft, **parameters):
    return weft.ask("/api/traces", **parameters)["data"]


def test_services_and_operations_are_listed(filled):
    assert filled.ask("/api/services")["data"] == ["cart", "shop"]
    assert sorted(filled.ask("/api/services/cart/operations")["data"]) == ["GET /0", "GET /1"]
    assert {item["name"] for item in filled.ask("/api/operations", service="shop")["data"]} == {"GET /0", "GET /1"}


def test_traces_are_found_by_service_operation_tags_and_duration(filled):
    assert len(traces(filled, service="cart", limit=100)) == 10
    assert len(traces(filled, service="cart", operation="GET /0", limit=100)) == 5
    assert len(traces(filled, service="shop", tags=json.dumps({"http.response.status_code": "204"}))) == 1
    assert len(traces(filled, service="shop", tags=json.dumps({"error": "true"}))) == 1
    assert len(traces(filled, service="cart", minDuration="100ms", maxDuration="200ms")) == 3
    assert len(traces(filled, service="cart", limit=3)) == 3


def test_a_search_is_newest_first_and_keeps_the_newest(filled):
    found = traces(filled, service="cart", limit=4)
    starts = [trace["spans"][0]["startTime"] for trace in found]
    assert starts == sorted(starts, reverse=True)
    everything = [trace["spans"][0]["startTime"] for trace in traces(filled, service="cart", limit=100)]
    assert starts == everything[:4]


def test_a_trace_has_processes_and_tags(filled):
    found = traces(filled, service="shop", tags=json.dumps({"user": "u7"}))[0]
    again = filled.ask(f"/api/traces/{found['traceID']}")["data"][0]
    span = again["spans"][0]
    assert again["processes"][span["processID"]]["serviceName"] == "shop"
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    assert tags["http.response.status_code"] == 207 and tags["span.kind"] == "server" and tags["error"] is True
    assert span["duration"] == 70_000


def test_an_unknown_trace_is_a_404(filled):
    answer = filled.get("/api/traces/00000000000000000000000000000abc")
    assert answer.status_code == 404 and answer.json()["errors"]


def test_v3_answers_otlp(filled):
    assert sorted(filled.ask("/api/v3/services")["services"]) == ["cart", "shop"]
    trace_id = traces(filled, service="cart", limit=1)[0]["traceID"]
    result = filled.ask(f"/api/v3/traces/{trace_id}")["result"]
    assert result["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == trace_id


def test_dependencies_are_the_calls_of_the_map(weft):
    web = otlp.request("web", name="GET", kind=otlp.CLIENT)
    call = otlp.spans(web)[0]
    cart = otlp.request("cart", trace_id=call.trace_id)
    otlp.spans(cart)[0].parent_span_id = call.span_id
    for body in (web, cart):
        requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                      headers={"Content-Type": "application/x-protobuf"}, timeout=10).raise_for_status()
    weft.map()
    found = weft.ask("/api/dependencies", endTs=int(time.time() * 1000) + 60_000, lookback=3_600_000)["data"]
    assert [(edge["parent"], edge["child"], edge["callCount"]) for edge in found] == [("web", "cart", 1)]
