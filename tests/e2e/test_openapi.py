# SPDX-License-Identifier: Apache-2.0
"""openapi.yaml is true: it is valid, and every GET of the running server answers as it says.

By itself this starts a server; with WEFT_URL it asks the one that runs there (which must hold spans).
"""

import calendar
import os
import pathlib
import time
import urllib.parse

import jsonschema
import pytest
import requests
import yaml
from openapi_spec_validator import validate

import otlp

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
GETS = sorted(path for path, item in DOCUMENT["paths"].items() if "get" in item)
# An answer without end; test_map_live.py reads it.
ENDLESS = {"/api/v1/map/live"}


def spans_of_a_shop():
    """web calls checkout, which writes a table; an error, an event, a link; one span is an orphan."""
    trace = os.urandom(16)
    start = time.time_ns() - 60_000_000_000
    web = otlp.request("web", trace_id=trace, start_ns=start, name="GET /cart",
                       attributes={"http.route": "/cart", "n": 7, "ok": True, "x": 1.5, "raw": b"\xff"})
    call = otlp.request("web", trace_id=trace, start_ns=start + 1000, name="POST", kind=otlp.CLIENT)
    checkout = otlp.request("checkout", trace_id=trace, start_ns=start + 2000, name="POST /orders")
    insert = otlp.request("checkout", trace_id=trace, start_ns=start + 3000, name="INSERT orders", kind=otlp.CLIENT,
                          attributes={"db.system.name": "postgresql", "db.collection.name": "orders",
                                      "db.operation.name": "INSERT", "server.address": "db"})
    lost = otlp.request("mail", trace_id=trace, start_ns=start + 4000, name="send")
    chain = [otlp.spans(body)[0] for body in (web, call, checkout, insert)]
    for parent, child in zip(chain, chain[1:]):
        child.parent_span_id = parent.span_id
    otlp.spans(lost)[0].parent_span_id = os.urandom(8)
    chain[2].status.code = 2
    chain[2].status.message = "no such row"
    event = chain[2].events.add(name="exception", time_unix_nano=start + 2500)
    event.attributes.add(key="exception.type").value.string_value = "KeyError"
    for span, step in zip(chain[1:3], ("choose", "pay")):
        for key, value in {"coordimap.flow.name": "order/shop", "coordimap.flow.step": step,
                           "coordimap.flow.run_id": "7", "entity.type": "cart", "entity.id": "4/2"}.items():
            span.attributes.add(key=key).value.string_value = value
    chain[3].links.add(trace_id=os.urandom(16), span_id=os.urandom(8))
    for body in (call, checkout, insert, lost):
        web.MergeFrom(body)
    return trace.hex(), web


@pytest.fixture(scope="module")
def url(request):
    if "WEFT_URL" in os.environ:
        return os.environ["WEFT_URL"].rstrip("/")
    server = request.getfixturevalue("shared_weft")
    _, body = spans_of_a_shop()
    answer = requests.post(server.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return server.url("http")


def ask(url, path, **parameters):
    answer = requests.get(url + path, params=parameters, timeout=30)
    assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()


def nanoseconds(text):
    seconds, fraction = text.removesuffix("Z").split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1_000_000_000 + int(fraction)


def check(path, status, content_type, body):
    """@body is what the document says of @path and @status."""
    response = DOCUMENT["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    assert content_type in response["content"], f"{path}: {content_type} is not documented for {status}"
    schema = {**response["content"][content_type]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


def known(url):
    """Values for the parameters of paths, from what the server holds."""
    whole = ask(url, "/api/v1/map", **{"from": "0", "to": "now", "wait": "true"})
    assert whole["nodes"] and whole["edges"]
    service = ask(url, "/api/v1/services")["items"][0]["name"]
    return {
        "/api/v1/traces/{id}": ask(url, "/api/v1/traces")["items"][0]["trace_id"],
        "/api/v1/traces/{id}/outline": ask(url, "/api/v1/traces")["items"][0]["trace_id"],
        "/api/v1/traces/{id}/spans": ask(url, "/api/v1/traces")["items"][0]["trace_id"],
        "/api/v1/traces/{id}/diff/{other}": (ask(url, "/api/v1/traces")["items"][0]["trace_id"],) * 2,
        "/api/traces/{id}": ask(url, "/api/v1/traces")["items"][0]["trace_id"],
        "/api/v3/traces/{id}": ask(url, "/api/v1/traces")["items"][0]["trace_id"],
        "/api/v1/nodes/{id}": whole["nodes"][0]["id"],
        "/api/v1/edges/{id}": whole["edges"][0]["id"],
        "/api/v1/attributes/{key}/values": "resource.service.name",
        "/api/v1/flows/{name}": "order/shop",
        "/api/v1/flows/{name}/conformance": "order/shop",
        "/api/v1/flows/{name}/diff": "order/shop",
        "/api/v1/flows/{name}/history": "order/shop",
        "/api/v1/flows/{name}/runs": "order/shop",
        "/api/v1/flows/{name}/runs/{run_id}": ("order/shop", "7"),
        "/api/v1/runs/{run_id}": "7",
        "/api/v1/entities/{type}/{id}": ("cart", "4/2"),
        "/api/v1/services/{name}/operations": service,
        "/api/services/{service}/operations": service,
    }


def parameters_for(path, url):
    if path in ("/api/operations", "/api/traces", "/api/v3/operations"):
        return {"service": ask(url, "/api/v1/services")["items"][0]["name"]}
    if path == "/api/v1/traces/{id}/spans":
        trace = ask(url, "/api/v1/traces")["items"][0]["trace_id"]
        return {"span_id": ",".join(span["span_id"] for span in ask(url, f"/api/v1/traces/{trace}")["spans"])}
    if path == "/api/v1/operations":
        return {"service": ["web", "checkout", "nobody"], "limit": "1"}
    if path == "/api/v1/paths":
        nodes = [node["id"] for node in ask(url, "/api/v1/map", **{"from": "-1d", "to": "now"})["nodes"]]
        return {"from_node": nodes[0], "to_node": nodes[-1], "from": "-1d", "to": "now"}
    if path == "/api/v1/map/diff":
        return {"a_from": "-2d", "a_to": "-1d", "b_from": "-1d", "b_to": "now"}
    if path == "/api/v1/map" or path.startswith(("/api/v1/map/", "/api/v1/nodes", "/api/v1/edges")):
        return {"from": "-1d", "to": "now"}
    return {}


def filled(path, url):
    values = known(url)
    for value in ((values[path],) if isinstance(values.get(path), str) else values.get(path, ())):
        name = path[path.index("{"):path.index("}") + 1]
        path = path.replace(name, urllib.parse.quote(value, safe=""))
    return path


def test_the_document_is_valid():
    validate(DOCUMENT)


def test_the_served_document_is_the_file(url):
    for path in ("/api/v1/openapi.yaml", "/openapi.yaml"):
        answer = requests.get(url + path, timeout=30)
        assert answer.status_code == 200
        assert answer.content == (ROOT / "openapi.yaml").read_bytes()


@pytest.mark.parametrize("path", [path for path in GETS if path not in ENDLESS])
def test_each_call_answers_as_documented(url, path):
    answer = requests.get(url + filled(path, url), params=parameters_for(path, url), timeout=30)
    content_type = answer.headers["Content-Type"].split(";")[0]
    body = answer.json() if content_type == "application/json" else answer.text
    assert answer.status_code == 200, answer.text[:500]
    check(path, 200, content_type, body)


def test_an_outline_tells_what_the_whole_trace_tells(url):
    """The page draws from the outline: all of it is compared, in the whole trace's words."""
    trace = ask(url, "/api/v1/traces")["items"][0]["trace_id"]
    whole = ask(url, f"/api/v1/traces/{trace}")
    outline = ask(url, f"/api/v1/traces/{trace}/outline")
    texts, columns, n = outline["texts"], outline["spans"], len(whole["spans"])
    start = nanoseconds(whole["start"])

    def of(key, at):
        return [row[1:] for row in outline[key] if row[0] == at]

    assert {key: outline[key] for key in whole if key != "spans"} == {key: whole[key] for key in whole if key != "spans"}
    assert all(len(column) == n for column in columns.values())
    kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"]
    for at, span in enumerate(whole["spans"]):
        assert {
            "span_id": columns["span_id"][at], "depth": columns["depth"][at], "name": texts[columns["name"][at]],
            "service": texts[columns["service"][at]], "kind": kinds[columns["kind"][at]],
            "self_time_ns": columns["self_time_ns"][at], "duration_ns": columns["duration_ns"][at],
        }.items() <= span.items()
        assert columns["offset_ns"][at] == nanoseconds(span["start"]) - start
        assert (at in outline["failed"]) == (span["status"]["code"] == "error")
        assert (at in outline["orphaned"]) == span.get("orphan", False)
        assert of("critical", at) == [[nanoseconds(part["start"]) - start, part["duration_ns"]]
                                      for part in span["critical"]]
        assert sum(row[0] for row in of("skew", at)) == span["skew_adjustment_ns"]
        assert [[offset, texts[name]] for offset, name in of("events", at)] == [
            [nanoseconds(event["time"]) - start, event["name"]] for event in span["events"]]
        assert of("links", at) == [[link["trace_id"], link["span_id"]] for link in span["links"]]
        assert [outline["edges"][edge] for (edge,) in of("map", at)] == span["map"]
    for key in ("failed", "orphaned", "critical", "events", "links", "map"):
        assert outline[key], f"the trace of this test has no {key}"
    ids = [span["span_id"] for span in whole["spans"]]
    items = ask(url, f"/api/v1/traces/{trace}/spans", span_id=",".join(ids[1:3] + ["f" * 16]))["items"]
    derived = {"service", "depth", "orphan", "self_time_ns", "critical", "critical_ns", "skew_adjustment_ns", "map"}
    assert sorted(items, key=lambda span: ids.index(span["span_id"])) == [
        {key: value for key, value in span.items() if key not in derived} for span in whole["spans"][1:3]]


@pytest.mark.parametrize("path", [path for path in GETS if path.startswith("/api/v1/") and "openapi" not in path])
def test_the_native_api_names_a_parameter_that_it_does_not_know(url, path):
    answer = requests.get(url + filled(path, url), params={"frm": "-1h"}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_parameter"
    assert "frm" in answer.json()["error"]["message"]
    jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/Error", "components": DOCUMENT["components"]}).validate(answer.json())


@pytest.mark.parametrize("path, parameters, status, code", [
    ("/api/v1/traces", {"q": "{ duration > }"}, 400, "bad_query"),
    ("/api/v1/traces", {"q": "{ } | rate()"}, 400, "bad_query"),
    ("/api/v1/traces", {"from": "yesterday"}, 400, "bad_parameter"),
    ("/api/v1/traces", {"limit": "0"}, 400, "bad_parameter"),
    ("/api/v1/traces", {"cursor": "AAAA"}, 400, "bad_cursor"),
    ("/api/v1/traces/{id}", {}, 404, "trace_not_found"),
    ("/api/v1/traces/{id}/diff/{other}", {}, 404, "trace_not_found"),
    ("/api/v1/traces/{id}/outline", {}, 404, "trace_not_found"),
    ("/api/v1/traces/{id}/spans", {"span_id": "1"}, 404, "trace_not_found"),
    ("/api/v1/traces/{id}/spans", {"span_id": "no"}, 400, "bad_parameter"),
    ("/api/v1/nodes/{id}", {}, 404, "not_found"),
    ("/api/v1/edges/{id}", {}, 404, "not_found"),
    ("/api/v1/map", {"type": "planet"}, 400, "bad_parameter"),
    ("/api/v1/map", {"from": "-1h", "at": "now"}, 400, "bad_parameter"),
    ("/api/v1/map", {"from": "now", "to": "-1h"}, 400, "bad_parameter"),
    ("/api/v1/map/history", {"step": "1s"}, 400, "bad_parameter"),
    ("/api/v1/map/diff", {"b_from": "now", "b_to": "-1h"}, 400, "bad_parameter"),
    ("/api/v1/map/diff", {"a_at": "-1h", "a_from": "-2h"}, 400, "bad_parameter"),
    ("/api/v1/map/diff", {"focus": "nobody"}, 404, "not_found"),
    ("/api/v1/map/live", {"window": "1s"}, 400, "bad_parameter"),
    ("/api/v1/operations", {}, 400, "bad_parameter"),
    ("/api/v1/operations", {"service": ["a"] * 101}, 400, "bad_parameter"),
    ("/api/v1/paths", {}, 400, "bad_parameter"),
    ("/api/v1/flows", {"cursor": "AAAA"}, 400, "bad_cursor"),
    ("/api/v1/flows/{name}", {}, 404, "not_found"),
    ("/api/v1/flows/{name}/diff", {}, 404, "not_found"),
    ("/api/v1/flows/{name}/conformance", {}, 404, "not_found"),
    ("/api/v1/flows/{name}/history", {}, 404, "not_found"),
    ("/api/v1/flows/{name}/runs", {"status": "late"}, 400, "bad_parameter"),
    ("/api/v1/flows/{name}/runs", {"cursor": "AAAA"}, 400, "bad_cursor"),
    ("/api/v1/flows/{name}/runs/{run_id}", {}, 404, "not_found"),
    ("/api/v1/entities/{type}/{id}", {}, 404, "not_found"),
    ("/api/v1/paths", {"from_node": "a", "to_node": "b"}, 404, "not_found"),
    ("/api/v1/paths", {"from_node": "a", "to_node": "b", "max_hops": "17"}, 400, "bad_parameter"),
])
def test_errors_have_code_message_and_hint(url, path, parameters, status, code):
    answer = requests.get(url + path.replace("{id}", "0123456789abcdef"), params=parameters, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.json()["error"]["message"] and answer.json()["error"]["hint"]
    check(path, status, "application/json", answer.json())


def test_what_does_not_exist_is_told_in_each_apis_own_words(url):
    native = requests.get(url + "/api/v1/no/such", timeout=30)
    assert (native.status_code, native.json()["error"]["code"]) == (404, "not_found")
    jaeger = requests.get(url + "/api/no-such", timeout=30)
    assert (jaeger.status_code, jaeger.json()["errors"][0]["code"]) == (404, 404)
    v3 = requests.get(url + "/api/v3/no-such", timeout=30)
    assert (v3.status_code, v3.json()["error"]["httpCode"]) == (404, 404)
