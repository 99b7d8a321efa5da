# SPDX-License-Identifier: Apache-2.0
"""Flows that people define: over spans that name none, they are what the same spans with attributes would have made."""

import copy
import json
import random
import time

import jsonschema
import pytest
import requests

import otlp
import test_openapi
from weft import Weft

BASE = 1_790_000_040_000_000_000
SECOND = 10**9
ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}
STEPS = [{"name": "place", "filter": '{ name = "POST /orders" }'},
         {"name": "pay", "filter": '{ resource.service.name = "bank" && kind = server }'},
         {"name": "ship", "filter": '{ span.topic =~ "ship.*" || span.parcels > 2 }'},
         {"name": "rest", "filter": '{ span.rest = true }'}]


def step_of(service, span):
    """The first step that chooses the span, told without a query language."""
    values = {item.key: item.value for item in span.attributes}
    if span.name == "POST /orders":
        return "place"
    if service == "bank" and span.kind == otlp.SERVER:
        return "pay"
    if "topic" in values and values["topic"].string_value.startswith("ship"):
        return "ship"
    if "parcels" in values and values["parcels"].int_value > 2:
        return "ship"
    return "rest" if "rest" in values and values["rest"].bool_value else None


def random_work(maker):
    """What a span does: (kind, attributes) of something that the map tells."""
    return maker.choice([
        (otlp.CLIENT, {"db.system": "postgresql", "server.address": "db.example", "db.namespace": "shop",
                       "db.operation.name": maker.choice(["SELECT", "INSERT"]),
                       "db.collection.name": maker.choice(["orders", "stock"])}),
        (otlp.CLIENT, {"server.address": maker.choice(["mail.example", "bank", "store"])}),
        (otlp.PRODUCER, {"messaging.system": "kafka", "messaging.operation.type": "send",
                         "messaging.destination.name": "paid"}),
        (otlp.CONSUMER, {"messaging.system": "kafka", "messaging.operation.type": "process",
                         "messaging.destination.name": "paid"})])


def join_trace(maker, span, before, producers):
    """Makes it a child of a span before it; a consumer goes on with what other traces sent."""
    if before and maker.random() < 0.7:
        span.parent_span_id = otlp.spans(maker.choice(before)[1])[0].span_id
    if span.kind == otlp.PRODUCER:
        producers.append((span.trace_id, span.span_id))
    if span.kind == otlp.CONSUMER and producers:
        for trace, producer in maker.sample(producers, min(len(producers), maker.randrange(1, 3))):
            span.links.add(trace_id=trace, span_id=producer)
        span.attributes.add(key="order.id").value.string_value = str(maker.randrange(12))


def random_trace(maker, producers=None):
    """[(service, request of one span)] of one trace. With @producers spans have parents and do what the map tells; these
    are spans of other traces that sent something."""
    trace = maker.randbytes(16)
    start = BASE + maker.randrange(3 * 3600) * SECOND
    out = []
    for _ in range(maker.randrange(1, 7)):
        service, environment = maker.choice(["web", "bank", "store"]), maker.choice(["prod", "prod", "prod", "test"])
        attributes = {}
        if maker.random() < 0.4:
            attributes["topic"] = maker.choice(["ship.now", "shipped", "mail"])
        if maker.random() < 0.3:
            attributes["parcels"] = maker.randrange(5)
        if maker.random() < 0.2:
            attributes["rest"] = maker.random() < 0.7
        if maker.random() < 0.4:
            attributes["order.id"] = maker.choice([maker.randrange(12), str(maker.randrange(12))])
        at = start + maker.randrange(40) * SECOND // 4
        kind = maker.choice([otlp.SERVER, otlp.INTERNAL, otlp.CLIENT])
        if producers is not None and maker.random() < 0.6:
            kind, work = random_work(maker)
            attributes |= work
        body = otlp.request(service, trace_id=trace, start_ns=at, name=maker.choice(["POST /orders", "GET /"]), kind=kind,
                            attributes=attributes)
        resource = body.resource_spans[0].resource.attributes
        resource.add(key="service.version").value.string_value = f"1.{(at - BASE) // (3000 * SECOND)}"
        resource.add(key="deployment.environment.name").value.string_value = environment
        span = otlp.spans(body)[0]
        span.span_id = maker.randbytes(8)
        if producers is not None:
            join_trace(maker, span, out, producers)
        span.end_time_unix_nano = at + maker.randrange(8) * SECOND // 2
        span.status.code = 2 if maker.random() < 0.15 else 0
        out.append((service, body))
    return out


def key_of(span):
    for item in span.attributes:
        if item.key == "order.id":
            return item.value.string_value or str(item.value.int_value)
    return None


def with_attributes(trace, keyed):
    """The same spans as somebody would have instrumented them."""
    trace = copy.deepcopy(trace)
    spans = [(service, otlp.spans(body)[0]) for service, body in trace]
    keys = [(span.start_time_unix_nano, span.span_id, key_of(span)) for _, span in spans if key_of(span)]
    of_trace = min(keys)[2] if keys else None
    for service, span in spans:
        step, run = step_of(service, span), key_of(span) or of_trace
        if step:
            added = {"coordimap.flow.name": "order", "coordimap.flow.step": step}
            if keyed and run:
                added["coordimap.flow.run_id"] = run
            for key, value in added.items():
                span.attributes.add(key=key).value.string_value = value
    return trace


def send(server, trace):
    body = otlp.ExportTraceServiceRequest()
    for _, part in trace:
        body.MergeFrom(part)
    answer = requests.post(server.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text


def put(server, items, **others):
    return requests.put(server.url("http", "/api/v1/flow-definitions"), json={"items": items, **others}, timeout=30)


def definition(**others):
    return {"name": "order", "key": "", "within": "1d", "steps": STEPS, **others}


def stripped(answer, defined):
    """An answer without its mark, which it must have."""
    if isinstance(answer, dict) and "items" not in answer:
        answer = dict(answer)
        assert answer.pop("defined", False) == defined
        assert answer.pop("truncated", False) is False
        assert answer.pop("touches_truncated", False) is False
    elif isinstance(answer, dict):
        answer = {"cursor": answer["cursor"], "items": [stripped(item, defined) for item in answer["items"]]}
    return answer


def told(server, defined):
    """All that can be asked about the flow."""
    out = {}
    middle = str((BASE + 5400 * SECOND) // SECOND)
    for place in ({}, {"environment": "test"}):
        question = {**ALWAYS, **place}
        out[str(place)] = [
            server.ask("/api/v1/flows/order", **question),
            server.ask("/api/v1/flows/order", **{**question, "from": middle}),
            server.ask("/api/v1/flows/order/runs", limit=7, **question),
            server.ask("/api/v1/flows/order/runs", limit=1000, **question),
            server.ask("/api/v1/flows/order/runs", status="failed", limit=1000, **question),
            server.ask("/api/v1/flows/order/conformance", sequence="place>pay>ship", **question),
            server.ask("/api/v1/flows/order/diff", wait="true", a_from="0", a_to=middle, b_from=middle, b_to="4102444800",
                       **place)]
    out["history"] = [server.ask("/api/v1/flows/order/history", wait="true", step="10m", **{
        "from": str(BASE // SECOND - 3600), "to": str(BASE // SECOND + 4 * 3600)})]
    out["list"] = [server.ask("/api/v1/flows", **ALWAYS)]
    out["runs"] = [server.ask(f"/api/v1/flows/order/runs/{run['run_id']}", wait="true")
                   for run in out["{}"][3]["items"][:40]]
    out["by id"] = [server.ask(f"/api/v1/runs/{run['run_id']}", wait="true") for run in out["{}"][3]["items"][:8]]
    assert all(answer["items"] for answer in out["by id"])
    assert server.ask("/api/v1/runs/nobody", wait="true") == {"items": [], "truncated": False, "cursor": None}
    return {key: [stripped(answer, defined) for answer in answers] for key, answers in out.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("keyed", [False, True])
def test_a_defined_flow_is_what_attributes_would_have_made(tmp_path, seed, keyed):
    maker, producers = random.Random(seed), []
    traces = [random_trace(maker, producers) for _ in range(60)]
    plain, named = Weft(tmp_path / "plain").start(), Weft(tmp_path / "named").start()
    try:
        for number, trace in enumerate(traces):
            send(plain, trace)
            send(named, with_attributes(trace, keyed))
            if number % 9 == 0:
                send(plain, trace)  # a resend
            if number == 40:  # one half in blocks, the other in memory
                plain.stop()
                plain.start()
        assert put(plain, [definition(key="order.id" if keyed else "")]).status_code == 200
        found, expected = told(plain, True), told(named, False)
        assert expected["{}"][0]["runs"] > 10 and len(expected["{}"][0]["variants"]) > 5
        assert len(expected["{}"][0]["touches"]) > 10 and len(expected["history"][0]["deploys"]) > 3
        assert found == expected
        # Nothing is stored by it, and it lives on: what comes next is in it, too.
        late = random_trace(maker, producers)
        send(plain, late)
        send(named, with_attributes(late, keyed))
        plain.stop()
        plain.start()
        assert told(plain, True) == told(named, False)
        assert put(plain, []).status_code == 200
        assert plain.ask("/api/v1/flows", **ALWAYS)["items"] == []
    finally:
        plain.stop()
        named.stop()


def test_both_of_one_name_are_told_apart(weft):
    maker = random.Random(7)
    send(weft, with_attributes(random_trace(maker) + random_trace(maker) + random_trace(maker), False))
    named = weft.ask("/api/v1/flows/order", **ALWAYS)
    assert "defined" not in named
    other = [{"name": "any", "filter": "{ }"}]
    assert put(weft, [definition(steps=other)]).status_code == 200
    assert [step["name"] for step in weft.ask("/api/v1/flows/order", **ALWAYS)["steps"]] == ["any"]
    assert weft.ask("/api/v1/flows/order", defined="false", **ALWAYS) == named
    items = weft.ask("/api/v1/flows", **ALWAYS)["items"]
    assert {item.get("defined", False) for item in items} == {False, True}
    for wanted in (False, True):
        part = weft.ask("/api/v1/flows", defined=str(wanted).lower(), **ALWAYS)["items"]
        assert part == [item for item in items if item.get("defined", False) == wanted] and part
    pages, cursor = [], {}
    while True:
        page = weft.ask("/api/v1/flows", limit=1, **ALWAYS, **cursor)
        pages += page["items"]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert pages == items
    assert weft.get("/api/v1/flows/other", defined="true", **ALWAYS).status_code == 404


def test_a_preview_shows_and_saves_nothing_and_versions_hold(weft):
    trace = random_trace(random.Random(11)) + random_trace(random.Random(12))
    send(weft, trace)
    runs = {(otlp.spans(body)[0].trace_id, body.resource_spans[0].resource.attributes[-1].value.string_value)
            for _, body in trace}
    before = weft.ask("/api/v1/flow-definitions")
    assert before["items"] == []
    everything = definition(steps=[{"name": "any", "filter": "{ }"}])
    answer = requests.post(weft.url("http", "/api/v1/flow-definitions/preview"), params=ALWAYS, timeout=30,
                           json={"items": [everything, definition(name="none", steps=[
                               {"name": "x", "filter": '{ name = "nobody" }'}])]})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert (first["name"], first["runs"], second["name"], second["runs"]) == ("order", len(runs), "none", 0)
    for item in (first, second):
        jsonschema.Draft202012Validator({"$ref": "#/components/schemas/Flow",
                                         "components": test_openapi.DOCUMENT["components"]}).validate(item)
    assert weft.ask("/api/v1/flow-definitions") == before
    kept = put(weft, [everything], version=before["version"])
    assert kept.status_code == 200 and kept.json()["items"] == [{**everything, "source": "saved"}]
    late = put(weft, [], version=before["version"])
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")


def test_what_is_no_definition_is_refused_and_says_where(weft):
    step = {"name": "a", "filter": "{ }"}
    for items, part in [([definition(steps=[])], "1 to 64 steps"),
                        ([definition(name="")], "a name"),
                        ([definition(steps=[{"name": "a", "filter": "{ name = }"}])], 'flow 1, "order": step 1, at character'),
                        ([definition(steps=[step, {"name": "b", "filter": "{ } | count() > 2"}])], "step 2"),
                        ([definition(steps=[step, {"name": "b", "filter": "{ trace:rootName = \"x\" }"}])], "step 2"),
                        ([definition(steps=[{"name": "", "filter": "{ }"}])], "a step has a name"),
                        ([definition(within="31d")], "30 days"),
                        ([definition(within="soon")], "not what this call takes"),
                        ([definition(), definition()], "another of this name"),
                        ([definition(name=str(number)) for number in range(101)], "not what this call takes"),
                        ("all", "not what this call takes")]:
        answer = put(weft, items)
        assert answer.status_code == 400, items
        assert answer.json()["error"]["code"] == "bad_body" and part in answer.json()["error"]["message"], answer.text
    assert weft.ask("/api/v1/flow-definitions")["items"] == []


def test_the_configuration_defines_flows(tmp_path):
    text = json.dumps([{"name": "order", "steps": STEPS}])
    server = Weft(tmp_path / "data", "--set", f"exporters.weft.map.flows={text}").start()
    try:
        now = time.time_ns() - 60 * SECOND
        send(server, [("web", otlp.request("web", start_ns=now, name="POST /orders"))])
        assert [item["source"] for item in server.ask("/api/v1/flow-definitions")["items"]] == ["configuration"]
        item, = server.ask("/api/v1/flows", wait="true")["items"]
        assert (item["name"], item["runs"], item["defined"]) == ("order", 1, True)
        assert put(server, [definition()]).status_code == 400  # the configuration's name
        assert put(server, [definition(name="mine")]).status_code == 200
        assert len(server.ask("/api/v1/flows", wait="true")["items"]) == 2
    finally:
        server.stop()
    with pytest.raises(AssertionError, match="exporters.weft.map.flows"):
        Weft(tmp_path / "other", "--set", 'exporters.weft.map.flows=[{"name":"x","steps":[]}]').start()
