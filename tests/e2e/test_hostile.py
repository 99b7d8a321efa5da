# SPDX-License-Identifier: Apache-2.0
"""Clients that want to take all there is: the others go on."""

import gzip
import socket
import threading
import time

import pytest
import requests

import otlp
from weft import Weft

HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def weft(tmp_path):
    server = Weft(tmp_path / "data").start()
    yield server
    assert server.stop() == 0


def post(weft, body=None, **headers):
    body = otlp.request("cart").SerializeToString() if body is None else body
    return requests.post(weft.url("otlp_http", "/v1/traces"), data=body, headers=HEADERS | headers, timeout=60)


def peak_mb(weft):
    for line in open(f"/proc/{weft.process.pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def half_request(weft, announced, sent):
    client = socket.create_connection(("127.0.0.1", weft.ports["otlp_http"]), 10)
    client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
                   b"Content-Length: %d\r\n\r\n" % announced + bytes(sent))
    return client


def test_half_requests_do_not_shut_others_out(weft):
    clients = []
    for _ in range(10):  # they hold 64 MiB each, as far as they are let
        clients.append(half_request(weft, 64 << 20, 33 << 20))
        assert post(weft).status_code == 200
    assert post(weft).status_code == 200
    for client in clients:
        client.close()
    counted = weft.get("/metrics").text
    assert "weft_http_bodies_refused_total 0\n" not in counted


def field(number, body):
    size, varint = len(body), b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([size]) + body


def test_bodies_that_take_much_memory_to_decode_wait_for_each_other(weft):
    ids = field(1, b"t" * 16) + field(2, b"s" * 8)
    span = field(2, ids + field(9, field(1, b"key")) * (4 << 20))  # 28 MiB of attributes without value
    bomb = gzip.compress(field(1, field(2, span)), 1)
    answers = []

    def send():
        answer = post(weft, bomb, **{"Content-Encoding": "gzip"})
        answers.append(answer)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    others = [post(weft).status_code for _ in range(5)]
    for thread in threads:
        thread.join()
    for answer in answers:
        assert answer.status_code in (200, 429, 503), answer.text
        assert answer.status_code == 200 or int(answer.headers["Retry-After"]) >= 1
    assert {*others} <= {200, 429}, others
    assert peak_mb(weft) < 1000  # one takes 300


def test_large_bodies_one_after_another_are_all_taken(weft):
    """By any connection, so by any loop: the turn of one ends before its answer goes."""
    for _ in range(30):
        answer = post(weft, otlp.request("cart", attributes={"text": "x" * (5 << 20)}).SerializeToString())
        assert answer.status_code in (200, 429), answer.text  # 429: much waits to be written
    assert "weft_receiver_large_busy_requests_total 0\n" in weft.get("/metrics").text


def test_a_trace_larger_than_a_query_s_memory_hides_no_other(weft):
    small = otlp.request("cart")
    assert post(weft, small.SerializeToString()).status_code == 200
    large = b"L" * 16
    for i in range(24):
        body = otlp.request("cart", 1000, attributes={"text": "x" * 3000})
        for j, span in enumerate(otlp.spans(body)):
            span.trace_id, span.span_id = large, (i * 1000 + j + 1).to_bytes(8, "big")
        while (status := post(weft, body.SerializeToString()).status_code) != 200:
            assert status == 429
            time.sleep(0.1)
    page = weft.get("/api/v1/traces").json()
    assert [item["trace_id"] for item in page["items"]] == [otlp.spans(small)[0].trace_id.hex()]
    assert page["truncated"] and page["truncation"]["reason"] == "large_trace"
    assert page["truncation"]["trace_id"] == large.hex()
    answer = weft.get("/api/traces", service="cart").json()
    assert len(answer["data"]) == 1 and answer["errors"][0]["traceID"] == large.hex()
    window = {"query.service_name": "cart", "query.start_time_min": "2000-01-01T00:00:00Z",
              "query.start_time_max": "2100-01-01T00:00:00Z"}
    answer = weft.get("/api/v3/traces", **window).json()
    assert len(answer["result"]["resourceSpans"]) == 1 and "left out" in answer["warnings"][0]


def test_a_damaged_file_of_saved_things_is_set_aside_and_told(weft):
    directory = weft.directory
    assert weft.stop() == 0
    (directory / "desk.sqlite").write_bytes(b"no database" * 1000)
    weft.start()
    assert "weft_desk_damaged 1" in weft.get("/metrics").text
    drops = {drop["reason"]: drop["count"] for drop in weft.get("/api/v1/status").json()["drops"]}
    assert drops["damaged files of what people saved, in damaged/ now"] == 1
    assert [path.read_bytes()[:11] for path in (directory / "damaged").glob("desk.sqlite-*")] == [b"no database"]
    assert weft.stop() == 0
    weft.start()
    assert "weft_desk_damaged 0" in weft.get("/metrics").text
