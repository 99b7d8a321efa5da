# SPDX-License-Identifier: Apache-2.0
"""The query APIs on real spans: native search and traces, Jaeger v1 and v3, metrics."""

import os
import time

import pytest
import requests

import otlp
from test_openapi import spans_of_a_shop
from weft import Weft


def send(weft, body):
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def shop(shared_weft):
    trace_id, body = spans_of_a_shop()
    send(shared_weft, body)
    return shared_weft, trace_id


def test_a_trace_has_depth_self_time_path_and_orphans(shop):
    weft, trace_id = shop
    trace = weft.trace(trace_id)
    spans = trace["spans"]
    assert [(span["service"], span["depth"]) for span in spans] == [
        ("web", 0), ("web", 1), ("checkout", 2), ("checkout", 3), ("mail", 0)]
    assert [span.get("orphan", False) for span in spans] == [False, False, False, False, True]
    assert (trace["orphans"], trace["errors"]) == (1, 1)
    assert sum(span["critical_ns"] for span in spans) == spans[0]["duration_ns"]
    assert spans[0]["self_time_ns"] == 1000
    assert spans[2]["status"] == {"code": "error", "message": "no such row"}
    assert spans[2]["events"][0]["name"] == "exception"
    assert len(spans[3]["links"]) == 1


def test_an_outline_tells_how_many_events_it_leaves_out(weft):
    trace_id, body = spans_of_a_shop()
    for at in range(130):
        otlp.spans(body)[0].events.add(name=f"event {at}", time_unix_nano=otlp.spans(body)[0].start_time_unix_nano + at)
    send(weft, body)
    outline = weft.get(f"/api/v1/traces/{trace_id}/outline").json()
    assert len([row for row in outline["events"] if row[0] == 0]) == 100
    assert outline["more_events"] == [[0, 30]]


def test_two_traces_are_compared_step_by_step(weft):
    ids = []
    for slower_ns in (0, 50_000_000):
        trace_id, body = spans_of_a_shop()
        root = otlp.spans(body)[0]
        root.end_time_unix_nano += slower_ns
        if slower_ns:
            otlp.spans(body)[1].name = "PUT"
        send(weft, body)
        ids.append(trace_id)
    same = weft.get(f"/api/v1/traces/{ids[0]}/diff/{ids[0]}").json()
    assert (same["same"], same["changed"], same["added"], same["removed"]) == (5, 0, 0, 0)
    assert [(step["service"], step["depth"]) for step in same["steps"]] == [
        (span["service"], span["depth"]) for span in weft.trace(ids[0])["spans"]]
    diff = weft.get(f"/api/v1/traces/{ids[0]}/diff/{ids[1]}").json()
    assert (diff["same"], diff["changed"], diff["added"], diff["removed"]) == (1, 1, 3, 3)  # POST, PUT and all below
    root = diff["steps"][0]
    assert root["parent"] is None and root["change"] == "changed" and root["what"] == ["duration"]
    assert root["b"]["duration_ns"] - root["a"]["duration_ns"] == 50_000_000
    assert all(diff["steps"][step["parent"]]["depth"] == step["depth"] - 1 for step in diff["steps"] if step["depth"])
    assert weft.get(f"/api/v1/traces/{ids[0]}/diff/zz").status_code == 400


def test_a_trace_that_is_cut_says_so(tmp_path):
    weft = Weft(tmp_path / "data", "--set", "exporters.weft.assembly.trace_spans=5").start()
    body = otlp.request("cart", 8)
    for i, span in enumerate(otlp.spans(body)):
        span.trace_id = b"c" * 16
        span.start_time_unix_nano += i
    send(weft, body)
    trace = weft.trace((b"c" * 16).hex())
    assert len(trace["spans"]) == 5 and trace["truncated"]["reason"] == "too_many_spans"
    assert "more than 5 spans" in trace["truncated"]["message"]
    assert weft.get(f"/api/traces/{'63' * 16}").json()["data"]
    small = otlp.request("cart", 1)
    send(weft, small)
    assert weft.trace(otlp.spans(small)[0].trace_id.hex())["truncated"] is None
    assert weft.stop() == 0


def test_a_trace_names_the_map_edges_that_its_spans_gave(shop):
    weft, trace_id = shop
    edges = {(edge["source_name"], edge["relation"], edge["target_name"], edge["edge"])
             for span in weft.trace(trace_id)["spans"] for edge in span["map"]}
    answer = weft.map(type="service,database,table,queue,external,flow,step")
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    of_map = {(names[edge["source"]], edge["relation"], names[edge["target"]], edge["id"])
              for edge in answer["edges"]}
    assert {edge[:3] for edge in edges} == {
        ("web", "calls", "checkout"), ("checkout", "writes", "orders"), ("web", "performs", "choose"),
        ("checkout", "performs", "pay")}
    assert edges <= of_map


@pytest.mark.parametrize("q, found", [
    ("", True),
    ("{}", True),
    ('{ resource.service.name = "checkout" && status = error }', True),
    ('{ span.http.route =~ "/c.*" && kind = server }', True),
    ('{ span.n = 7 && .ok && span.x > 1.4 }', True),
    ('{ event.exception.type = "KeyError" }', True),
    ('{ duration > 4ms && duration < 6ms }', True),
    ('{ duration > 6ms }', False),
    ('{ span.n = 7 && resource.service.name = "checkout" }', False),
    ('{ statusMessage = "no such row" }', True),
])
def test_search_finds_by_traceql(shop, q, found):
    weft, trace_id = shop
    answer = weft.ask("/api/v1/traces", q=q)
    assert (trace_id in [item["trace_id"] for item in answer["items"]]) == found
    if found:
        item = next(item for item in answer["items"] if item["trace_id"] == trace_id)
        assert (item["root_service"], item["root_name"], item["spans"], item["errors"], item["orphans"]) == (
            "web", "GET /cart", 5, 1, 1)


def test_pages_are_newest_first_and_stable_while_spans_arrive(weft):
    start = time.time_ns() - 3_600_000_000_000
    send(weft, otlp.request("pages", n_spans=25, start_ns=start))
    seen, cursor = [], None
    for _ in range(10):
        parameters = {"limit": 10, "q": '{ resource.service.name = "pages" }'}
        if cursor:
            parameters["cursor"] = cursor
        page = weft.ask("/api/v1/traces", **parameters)
        seen += [(item["start"], item["trace_id"]) for item in page["items"]]
        cursor = page["cursor"]
        send(weft, otlp.request("pages", n_spans=3))
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


def test_services_operations_and_attributes_are_listed(shop):
    weft, _ = shop
    services = {item["name"]: item for item in weft.ask("/api/v1/services")["items"]}
    assert {"web", "checkout", "mail"} <= services.keys()
    assert services["web"]["spans"] >= 2
    operations = weft.ask("/api/v1/services/checkout/operations")["items"]
    assert ("POST /orders", "server") in [(item["name"], item["kind"]) for item in operations]
    keys = [item["key"] for item in weft.ask("/api/v1/attributes")["items"]]
    assert {"span.http.route", "resource.service.name"} <= set(keys)
    values = weft.ask("/api/v1/attributes/span.http.route/values")["items"]
    assert "/cart" in [item["value"] for item in values]


def test_nodes_and_edges_have_series(shop):
    weft, _ = shop
    answer = weft.map()
    edge = next(edge for edge in answer["edges"] if edge["relation"] == "calls")
    detail = weft.ask(f"/api/v1/edges/{edge['id']}", **{"from": "-1h", "to": "now"})
    assert detail["edge"]["count"] == sum(point["count"] for point in detail["series"]) == 1
    node = weft.ask(f"/api/v1/nodes/{edge['target']}", **{"from": "-1h", "to": "now"})
    assert node["node"]["name"] == "checkout"
    assert sum(point["count"] for point in node["series"]) == node["node"]["requests"] == 1


def test_jaeger_lists_services_operations_and_dependencies(shop):
    weft, _ = shop
    services = weft.ask("/api/services")
    assert {"web", "checkout"} <= set(services["data"])
    assert services["total"] == len(services["data"]) and services["errors"] is None
    assert {"name": "POST /orders", "spanKind": "server"} in weft.ask("/api/operations", service="checkout")["data"]
    only = weft.ask("/api/operations", service="checkout", spanKind="client")["data"]
    assert [operation["name"] for operation in only] == ["INSERT orders"]
    assert "POST /orders" in weft.ask("/api/services/checkout/operations")["data"]
    weft.map()
    dependencies = weft.ask("/api/dependencies", endTs=int(time.time() * 1000), lookback=3_600_000)["data"]
    assert {"parent": "web", "child": "checkout", "callCount": 1} in dependencies


@pytest.mark.parametrize("parameters, found", [
    ({"service": "checkout"}, True),
    ({"service": "checkout", "operation": "POST /orders"}, True),
    ({"service": "checkout", "operation": "POST"}, False),
    ({"service": "checkout", "tags": '{"error":"true"}'}, True),
    ({"service": "mail", "tags": '{"error":"true"}'}, False),
    ({"service": "web", "tag": ["http.route:/cart", "n:7"]}, True),
    ({"service": "web", "tags": '{"ok":"true","x":"1.5"}'}, True),
    ({"service": "web", "minDuration": "1ms", "maxDuration": "1s"}, True),
    ({"service": "web", "minDuration": "1s"}, False),
    ({"service": "web", "end": "1000000"}, False),
    ({"service": "web", "lookback": "1h", "limit": "20"}, True),
])
def test_jaeger_searches(shop, parameters, found):
    weft, trace_id = shop
    answer = weft.ask("/api/traces", **parameters)
    assert (trace_id in [trace["traceID"] for trace in answer["data"]]) == found


def test_jaeger_gives_traces_by_id(shop):
    weft, trace_id = shop
    trace = weft.ask(f"/api/traces/{trace_id}")["data"][0]
    assert len(trace["spans"]) == 5 and {p["serviceName"] for p in trace["processes"].values()} == {
        "web", "checkout", "mail"}
    missing = os.urandom(16).hex()
    answer = weft.get(f"/api/traces/{missing}")
    assert answer.status_code == 404 and answer.json()["errors"] == [{"code": 404, "msg": "trace not found"}]
    both = weft.ask("/api/traces", traceID=[trace_id, missing])
    assert len(both["data"]) == 1 and both["errors"][0]["traceID"] == missing
    assert weft.get("/api/traces").status_code == 400
    assert weft.get("/api/traces/xyz").status_code == 400


def test_jaeger_v3_answers_in_otlp(shop):
    weft, trace_id = shop
    result = weft.ask(f"/api/v3/traces/{trace_id}")["result"]
    spans = [span for resource in result["resourceSpans"] for scope in resource["scopeSpans"]
             for span in scope["spans"]]
    assert len(spans) == 5 and {span["traceId"] for span in spans} == {trace_id}
    found = weft.ask("/api/v3/traces", **{
        "query.service_name": "checkout", "query.start_time_min": "2020-01-01T00:00:00Z",
        "query.start_time_max": "2100-01-01T00:00:00Z"})
    assert found["result"]["resourceSpans"]
    assert "checkout" in weft.ask("/api/v3/services")["services"]
    assert {"name": "POST /orders", "spanKind": "server"} in weft.ask(
        "/api/v3/operations", service="checkout")["operations"]
    assert weft.get(f"/api/v3/traces/{os.urandom(16).hex()}").json()["error"]["httpCode"] == 404


def test_metrics_and_status_agree_on_what_is_stored(shop):
    weft, _ = shop
    text = weft.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    status = weft.ask("/api/v1/status")
    assert int(values["weft_store_spans"]) == status["spans"]["stored"] > 0
    assert int(values["weft_receiver_accepted_spans_total"]) == status["spans"]["received"]
    assert status["last_service"]["name"]
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert weft.get("/healthz").text == "ok\n" and weft.get("/readyz").status_code == 200


def test_history_comes_by_pages_too(weft):
    body = otlp.request("cart", 1, start_ns=time.time_ns() - 60_000_000_000)
    requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                  headers={"Content-Type": "application/x-protobuf"}, timeout=10).raise_for_status()
    now = int(time.time())
    window = {"from": str(now - 3600), "to": str(now), "step": "10m", "wait": "true"}
    whole = weft.ask("/api/v1/map/history", **window)
    assert whole["cursor"] is None and sum(item["requests"] for item in whole["items"]) == 1
    pages, cursor = [], ""
    while cursor is not None:
        page = weft.ask("/api/v1/map/history", limit="2", cursor=cursor, **window)
        assert len(page["items"]) <= 2
        pages += page["items"]
        cursor = page["cursor"]
    assert pages == whole["items"]
