# SPDX-License-Identifier: Apache-2.0
"""traces_service_graph_* and traces_spanmetrics_* on /metrics, as Grafana's service graph reads them."""

import os
import re
import time

import requests

import otlp

LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def scrape(weft):
    """{(name, frozenset of labels): value}; every line has the form that Prometheus takes, none comes twice."""
    weft.map()  # settles what is open
    values, types = {}, {}
    for line in weft.get("/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name not in types
            types[name] = kind
        elif not line.startswith("#"):
            name, labels, value = LINE.match(line).groups()
            found = LABEL.findall(labels or "")
            assert ",".join(f'{key}="{text}"' for key, text in found) == (labels or "")
            key = (name, frozenset(found))
            assert key not in values, line
            values[key] = float(value)
    return values


def of(values, name, **labels):
    return {key: value for key, value in values.items()
            if key[0] == name and set(labels.items()) <= key[1]}


def total(values, name, **labels):
    return sum(of(values, name, **labels).values())


def send(weft, *bodies):
    for body in bodies[1:]:
        bodies[0].MergeFrom(body)
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=bodies[0].SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text


def span(service, trace, parent=None, kind=otlp.SERVER, milliseconds=10, error=False, **options):
    body = otlp.request(service, trace_id=trace, kind=kind, **options)
    one = otlp.spans(body)[0]
    one.end_time_unix_nano = one.start_time_unix_nano + milliseconds * 1_000_000
    one.parent_span_id = parent or b""
    one.status.code = 2 if error else 0
    return body, one.span_id


def shop(weft, error=False):
    trace = os.urandom(16)
    web, web_id = span("web", trace, name='GET "/"\n')
    call, call_id = span("web", trace, web_id, otlp.CLIENT, 30)
    cart, cart_id = span("cart", trace, call_id, milliseconds=20, error=error)
    table, _ = span("cart", trace, cart_id, otlp.CLIENT, 5, attributes={
        "db.system.name": "postgresql", "db.namespace": "shop", "db.operation.name": "SELECT",
        "db.collection.name": "orders"})
    bank, _ = span("cart", trace, cart_id, otlp.CLIENT, 7, attributes={"server.address": "bank.example"})
    queue = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
    publish, publish_id = span("cart", trace, cart_id, otlp.PRODUCER, 1,
                               attributes={**queue, "messaging.operation.type": "send"})
    process, _ = span("mail", trace, publish_id, otlp.CONSUMER, 9,
                      attributes={**queue, "messaging.operation.type": "process"})
    send(weft, web, call, cart, table, bank, publish, process)


def test_the_service_graph_is_there_in_tempo_s_names(weft):
    shop(weft)
    shop(weft, error=True)
    values = scrape(weft)
    name = "traces_service_graph_request_total"
    edges = {tuple(dict(key[1])[label] for label in ("client", "server", "connection_type")): value
             for key, value in of(values, name).items()}
    assert edges == {("web", "cart", ""): 2, ("cart", "shop", "database"): 2,
                     ("cart", "bank.example", "virtual_node"): 2, ("cart", "mail", "messaging_system"): 2}
    assert total(values, "traces_service_graph_request_failed_total") == 1
    call = {"client": "web", "server": "cart"}
    for side, seconds in (("server", 0.02), ("client", 0.03)):
        name = f"traces_service_graph_request_{side}_seconds"
        assert total(values, name + "_count", **call) == 2
        assert abs(total(values, name + "_sum", **call) - 2 * seconds) < 0.02 * seconds
        buckets = of(values, name + "_bucket", **call)
        by_bound = {dict(key[1])["le"]: value for key, value in buckets.items()}
        assert by_bound["+Inf"] == 2 and by_bound["0.032"] == 2 and by_bound["0.016"] == 0
    assert total(values, "traces_service_graph_request_messaging_system_seconds_count", server="mail") == 2


def test_span_metrics_tell_requests_and_errors(weft):
    shop(weft)
    shop(weft, error=True)
    values = scrape(weft)
    calls = "traces_spanmetrics_calls_total"
    assert total(values, calls, service="web", span_name='GET \\"/\\"\\n') == 2
    assert total(values, calls, service="cart", status_code="STATUS_CODE_ERROR") == 1
    assert total(values, calls, service="cart", status_code="STATUS_CODE_UNSET") == 1
    assert total(values, "traces_spanmetrics_latency_count", service="cart", span_kind="SPAN_KIND_SERVER") == 2
    assert total(values, "traces_spanmetrics_latency_bucket", service="cart", le="+Inf") == 2


def test_counters_never_fall(weft):
    before = {}
    for round_ in range(4):
        shop(weft, error=round_ % 2 == 0)
        after = scrape(weft)
        for key, value in before.items():
            if key[0].startswith("traces_"):
                assert after[key] >= value, key
        before = after
    assert total(before, "traces_service_graph_request_total", server="cart") == 4


def test_the_number_of_series_is_bounded_and_the_rest_counted(weft):
    bodies = [otlp.request(f"service-{index}", n_spans=1, name=f"GET /{index}", start_ns=time.time_ns())
              for index in range(2100)]
    send(weft, *bodies)
    values = scrape(weft)
    assert len(of(values, "traces_spanmetrics_latency_count")) == 2000
    assert total(values, "weft_service_metrics_left_out_total", of="spanmetrics") == 100
