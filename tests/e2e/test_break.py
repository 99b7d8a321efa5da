# SPDX-License-Identifier: Apache-2.0
"""The user who breaks things: signals, lost files, full disks, abusive clients; against the real binary."""

import os
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


def test_sighup_reads_the_configuration_again(tmp_path):
    configuration = tmp_path / "weft.yaml"
    configuration.write_text("service: {telemetry: {logs: {level: warn}}}\n")
    weft = Weft(tmp_path / "data", "--config", configuration).start()
    configuration.write_text("service: {telemetry: {logs: {level: info}}}\nexporters: {weft: {retention: {age: 3d}}}\n")
    weft.process.send_signal(signal.SIGHUP)
    wait_for_log(weft, "the configuration was read again")
    assert "exporters.weft.retention.age" in weft.output()  # told to wait for a restart
    configuration.write_text("service: [")
    weft.process.send_signal(signal.SIGHUP)
    wait_for_log(weft, "the old one goes on")
    assert isinstance(send(weft), list)
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
    manifest.write_bytes(b"\0" * manifest.stat().st_size)
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
