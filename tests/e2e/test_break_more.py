# SPDX-License-Identifier: Apache-2.0
"""The user who breaks things, further: files that vanish, nonsense in every parameter, servers that are none."""

import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
import requests

import otlp
from weft import BINARY, Weft


def post(weft, n_spans=5):
    body = otlp.request("cart", n_spans)
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    return answer.status_code, [span.trace_id.hex() for span in otlp.spans(body)]


def test_spans_are_not_acknowledged_into_a_log_that_somebody_removed(tmp_path):
    weft = Weft(tmp_path / "data").start()
    assert post(weft)[0] == 200
    shutil.rmtree(tmp_path / "data/log")
    assert post(weft)[0] == 503
    deadline = time.monotonic() + 20
    while (answer := post(weft))[0] != 200:  # into a new log
        assert answer[0] == 503 and time.monotonic() < deadline
        time.sleep(0.1)
    weft.kill()
    weft.start()
    assert all(len(weft.trace(trace)["spans"]) == 1 for trace in answer[1])
    assert weft.stop() == 0


def test_a_data_directory_that_is_gone_is_told(tmp_path):
    weft = Weft(tmp_path / "data").start()
    assert post(weft)[0] == 200
    shutil.rmtree(tmp_path / "data")
    assert [post(weft)[0] for _ in range(3)] == [503, 503, 503]
    assert weft.get("/readyz").status_code == 503 and weft.get("/api/v1/map").status_code == 200
    assert weft.stop() == 1
    assert "could not be written as blocks" in weft.output().splitlines()[-1]


# ---- commands ----

def command(*words, **how):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=30, **how)


class Impostor:
    """Answers everything with the same bytes."""

    def __init__(self, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(self.answer)


@pytest.mark.parametrize("answer", [
    b"", b"junk", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>"])
def test_a_server_that_is_no_weft_is_told_in_one_line(answer):
    impostor = Impostor(answer)
    for words in (["map"], ["diff"], ["flows"], ["flow", "x"], ["search", "{}"], ["trace", "1" * 32], ["export"]):
        result = command(*words, "--url", impostor.url)
        assert result.returncode == 1 and result.stdout == "", words
        assert result.stderr.startswith("weft: ") and result.stderr.count("\n") == 1, result.stderr
        assert "--url" in result.stderr
    impostor.listener.close()


def test_output_that_cannot_be_written_and_input_that_cannot_be_read_fail(tmp_path):
    with open("/dev/full", "w") as full:
        for words in (["help"], ["version"], ["completion", "bash"]):
            result = subprocess.run([BINARY, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=10)
            assert result.returncode == 1 and "standard output" in result.stderr, words
    result = command("import", str(tmp_path))
    assert result.returncode == 1 and "Is a directory" in result.stderr


# ---- parameters ----

NONSENSE = ["-1", "18446744073709551616", "1e308", "NaN", "%00", "a%00b", "%ff%fe", "..%2f..%2fetc%2fpasswd", "x" * 30000, "%zz", "{",
            "null", "-999999999999999999999m", "2026-13-45T99:99:99Z", "1969-13-31T23:59:59Z", "5;6", "AAAA="]
TIMES = ["from", "to"]
PARAMETERS = {
    "/api/v1/services": [*TIMES, "limit", "cursor"], "/api/v1/services/cart/operations": [*TIMES, "limit", "cursor"],
    "/api/v1/traces": ["q", *TIMES, "limit", "cursor"], "/api/v1/map": [*TIMES, "at", "window", "type", "hops", "resolve", "wait"],
    "/api/v1/map/diff": ["a_from", "a_to", "b_at", "window"], "/api/v1/map/history": [*TIMES, "step"],
    "/api/v1/paths": ["from_node", "to_node", "max_hops"], "/api/v1/flows": [*TIMES, "limit", "cursor"],
    "/api/v1/flows/x/runs": [*TIMES, "status", "limit", "cursor"], "/api/v1/contract": TIMES, "/api/v1/attributes": ["limit", "cursor"],
    "/api/v1/map/live": ["window", "type"], "/api/dependencies": ["endTs", "lookback"],
    "/api/v3/traces": ["query.start_time_min", "query.num_traces", "query.duration_min"],
}


def test_nonsense_in_a_parameter_is_refused_in_json_and_nobody_is_disturbed(shared_weft):
    assert post(shared_weft)[0] == 200
    session = requests.Session()
    for path, names in PARAMETERS.items():
        for name in names:
            for value in NONSENSE:
                request = session.prepare_request(requests.Request("GET", shared_weft.url("http", path)))
                request.url += f"?{name}={value}"  # as it is: no client tidies it up
                answer = session.send(request, timeout=20)
                assert answer.status_code in (400, 404), f"{request.url[:200]}: {answer.status_code}"
                assert answer.json(), request.url[:200]
    status, traces = post(shared_weft)
    assert status == 200 and len(shared_weft.trace(traces[0])["spans"]) == 1


def test_a_tls_client_on_a_plain_port_is_refused_at_once(shared_weft):
    for listener in ("http", "otlp_http", "otlp_grpc", "zipkin"):
        with socket.create_connection(("127.0.0.1", shared_weft.ports[listener]), 5) as client:
            client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500))
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 400 ") and b"TLS" in answer


# ---- half requests ----

def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def test_streams_that_announce_much_and_send_little_do_not_shut_others_out(weft):
    head = b"\x83\x86" + literal(b":path", b"/opentelemetry.proto.collector.trace.v1.TraceService/Export") + b"\x41\x01x" \
        + literal(b"content-type", b"application/grpc")
    announced = bytes([0]) + (60 << 20).to_bytes(4, "big") + bytes(100)
    clients = []
    for _ in range(24):
        client = socket.create_connection(("127.0.0.1", weft.ports["otlp_grpc"]), 10)
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + b"".join(
            frame(1, 4, stream, head) + frame(0, 0, stream, announced) for stream in range(1, 401, 2)))
        clients.append(client)
    time.sleep(1)
    assert [post(weft)[0] for _ in range(5)] == [200] * 5
    for client in clients:
        client.close()
