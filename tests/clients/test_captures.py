# SPDX-License-Identifier: Apache-2.0
"""Whole connections of real clients, replayed as they were recorded: every span arrives, and the calls are on the map.

The captures stand beside the checkout (shared/data/clients); without them these tests are skipped."""

import json
import socket
import time

import pytest

from weft import SHARED

CLIENTS = SHARED / "data/clients"
LISTENERS = {4317: "otlp_grpc", 4318: "otlp_http", 9411: "zipkin"}


def index(name):
    return [json.loads(line) for line in (CLIENTS / name / "index.jsonl").read_text().splitlines()]


def is_received(name):
    """OTLP, and Zipkin v2 in JSON, are received by now."""
    rows = [row for row in index(name) if not row["transport"].startswith("wire")]
    return all(row["transport"].startswith("otlp") or
               (row.get("path") == "/api/v2/spans" and row["content_type"] == "application/json") for row in rows)


def captures():
    if not CLIENTS.is_dir():
        return []
    return [path.name for path in sorted(CLIENTS.iterdir()) if path.is_dir() and is_received(path.name)]


def replay(weft, name, row):
    """Sends a connection's bytes in pieces and reads whatever comes until the server has been quiet."""
    content = (CLIENTS / name / row["file"]).read_bytes()
    received = b""
    with socket.create_connection(("127.0.0.1", weft.ports[LISTENERS[row["port"]]]), 10) as connection:
        connection.settimeout(0.3)
        for at in range(0, len(content), 5000):
            connection.sendall(content[at:at + 5000])
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 0.5:
            try:
                piece = connection.recv(65536)
            except TimeoutError:
                continue
            if not piece:
                break
            received += piece
            quiet_since = time.monotonic()
    return received


def seen_spans(weft, expect):
    spans = []
    for trace in expect["traces"]:
        answer = weft.trace(trace["trace_id"].rjust(32, "0"))
        spans += [(span["trace_id"], span["span_id"], span["service"], span["name"], span["kind"].upper(),
                   len(span["events"]), len(span["links"])) for span in answer["spans"]]
    return sorted(spans)


def expected_spans(expect):
    # Zipkin has no INTERNAL kind and its annotations are events; n_events counts them as the format has them.
    return sorted((span["trace_id"].rjust(32, "0"), span["span_id"], span["service"], span["name"], span["kind"],
                   span["n_events"], span["n_links"]) for span in expect["spans"])


@pytest.mark.skipif(not CLIENTS.is_dir(), reason="SHARED DATA IS MISSING: the captures stand beside the checkout")
@pytest.mark.parametrize("name", captures())
def test_a_recorded_client_is_understood(weft, name):
    expect = json.loads((CLIENTS / name / "expect.json").read_text())
    for row in index(name):
        if row["transport"].startswith("wire"):
            assert replay(weft, name, row), "the server did not answer"
    deadline = time.monotonic() + 10  # a busy disk may take longer than the replay waits for an answer
    while weft.ask("/api/v1/status")["spans"]["stored"] < expect["n_spans"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert weft.ask("/api/v1/status")["spans"]["stored"] == expect["n_spans"]
    services = {item["name"] for item in weft.ask("/api/v1/services")["items"]}
    assert services == set(expect["services"])
    assert seen_spans(weft, expect) == expected_spans(expect)
    calls = {(edge["caller"], edge["callee"]): edge["count"] for edge in expect["call_edges"]}
    edges = weft.edges(type="service")
    assert {(source, target): count for (source, relation, target), count in edges.items()
            if relation == "calls" and target in services and source != target} == calls
    answer = weft.map()
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    hops = {(names[hop["producer"]], names[hop["queue"]], names[hop["consumer"]]) for hop in answer["hops"]}
    assert hops >= {(edge["producer"], edge["destination"], edge["consumer"]) for edge in expect["messaging_edges"]}


def test_at_least_the_captures_of_this_project_are_replayed():
    if not CLIENTS.is_dir():
        pytest.skip("SHARED DATA IS MISSING: the captures stand beside the checkout")
    assert len(captures()) >= 24
