# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken input: a clear error or a visible treatment, memory bounded, nobody else disturbed."""

import json
import os
import random
import socket
import threading
import time

import requests

import otlp

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def post(weft, body, headers=PROTOBUF):
    return requests.post(weft.url("otlp_http", "/v1/traces"), data=body, headers=headers, timeout=60)


def memory_mb(weft):
    for line in open(f"/proc/{weft.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def still_works(weft):
    body = otlp.request("alive")
    assert post(weft, body.SerializeToString()).status_code == 200
    assert len(weft.trace(otlp.spans(body)[0].trace_id.hex())["spans"]) == 1


def test_random_and_truncated_bodies_never_crash(weft):
    random.seed(3)
    good = otlp.request("cart", 5, attributes={"a": "b", "n": 5}).SerializeToString()
    for i in range(300):
        if i % 3 == 0:
            body = os.urandom(random.randint(0, 300))
        elif i % 3 == 1:
            body = good[:random.randint(0, len(good))]
        else:
            body = bytearray(good)
            for _ in range(3):
                body[random.randrange(len(body))] = random.randrange(256)
        assert post(weft, bytes(body)).status_code in (200, 400), body
    for text in ("", "null", "[]", "{", '{"resourceSpans":7}', '{"resourceSpans":[[]]}', "\x00", "{} {}", '{"a":' * 5000):
        assert post(weft, text.encode(), {"Content-Type": "application/json"}).status_code in (200, 400), text
    still_works(weft)


def test_deep_nesting_is_refused(weft):
    value = {"stringValue": "x"}
    for _ in range(60):
        value = {"arrayValue": {"values": [value]}}
    tree = otlp.to_json(otlp.request("cart"))
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "deep", "value": value}]
    answer = post(weft, json.dumps(tree), {"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    still_works(weft)


def test_large_and_many_attributes_are_kept(weft):
    large = otlp.request("cart", attributes={"text": "x" * (1 << 20)})
    many = otlp.request("cart")
    for i in range(100_000):
        otlp.spans(many)[0].attributes.add(key=f"key.{i}").value.int_value = i
    for body in (large, many):
        assert post(weft, body.SerializeToString()).status_code == 200
    span = weft.trace(otlp.spans(large)[0].trace_id.hex())["spans"][0]
    assert len(span["attributes"][0]["value"]["stringValue"]) == 1 << 20
    span = weft.trace(otlp.spans(many)[0].trace_id.hex())["spans"][0]
    assert len(span["attributes"]) == 100_000
    assert weft.stop() == 0
    weft.start()
    span = weft.trace(otlp.spans(many)[0].trace_id.hex())["spans"][0]
    assert len(span["attributes"]) == 100_000


def test_strange_times_and_texts_are_kept(weft):
    body = otlp.request("cart", 4)
    spans = otlp.spans(body)
    spans[0].start_time_unix_nano = spans[0].end_time_unix_nano = 0
    spans[1].start_time_unix_nano = 2 ** 63
    spans[1].end_time_unix_nano = 2 ** 64 - 1
    spans[2].end_time_unix_nano = spans[2].start_time_unix_nano - 5
    content = body.SerializeToString().replace(b"GET /", b"G\xff\xfe /", 1)
    assert post(weft, content).status_code == 200
    for span in spans:
        assert len(weft.trace(span.trace_id.hex())["spans"]) == 1
    names = [weft.trace(span.trace_id.hex())["spans"][0]["name"] for span in spans]
    assert "G\ufffd\ufffd /" in names
    assert weft.map()["nodes"]
    assert weft.stop() == 0
    weft.start()
    assert len(weft.trace(spans[1].trace_id.hex())["spans"]) == 1


def test_slow_and_broken_connections_disturb_nobody(weft):
    port = weft.ports["otlp_http"]
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Le")
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    half = socket.create_connection(("127.0.0.1", port))
    body = otlp.request("cart").SerializeToString()
    half.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
                 % len(body) + body)
    half.shutdown(socket.SHUT_WR)
    assert half.recv(4096).startswith(b"HTTP/1.1 200")
    still_works(weft)
    for connection in slow:
        connection.close()


def test_thousands_of_connections_are_served(weft):
    before = memory_mb(weft)
    connections = []
    for _ in range(4000):
        connections.append(socket.create_connection(("127.0.0.1", weft.ports["otlp_http"]), 10))
    still_works(weft)
    body = otlp.request("cart").SerializeToString()
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body)
    for connection in connections[::40]:
        connection.sendall(head + body)
    for connection in connections[::40]:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert memory_mb(weft) - before < 150
    for connection in connections:
        connection.close()


def test_a_flood_of_http2_resets_ends_the_connection_only(weft):
    """CVE-2023-44487: streams opened and reset as fast as possible."""
    with socket.create_connection(("127.0.0.1", weft.ports["otlp_grpc"]), 10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        headers = bytes([0x83, 0x86, 0x84, 0x41, 1]) + b"x"
        try:
            for i in range(20000):
                stream = (2 * i + 1).to_bytes(4, "big")
                connection.sendall(len(headers).to_bytes(3, "big") + bytes([1, 4]) + stream + headers
                                   + bytes([0, 0, 4, 3, 0]) + stream + bytes([0, 0, 0, 8]))
            connection.settimeout(10)
            while connection.recv(65536):
                pass
            ended = True
        except OSError:
            ended = True
    assert ended
    still_works(weft)


def test_many_clients_at_once_lose_nothing(weft):
    acknowledged = []

    def send():
        session = requests.Session()
        for _ in range(40):
            body = otlp.request("cart", 10)
            answer = session.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(), headers=PROTOBUF,
                                  timeout=30)
            if answer.status_code == 200:
                acknowledged.append(10)

    senders = [threading.Thread(target=send) for _ in range(16)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    time.sleep(0.1)
    assert sum(acknowledged) == 6400
    assert weft.ask("/api/v1/status")["spans"]["stored"] == 6400
