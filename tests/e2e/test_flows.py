# SPDX-License-Identifier: Apache-2.0
"""Runs over traces, days and restarts: what comes late, in pieces and after a restart ends in the same flow."""

import os

import requests

import otlp
from weft import Weft

DAY = 86_400_000_000_000
BASE = 1_790_000_040_000_000_000
ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}


def step(run, name, start, **attributes):
    return otlp.request("shop", start_ns=start, name=name, kind=otlp.INTERNAL, attributes={
        "coordimap.flow.name": "order", "coordimap.flow.step": name, "coordimap.flow.run_id": run, **attributes})


def send(server, *bodies):
    for body in bodies:
        answer = requests.post(server.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=30)
        assert answer.status_code == 200, answer.text


def told(server):
    flow = server.ask("/api/v1/flows/order", **ALWAYS)
    runs = server.ask("/api/v1/flows/order/runs", **ALWAYS)["items"]
    return ({tuple(variant["sequence"]): variant["runs"] for variant in flow["variants"]}, flow["starts"], flow["ends"],
            [(run["run_id"], run["status"], len(run["traces"])) for run in runs])


def test_a_run_over_days_is_one_in_whatever_order_and_after_restarts(tmp_path):
    pieces = [step("7", "place", BASE), step("7", "pay", BASE + 3000 * 10**6), step("7", "ship", BASE + 3 * DAY),
              step("8", "place", BASE + DAY), step("7", "mail", BASE + 3 * DAY + 10**9)]
    expected = ({("place", "pay", "ship", "mail"): 1, ("place",): 1}, {"place": 2}, {"mail": 1, "place": 1},
                [("8", "ok", 1), ("7", "ok", 4)])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 3, 1]):
        server = Weft(tmp_path / "".join(map(str, order))).start()
        try:
            for count, at in enumerate(order):
                send(server, pieces[at], pieces[at])
                told(server) if count else None
                if count == 1:
                    server.stop()
                    server.start()
                if count == 3:
                    server.kill()
                    server.start()
            assert told(server) == expected
            server.stop()
            server.start()
            assert told(server) == expected
            # Another span of an old run.
            send(server, step("7", "refund", BASE + 5 * DAY))
            assert told(server)[0] == {("place", "pay", "ship", "mail", "refund"): 1, ("place",): 1}
        finally:
            server.kill()


def test_windows_count_runs_whole_and_are_compared(weft):
    body = otlp.ExportTraceServiceRequest()
    for number in range(300):
        names = ["place", "pay"] if number < 150 else ["place", "check", "pay"]
        start = BASE + (0 if number < 150 else DAY) + number * 10**9
        for at, name in enumerate(names):
            body.MergeFrom(step(str(number), name, start + at * 50 * 10**6))
    send(weft, body)
    windows = {"a_from": str(BASE // 10**9), "a_to": str((BASE + DAY // 2) // 10**9),
               "b_from": str((BASE + DAY) // 10**9), "b_to": str((BASE + 2 * DAY) // 10**9)}
    diff = weft.ask("/api/v1/flows/order/diff", wait="true", **windows)
    assert (diff["a"]["runs"], diff["b"]["runs"]) == (150, 150)
    assert [added["name"] for added in diff["steps"]["added"]] == ["check"] and not diff["steps"]["removed"]
    assert {(item["from"], item["to"]) for item in diff["follows"]["added"]} == {("place", "check"), ("check", "pay")}
    assert [(item["from"], item["to"]) for item in diff["follows"]["removed"]] == [("place", "pay")]
    assert [item["sequence"] for item in diff["variants"]["removed"]] == [["place", "pay"]]
    found = weft.ask("/api/v1/flows/order/conformance", sequence="place>pay", **ALWAYS)
    assert (found["conforming"], found["deviating"]) == (150, 150)
    assert found["deviations"] == [{"kind": "inserted", "step": "check", "runs": 150, "variants": 1}]
    only = weft.ask("/api/v1/flows/order/runs", variant="place>check>pay", limit=1000, **ALWAYS)["items"]
    assert len(only) == 150 and {run["variant"] for run in only} == {only[0]["variant"]}
    by_id = weft.ask("/api/v1/flows/order/runs", variant=only[0]["variant"], limit=1000, **ALWAYS)["items"]
    assert by_id == only


def test_the_shape_of_a_flow_has_versions_beside_deploys(weft):
    """Hour by hour: pay is replaced by check and charge when shop 2.0 comes; a restart changes nothing."""
    body = otlp.ExportTraceServiceRequest()
    hour = 3600 * 10**9
    for number in range(120):
        changed = number >= 60
        for at, name in enumerate(["place", "check", "charge"] if changed else ["place", "pay"]):
            span = step(str(number), name, BASE + number * hour // 20 + at * 10**9)
            span.resource_spans[0].resource.attributes.add(key="service.version").value.string_value = "2.0" if changed else "1.0"
            body.MergeFrom(span)
    send(weft, body)
    window = {"from": str(BASE // 10**9 + 3600), "to": str(BASE // 10**9 + 6 * 3600), "step": "10m", "wait": "true"}
    for _ in range(2):
        told = weft.ask("/api/v1/flows/order/history", **window)
        assert sum(point["runs"] for point in told["points"]) == 100
        first, second = told["versions"]
        assert (first["version"], first["steps"], first["follows"], first["came"]["steps"]) == (1, 2, 1, [])
        assert [item["name"] for item in second["came"]["steps"]] == ["charge", "check"]
        assert [item["name"] for item in second["went"]["steps"]] == ["pay"]
        assert second["went"]["follows"] == [{"from": "place", "to": "pay"}]
        assert [(item["name"], item["version"]) for item in second["deploys"]] == [("shop", "2.0")]
        assert second["deploys"] == told["deploys"]
        assert second["time"][:16] <= second["deploys"][0]["time"][:16]
        pay = next(item for item in told["steps"] if item["name"] == "pay")
        assert [(span["before"], span["ongoing"]) for span in pay["intervals"]] == [(True, False)]
        assert pay["intervals"][0]["to"] == second["time"]
        assert pay["first"] < told["from"] and told["looked_back_to"] < told["from"]
        assert all(item["again"] is False for item in second["came"]["steps"] + second["came"]["follows"])
        lives = {tuple(item["sequence"]): item for item in told["variants"]}
        assert lives["place", "pay"]["intervals"] == pay["intervals"]
        came = lives["place", "check", "charge"]
        assert [(span["from"], span["before"], span["ongoing"]) for span in came["intervals"]] == [(second["time"], False, True)]
        assert (told["variants_left_out"], told["variants_differ"]) == (0, False)
        weft.stop()
        weft.start()


def test_an_entity_has_its_traces_and_runs_over_restarts(tmp_path):
    server = Weft(tmp_path / "data").start()
    try:
        thing = {"entity.type": "order", "entity.id": "a/1"}
        plain = otlp.request("mail", trace_id=os.urandom(16), start_ns=BASE + 2 * DAY, name="send", attributes=thing)
        send(server, step("7", "place", BASE, **thing), step("7", "ship", BASE + DAY, **thing), plain)
        for _ in range(2):
            entity = server.ask("/api/v1/entities/order/a%2F1", wait="true")
            assert [(len(trace["runs"])) for trace in entity["traces"]] == [1, 1, 0]
            assert [(run["flow"], run["run_id"]) for run in entity["runs"]] == [("order", "7")]
            server.stop()
            server.start()
        assert server.get("/api/v1/entities/order/b").status_code == 404
    finally:
        server.kill()


def test_an_entity_has_no_run_that_only_a_run_id_would_make(weft):
    """A span with only a run id joins a run but makes none of its own: there is no run for the object to show."""
    trace = os.urandom(16)
    envelope = otlp.request("shop", trace_id=trace, start_ns=BASE, attributes={
        "coordimap.flow.name": "order", "entity.type": "order", "entity.id": "1"})
    joining = otlp.request("shop", trace_id=trace, start_ns=BASE, attributes={"coordimap.flow.run_id": "7"})
    otlp.spans(joining)[0].parent_span_id = otlp.spans(envelope)[0].span_id
    send(weft, envelope, joining)
    runs = [run["run_id"] for run in weft.ask("/api/v1/flows/order/runs", **ALWAYS)["items"]]
    entity = weft.ask("/api/v1/entities/order/1", wait="true")
    assert runs == [run["run_id"] for run in entity["runs"]] == [trace.hex()]
    assert [[run["run_id"] for run in trace["runs"]] for trace in entity["traces"]] == [[trace.hex()]]
