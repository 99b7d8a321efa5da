# SPDX-License-Identifier: Apache-2.0
"""Every code of contract health, from spans to /api/v1/contract and back to silence."""

import os
import time

import requests

import otlp

SECOND = 1_000_000_000
START = time.time_ns() - 120 * SECOND


def span(service, trace, at_ns=0, duration_ns=10_000_000, parent=None, kind=otlp.SERVER, resource=None, **options):
    """(request, span id)"""
    body = otlp.request(service, trace_id=trace, start_ns=START + at_ns, kind=kind, **options)
    one = otlp.spans(body)[0]
    one.end_time_unix_nano = one.start_time_unix_nano + duration_ns
    if parent is not None:
        one.parent_span_id = parent
    for key, value in (resource or {}).items():
        body.resource_spans[0].resource.attributes.add(key=key).value.string_value = value
    return body, one.span_id


def send(weft, *bodies):
    whole = bodies[0]
    for body in bodies[1:]:
        whole.MergeFrom(body)
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=whole.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text


def findings(weft, **parameters):
    answer = weft.ask("/api/v1/contract", **{"from": "-1h", "to": "now", "wait": "true", **parameters})
    return {(item["code"], item["subject"]): item for item in answer["items"]}


def test_a_healthy_shop_has_no_findings(weft):
    trace = os.urandom(16)
    web, web_id = span("web", trace)
    cart, _ = span("cart", trace, at_ns=1000, parent=web_id)
    send(weft, web, cart)
    assert findings(weft) == {}


def test_each_code_is_told_with_count_example_and_advice(weft):
    traces = [os.urandom(16) for _ in range(8)]
    send(weft,
         span("lost", traces[0], parent=os.urandom(8))[0],
         span("web", traces[1], kind=otlp.CLIENT)[0],
         span("", traces[2])[0],
         span("split", traces[3])[0],
         span("split", traces[4], resource={"deployment.environment.name": "prod"})[0])
    parent, parent_id = span("front", traces[5], at_ns=5_000_000, resource={"host.name": "a"})
    early, _ = span("back", traces[5], at_ns=1_000_000, parent=parent_id, resource={"host.name": "b"})
    same, _ = span("side", traces[5], at_ns=1_000_000, parent=parent_id, resource={"host.name": "a"})
    little, _ = span("near", traces[5], at_ns=4_500_000, parent=parent_id, resource={"host.name": "b"})
    send(weft, parent, early, same, little)
    busy, busy_id = span("busy", traces[6])
    inner = [span("busy", traces[6], parent=busy_id, kind=otlp.INTERNAL, duration_ns=99_999)[0] for _ in range(2)]
    send(weft, busy, *inner)
    found = findings(weft)
    assert set(found) == {("orphans", "lost"), ("unresolved_peer", "web"), ("unknown_service", "unknown_service"),
                          ("missing_environment", "split"), ("clock_skew", "back"), ("over_spanning", "busy")}
    examples = {"lost": 0, "web": 1, "unknown_service": 2, "split": 3, "back": 5, "busy": 6}
    for (code, subject), item in found.items():
        assert item["count"] == (2 if code == "over_spanning" else 1)
        assert item["example_trace"] == traces[examples[subject]].hex(), item
        assert len(item["what_to_change"]) > 40
    # Page by page, the same in the same order.
    seen, cursor = [], None
    while True:
        answer = weft.ask("/api/v1/contract", limit="1", **({"cursor": cursor} if cursor else {}))
        seen += answer["items"]
        cursor = answer["cursor"]
        if cursor is None:
            break
    assert seen == list(found.values())


def messages(service, trace, operation, **options):
    return span(service, trace, kind=otlp.PRODUCER if operation == "send" else otlp.CONSUMER,
                attributes={"messaging.system": "kafka", "messaging.destination.name": "orders",
                            "messaging.operation.type": operation}, **options)


def test_broken_queue_context_needs_a_publisher_and_no_relative_that_is_linked(weft):
    lonely = os.urandom(16)
    send(weft, messages("mail", lonely, "process")[0])
    assert findings(weft) == {}  # nobody here publishes: the publisher is not instrumented
    trace = os.urandom(16)
    publish, publish_id = messages("web", trace, "send")
    receive, receive_id = messages("mail", trace, "receive", parent=publish_id)
    process, _ = messages("mail", trace, "process", parent=receive_id)  # its ancestor is linked
    send(weft, publish, receive, process)
    found = findings(weft)
    assert set(found) == {("broken_queue_context", "orders")}
    assert found["broken_queue_context", "orders"]["count"] == 1
    assert found["broken_queue_context", "orders"]["example_trace"] == lonely.hex()


def test_a_late_span_takes_its_finding_back(weft):
    trace = os.urandom(16)
    parent, parent_id = span("web", trace)
    send(weft, span("cart", trace, at_ns=1000, parent=parent_id)[0])
    assert set(findings(weft)) == {("orphans", "cart")}
    send(weft, parent)
    assert findings(weft) == {}
