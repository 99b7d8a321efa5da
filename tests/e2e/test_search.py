# SPDX-License-Identifier: Apache-2.0
"""Searching for traces: one order over all pages, honest gaps, vitals that do not wait behind queries."""

import threading
import time

import pytest

import otlp
from test_api_contract import MINUTE, one, send
from weft import Weft


def pages(weft, limit, between=lambda: None, **parameters):
    """All items over all pages; @between runs after each."""
    items, cursor = [], None
    while True:
        page = weft.ask("/api/v1/traces", limit=limit, **parameters, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= limit and page["truncated"] is False
        items += page["items"]
        cursor = page["cursor"]
        if cursor is None:
            return items
        between()


def key(item):
    return item["start"], item["trace_id"]


@pytest.fixture
def overlapping(weft):
    """30 traces that last ten minutes each and begin within one: every page overlaps the next in time."""
    start = time.time_ns() - 60 * MINUTE
    roots = [one("web", start + i * 2_000_000_000, duration_ns=10 * MINUTE) for i in range(30)]
    for i, root in enumerate(roots):  # the later a trace begins, the earlier its last span
        send(weft, root, one("cart", start + 9 * MINUTE - i * 1_000_000_000, root, name="late"))
    return weft, start, roots


@pytest.mark.parametrize("limit", [1, 7, 29, 30, 1000])
@pytest.mark.parametrize("q", ["", '{ name = "late" }', '{ resource.service.name = "cart" } '])
def test_pages_are_one_order_by_the_start_that_people_see(overlapping, limit, q):
    weft, _, roots = overlapping
    found = pages(weft, limit, q=q)
    assert [key(item) for item in found] == sorted((key(item) for item in found), reverse=True)
    assert {item["trace_id"] for item in found} == {otlp.spans(root)[0].trace_id.hex() for root in roots}
    assert len(found) == 30


def test_a_window_counts_spans_but_orders_traces_by_their_start(overlapping):
    weft, start, _ = overlapping
    found = pages(weft, 4, **{"from": str((start + 8 * MINUTE) // 1_000_000_000), "to": "now"})
    assert len(found) == 30 and [key(item) for item in found] == sorted((key(item) for item in found), reverse=True)


def test_a_trace_whose_root_comes_between_two_pages_is_not_shown_twice(weft):
    start = time.time_ns() - 60 * MINUTE
    leaves = [one("cart", start + i * 1_000_000) for i in range(20)]
    send(weft, *leaves)
    waiting = list(leaves)

    def roots_arrive():  # each moves its trace to the end of the order
        for leaf in reversed(waiting[-5:]):
            send(weft, one("web", start - MINUTE, leaf))
            del waiting[-1]

    found = pages(weft, 5, roots_arrive)
    ids = [item["trace_id"] for item in found]
    assert sorted(ids) == sorted(otlp.spans(leaf)[0].trace_id.hex() for leaf in leaves)


def test_a_regular_expression_that_runs_away_is_told_and_holds_nobody_up(weft):
    start = time.time_ns() - MINUTE
    for part in range(4):
        body = otlp.request("web", n_spans=200, start_ns=start)
        for i, span in enumerate(otlp.spans(body)):
            span.name = "a" * 60 + f"{part}.{i}"
        send(weft, body)
    before = time.monotonic()
    page = weft.ask("/api/v1/traces", q='{ name =~ "(a|aa|aaa|a?)+b" || name =~ "(a*)*0.7" }')
    assert time.monotonic() - before < 8, "a deadline is no cure for a runaway pattern"
    assert page["truncated"] is True and page["truncation"]["reason"] == "regular_expression"
    assert "truncation" not in weft.ask("/api/v1/traces", q='{ name =~ "a+0.7" }')
    assert len(weft.ask("/api/v1/traces", q='{ name =~ "a+0.7" }')["items"]) == 1


def test_status_and_metrics_do_not_wait_behind_queries(weft):
    send(weft, *(one("web", time.time_ns() - MINUTE) for _ in range(3)))
    asked, end = [], time.monotonic() + 2

    def ask_on():
        while time.monotonic() < end:
            weft.get("/api/v1/map", wait="true")
            asked.append(1)

    threads = [threading.Thread(target=ask_on) for _ in range(12)]
    for thread in threads:
        thread.start()
    slowest = 0
    while time.monotonic() < end:
        for path in ("/api/v1/status", "/metrics", "/healthz", "/readyz"):
            before = time.monotonic()
            assert weft.get(path).status_code == 200
            slowest = max(slowest, time.monotonic() - before)
    for thread in threads:
        thread.join()
    assert asked and slowest < 5


@pytest.mark.parametrize("q, found", [
    ('{ name = "GET /cart" } && { name = "pay" }', True),
    ('{ name = "GET /cart" } && { name = "no" }', False),
    ('{ name = "GET /cart" } >> { name = "pay" }', True),
    ('{ name = "GET /cart" } > { name = "pay" }', False),
    ('{ name = "pay" } << { resource.service.name = "web" }', True),
    ('{ resource.service.name = "shop" } | count() > 1', True),
    ('{ resource.service.name = "shop" } | count() > 2', False),
    ('{ } | by(resource.service.name) | count() = 2 | avg(duration) >= 5ms', True),
    ('{ rootName = "GET /cart" && name = "pay" }', True),
    ('{ rootServiceName = "shop" }', False),
    ('{ nestedSetParent < 0 && resource.service.name = "web" }', True),
    ('{ traceDuration > 1m && name =~ "pa." } | select(name)', True),
    ('{ !(rootName = "GET /cart") }', False),
])
@pytest.mark.parametrize("is_block", [False, True])
def test_whole_traces_are_asked_in_head_and_blocks(shop, q, found, is_block):
    weft, trace_id = shop[is_block]
    items = pages(weft, 3, q=q)
    assert (trace_id in [item["trace_id"] for item in items]) == found
    assert len(items) == len({item["trace_id"] for item in items}) == (6 if found else 0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The same traces in the head of one server and in a block of another."""
    made = []
    for is_block in (False, True):
        weft = Weft(tmp_path_factory.mktemp("shop") / "data").start()
        start = time.time_ns() - 10 * MINUTE
        for i in range(6):
            root = one("web", start + i, name="GET /cart", duration_ns=2 * MINUTE)
            order = one("shop", start + i + 1000, root, name="order")
            send(weft, root, order, one("shop", start + i + 2000, order, name="pay"))
        if is_block:  # a clean stop writes the head out
            assert weft.stop() == 0
            weft.start()
        made.append((weft, otlp.spans(root)[0].trace_id.hex()))
    yield made
    for weft, _ in made:
        weft.stop()


def test_what_traceql_cannot_do_here_is_told_with_its_place(weft):
    answer = weft.get("/api/v1/traces", q='{ name = "x" } | rate()')
    assert answer.status_code == 400 and "at character 18" in answer.json()["error"]["message"]
