# SPDX-License-Identifier: Apache-2.0
"""Clients that want to take all there is: the others go on."""

import gzip
import socket
import threading

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
