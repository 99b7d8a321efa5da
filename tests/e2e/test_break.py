# SPDX-License-Identifier: Apache-2.0
"""The user who breaks things: signals, lost files, full disks, abusive clients; against the real binary."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

import otlp
from weft import BINARY, Weft


def send(weft, n_spans=20, **how):
    """The ids of the traces when they were acknowledged; the answer otherwise."""
    body = otlp.request("cart", n_spans, **how)
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=60)
    if answer.status_code != 200:
        return answer
    return [span.trace_id.hex() for span in otlp.spans(body)]


def wait_for_log(weft, text):
    deadline = time.monotonic() + 10
    while text not in weft.output():
        assert time.monotonic() < deadline, weft.output()
        time.sleep(0.02)


def reload(weft, configuration, text, expected):
    log = pathlib.Path(weft.log.name)
    told = log.read_text().count(expected)
    configuration.write_text(text)
    weft.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while log.read_text().count(expected) == told:
        assert time.monotonic() < deadline, weft.output()
        time.sleep(0.02)


def test_sighup_swaps_the_configuration_in_under_load_and_loses_nothing(tmp_path):
    configuration = tmp_path / "weft.yaml"
    configuration.write_text("")
    weft = Weft(tmp_path / "data", "--config", configuration).start()
    ports, acknowledged, refused, done = dict(weft.ports), [], [], threading.Event()

    def load():
        while not done.is_set():
            try:
                answer = send(weft)
            except requests.RequestException as problem:
                refused.append(problem)
                continue
            acknowledged.extend(answer if isinstance(answer, list) else refused.append(answer) or [])

    senders = [threading.Thread(target=load) for _ in range(3)]
    for sender in senders:
        sender.start()
    for age in "3d", "4d", "5d":
        time.sleep(0.3)
        reload(weft, configuration, f"exporters: {{weft: {{retention: {{age: {age}}}}}}}\n", "the configuration was read again")
    done.set()
    for sender in senders:
        sender.join()
    assert not refused and len(acknowledged) > 10
    assert weft.ready() == ports  # also the free ones stay
    assert all(weft.trace(trace)["spans"] for trace in acknowledged[:: max(1, len(acknowledged) // 50)])
    assert weft.stop() == 0


@pytest.mark.parametrize("text", ["service: [", "exporters: {weft: {nonsense: 1}}", "receivers: {zipkin: {endpoint: nowhere}}",
                                  "receivers: {otlp: {protocols: {http: {tls: {cert_file: /none, key_file: /none}}}}}"])
def test_sighup_with_a_configuration_that_cannot_be_used_leaves_the_old_one(tmp_path, text):
    configuration = tmp_path / "weft.yaml"
    configuration.write_text("")
    weft = Weft(tmp_path / "data", "--config", configuration).start()
    before = send(weft)
    reload(weft, configuration, text, "the old one goes on")
    assert all(weft.trace(trace)["spans"] for trace in before + send(weft))
    assert weft.stop() == 0


def test_a_second_sigterm_leaves_at_once_and_loses_nothing(tmp_path):
    weft = Weft(tmp_path / "data").start()
    traces = send(weft, 200)
    with socket.create_connection(("127.0.0.1", weft.ports["otlp_http"])) as held:
        held.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")  # keeps the drain waiting
        time.sleep(0.2)
        weft.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        weft.process.send_signal(signal.SIGTERM)
        assert weft.process.wait(2) in (0, 128 + signal.SIGTERM)
    weft.start()
    assert all(len(weft.trace(trace)["spans"]) == 1 for trace in traces[::10])
    assert weft.stop() == 0


def test_sigterm_under_load_leaves_all_in_parquet(tmp_path):
    weft = Weft(tmp_path / "data").start()
    acknowledged = []

    def load():
        while True:
            try:
                answer = send(weft)
            except requests.RequestException:
                return
            if isinstance(answer, list):
                acknowledged.extend(answer)

    senders = [threading.Thread(target=load) for _ in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    assert weft.stop(wait_s=20) == 0
    for sender in senders:
        sender.join()
    assert acknowledged
    shutil.rmtree(tmp_path / "data/log")
    weft.start()
    assert weft.ask("/api/v1/status")["spans"]["stored"] >= len(acknowledged)
    assert all(weft.get(f"/api/v1/traces/{trace}").status_code == 200 for trace in acknowledged[::50])
    assert weft.stop() == 0


def test_a_new_directory_starts_without_a_warning(tmp_path):
    weft = Weft(tmp_path / "data").start()
    assert weft.stop() == 0
    assert "warn" not in weft.output() and "error" not in weft.output()


def test_blocks_without_a_manifest_are_kept(tmp_path):
    weft = Weft(tmp_path / "data").start()
    send(weft, 500)
    assert weft.stop() == 0
    blocks = {path.read_bytes() for path in (tmp_path / "data/blocks").iterdir()}
    assert blocks
    (tmp_path / "data/MANIFEST").unlink()
    weft.start()
    assert "MANIFEST" in weft.output()
    assert weft.stop() == 0
    assert {path.read_bytes() for path in (tmp_path / "data/damaged").glob("block-*")} == blocks


def test_what_refuses_to_start_says_why_in_one_line(tmp_path):
    weft = Weft(tmp_path / "data").start()

    def refused(*options):
        result = subprocess.run([BINARY, "serve", "--ports", "0", *options], capture_output=True, text=True, timeout=10)
        assert result.returncode == 1
        return result.stderr

    (tmp_path / "file").write_text("not a directory")
    assert str(tmp_path / "file") in refused("--data", tmp_path / "file")
    told = refused("--data", tmp_path / "data")
    assert "Another process" in told and str(tmp_path / "data") in told
    send(weft)
    assert weft.stop() == 0
    manifest = tmp_path / "data/MANIFEST"
    manifest.unlink()
    manifest.mkdir()
    assert str(manifest.parent) in refused("--data", tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_refuses_serves_reads_and_recovers(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr}")
    weft = Weft(disk / "data", "--set", "exporters.weft.block.spans=2000")
    try:
        weft.start()
        acknowledged = []
        for _ in range(2000):
            answer = send(weft, 5, attributes={"noise": os.urandom(8000).hex()})
            if not isinstance(answer, list):
                break
            acknowledged += answer
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert all(len(weft.trace(trace)["spans"]) == 1 for trace in acknowledged[::50])
        assert weft.get("/readyz").status_code == 503
        weft.kill()
        weft.start()  # on the full disk
        assert all(len(weft.trace(trace)["spans"]) == 1 for trace in acknowledged[::50])
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        deadline = time.monotonic() + 20
        while not isinstance(answer := send(weft), list):
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)
        acknowledged += answer
        assert weft.stop() == 0
        weft.start()
        assert weft.ask("/api/v1/status")["spans"]["stored"] >= len(acknowledged)
        assert all(len(weft.trace(trace)["spans"]) == 1 for trace in acknowledged[::50])
        assert weft.stop() == 0
    finally:
        if weft.process and weft.process.poll() is None:
            weft.kill()
        subprocess.run(["umount", "-l", disk], check=True)


# ---- clients that abuse ----

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def get_frame(path, stream):
    """HEADERS of a GET, without Huffman."""
    return frame(1, 5, stream, b"\x82\x86\x04" + bytes([len(path)]) + path.encode() + b"\x41\x01x")


def memory_mb(weft):
    for line in open(f"/proc/{weft.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def big_trace(weft):
    trace_id = os.urandom(16)
    for _ in range(10):
        assert isinstance(send(weft, 1000, trace_id=trace_id, attributes={"x": "y" * 500}), list)
    return f"/api/v1/traces/{trace_id.hex()}"


def test_queries_of_clients_that_went_away_are_not_run(weft):
    path = big_trace(weft)
    with socket.create_connection(("127.0.0.1", weft.ports["http"])) as client:
        client.sendall(PREFACE + frame(4, 0, 0) + b"".join(
            get_frame(path, stream) + frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 800, 2)))
        time.sleep(0.1)
        start = time.monotonic()
        while weft.get("/api/v1/status").status_code != 200:  # 503 while the queue is full
            assert time.monotonic() - start < 10
            time.sleep(0.05)
        assert time.monotonic() - start < 10


def test_slow_readers_of_large_answers_do_not_fill_the_memory(weft):
    path = big_trace(weft)
    size_mb = len(weft.get(path).content) / 1e6
    clients = [socket.create_connection(("127.0.0.1", weft.ports["http"])) for _ in range(10)]
    for client in clients:
        client.sendall(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\1") + b"".join(
            get_frame(path, stream) for stream in range(1, 40, 2)))  # a window of one byte
    assert size_mb * 20 * len(clients) > 1500
    for _ in range(40):
        assert memory_mb(weft) < 900
        time.sleep(0.1)
    assert weft.get("/healthz").status_code == 200
    for client in clients:
        client.close()


@pytest.mark.parametrize("what", [
    frame(7, 0, 0, bytes(8)) * 1000, frame(9, 0, 1) * 1000, frame(4, 0, 0, b"\0\4\0\0\0\1") * 1000,
    frame(2, 0, 1, bytes(5)) * 1000, b"\xff\xff\xff" + bytes(6), os.urandom(1000)])
def test_floods_of_frames_end_their_connection_only(weft, what):
    with socket.create_connection(("127.0.0.1", weft.ports["otlp_grpc"])) as client:
        client.settimeout(10)
        try:
            client.sendall(PREFACE + frame(4, 0, 0) + what * 20)
            while client.recv(65536):
                pass
        except ConnectionError:
            pass
    assert isinstance(send(weft), list)


def test_an_abusive_query_costs_a_bounded_time(weft):
    for _ in range(3):
        send(weft, 500, attributes={"a": "a" * 36 + "!"})
    for query, statuses in {
            "{" + "(" * 10000 + ".a=1" + ")" * 10000 + "}": (400,), "{" + "!" * 10000 + ".a}": (400,),
            '{.a=~"(a+)+$"}': (200, 400), '{.a=~"' + "(" * 5000 + ")" * 5000 + '"}': (400,)}.items():
        start = time.monotonic()
        assert weft.get("/api/v1/traces", q=query).status_code in statuses, query[:30]
        assert time.monotonic() - start < 15
    with socket.create_connection(("127.0.0.1", weft.ports["http"])) as client:
        client.sendall(b"GET /api/v1/traces?q=" + b"a" * 1000000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 414 " in client.recv(1000)


@pytest.mark.parametrize("file", ["blocks", "tables", "log"])
@pytest.mark.parametrize("damage", ["flip", "half", "empty", "gone"])
def test_a_damaged_file_leaves_the_rest_readable(tmp_path, file, damage):
    options = ("--set", "exporters.weft.block.spans=500", "--set", "exporters.weft.block.age=1s",
               "--set", "exporters.weft.assembly.quiet=100ms")
    weft = Weft(tmp_path / "data", *options).start()
    first, second = send(weft, 600), []
    deadline = time.monotonic() + 15
    while len(list((tmp_path / "data/blocks").glob("*.parquet"))) < 1 or not any((tmp_path / "data/tables").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = send(weft, 100)
    weft.kill()
    path = sorted((tmp_path / "data" / file).iterdir())[0]
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "flip":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        path.write_bytes(content[:len(content) // 2] if damage == "half" else b"")
    weft.start()
    kept = first if file != "blocks" else second
    assert weft.get("/api/v1/map").status_code == 200
    assert weft.get("/api/v1/traces").status_code == 200
    if file != "log":
        assert all(len(weft.trace(trace)["spans"]) == 1 for trace in kept)
    if file == "blocks":
        assert all(weft.get(f"/api/v1/traces/{trace}").status_code in (200, 404) for trace in first[::20])
    assert isinstance(send(weft), list)
    assert weft.stop() == 0
