# SPDX-License-Identifier: Apache-2.0
"""/api/v1/map/live: a snapshot, then what changes; over HTTP/1 and HTTP/2; slow readers are cut off."""

import json
import os
import pathlib
import socket
import subprocess
import time

import jsonschema
import pytest
import requests
import yaml

import otlp

DOCUMENT = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "openapi.yaml").read_text())
UPDATE = jsonschema.Draft202012Validator(
    {"$ref": "#/components/schemas/MapUpdate", "components": DOCUMENT["components"]})


def send(weft, *services):
    """One trace: each service calls the next."""
    trace, start = os.urandom(16), time.time_ns() - 1_000_000_000
    parent, body = b"", None
    for index, name in enumerate(services):
        part = otlp.request(name, trace_id=trace, start_ns=start + index, name=f"GET /{index}", kind=otlp.SERVER)
        otlp.spans(part)[0].parent_span_id = parent
        parent = otlp.spans(part)[0].span_id
        if body is None:
            body = part
        else:
            body.MergeFrom(part)
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200
    weft.map()  # waits until it is settled


class Events:
    """Reads events with curl, which speaks both protocols."""

    def __init__(self, weft, *options, query=""):
        self.process = subprocess.Popen(["curl", "-sN", "--max-time", "60", *options,
                                         weft.url("http", "/api/v1/map/live" + query)], stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def next(self):
        """(id, data) of the next event; comments and other fields are read over."""
        event = {}
        for line in iter(self.process.stdout.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                assert event["event"] == "map"
                data = json.loads(event["data"])
                UPDATE.validate(data)
                return event["id"], data
            else:
                event = {}
        raise AssertionError("the answer ended")


@pytest.mark.parametrize("options", [[], ["--http2-prior-knowledge"]], ids=["HTTP/1", "HTTP/2"])
def test_a_snapshot_comes_first_and_then_what_changes(weft, options):
    send(weft, "web", "cart")
    with Events(weft, *options) as events:
        _, first = events.next()
        assert first["snapshot"] and len(first["nodes"]) == 2 and len(first["edges"]) == 1
        assert all(node["layout"]["width"] > 0 for node in first["nodes"])
        began = time.monotonic()
        send(weft, "web", "mail")
        _, second = events.next()
        assert time.monotonic() - began < 5  # a second after the settling, and this machine is busy
        assert not second["snapshot"]
        assert {node["name"] for node in second["nodes"]} >= {"mail"}
        assert [edge["count"] for edge in second["edges"]] == [1]  # the other one has not changed
        assert second["removed"] == {"nodes": [], "edges": [], "hops": []}


def test_who_missed_nothing_gets_no_snapshot(weft):
    send(weft, "web", "cart")
    with Events(weft) as staying:
        staying.next()
        with Events(weft) as events:
            last, first = events.next()
            assert first["snapshot"]
        with Events(weft, "-H", f"Last-Event-ID: {last}") as events:
            send(weft, "web", "pay")
            assert not events.next()[1]["snapshot"]
        with Events(weft, "-H", f"Last-Event-ID: {last}") as events:
            assert events.next()[1]["snapshot"]


def test_filters_hold_for_live_maps_too(weft):
    send(weft, "web", "cart")
    with Events(weft, query="?environment=prod") as events:
        assert events.next()[1]["nodes"] == []
    answer = weft.get("/api/v1/map/live", frm="x")
    assert answer.status_code == 400


def status(weft):
    lines = weft.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in
            (line.split(" ") for line in lines if line.startswith("weft_live_"))}


def test_a_reader_who_does_not_read_is_cut_off_and_the_server_goes_on(weft):
    # A map large enough to fill the socket's buffers, and a reader who never reads.
    names = [f"service-{index:04}" for index in range(4500)]
    for at in range(0, len(names), 500):
        send(weft, "web", *names[at:at + 500])
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", weft.ports["http"]))
    reader.sendall(b"GET /api/v1/map/live HTTP/1.1\r\nHost: weft\r\n\r\n")
    deadline = time.monotonic() + 40
    while status(weft)["weft_live_cut_off_total"] == 0:
        assert time.monotonic() < deadline
        send(weft, "web", names[0])
        time.sleep(0.5)
    assert status(weft)["weft_live_readers"] == 0
    reader.close()
    with Events(weft) as events:
        assert events.next()[1]["snapshot"]


def test_too_many_readers_are_refused(weft):
    def read():
        connection = socket.create_connection(("127.0.0.1", weft.ports["http"]))
        connection.sendall(b"GET /api/v1/map/live HTTP/1.1\r\nHost: weft\r\n\r\n")
        return connection, connection.recv(12)

    readers = [read() for _ in range(64)]
    assert {answer for _, answer in readers} == {b"HTTP/1.1 200"}
    late, answer = read()
    assert answer == b"HTTP/1.1 503"
    late.close()
    for connection, _ in readers:
        connection.close()
    deadline = time.monotonic() + 20
    while status(weft)["weft_live_readers"] > 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert status(weft)["weft_live_refused_total"] == 1
    assert weft.stop() == 0


def test_the_program_stops_although_somebody_reads(weft):
    with Events(weft) as events:
        events.next()
        began = time.monotonic()
        assert weft.stop() == 0
        assert time.monotonic() - began < 10
