# SPDX-License-Identifier: Apache-2.0
"""Deleting single traces: gone from every answer at once, and from the files soon after."""

import os
import pathlib
import subprocess
import time

import duckdb
import requests

import otlp
from weft import BINARY, Weft


def send(weft, secret, n=3):
    body = otlp.request("cart", n, trace_id=os.urandom(16), attributes={"customer": secret})
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=10)
    assert answer.status_code == 200
    return otlp.spans(body)[0].trace_id.hex()


def files_with(directory, trace_id):
    """Files that hold the trace: LZ4 leaves random bytes in the log as they are; blocks are asked."""
    needle, found = bytes.fromhex(trace_id), []
    for path in pathlib.Path(directory).rglob("*"):
        try:
            if path.suffix == ".log" and needle in path.read_bytes():
                found.append(path)
            if path.parent.name == "blocks" and duckdb.sql(
                    f"select count(*) from '{path}' where trace_id = from_hex('{trace_id}')").fetchall()[0][0] > 0:
                found.append(path)
        except (FileNotFoundError, duckdb.IOException):
            pass  # it went meanwhile
    return found


def searched(weft, secret):
    return weft.ask("/api/v1/traces", q='{ span.customer = "%s" }' % secret)["items"]


def wait_until_gone(weft, trace_id, seconds=30):
    deadline = time.monotonic() + seconds
    while files := files_with(weft.directory, trace_id):
        assert time.monotonic() < deadline, files
        time.sleep(0.2)


def test_a_deleted_trace_is_gone_from_answers_at_once_and_from_disk_soon(tmp_path):
    settings = ("--set", "exporters.weft.block.age=1s", "--set", "exporters.weft.assembly.quiet=200ms")
    weft = Weft(tmp_path / "data", *settings).start()
    in_block, stays = send(weft, "alice"), send(weft, "carol")
    assert weft.stop() == 0  # both are in a block
    weft.start()
    in_head = send(weft, "bob")
    assert files_with(weft.directory, in_block) and files_with(weft.directory, in_head)
    for trace_id, secret in ((in_block, "alice"), (in_head, "bob")):
        answer = requests.delete(weft.url("http", f"/api/v1/traces/{trace_id}"), timeout=30)
        assert answer.status_code == 200 and answer.json() == {"trace_id": trace_id, "deleted": True}
        assert weft.get(f"/api/v1/traces/{trace_id}").status_code == 404
        assert searched(weft, secret) == []
        again = requests.delete(weft.url("http", f"/api/v1/traces/{trace_id}"), timeout=30)
        assert again.status_code == 404 and again.json()["error"]["code"] == "trace_not_found"
    weft.kill()  # what the log holds still is not brought back
    weft.start()
    for trace_id in (in_block, in_head):
        assert weft.get(f"/api/v1/traces/{trace_id}").status_code == 404
    for trace_id in (in_block, in_head):
        wait_until_gone(weft, trace_id)
    assert len(weft.trace(stays)["spans"]) == 3
    assert "customer" not in str(searched(weft, "alice"))
    values = weft.ask("/api/v1/attributes/span.customer/values")["items"]
    assert [value["value"] for value in values] == ["carol"]
    assert weft.stop() == 0
    text = (weft.directory / "MANIFEST").read_text()
    assert "deleted" not in text, text


def test_weft_trace_delete_deletes(tmp_path):
    weft = Weft(tmp_path / "data").start()
    trace_id = send(weft, "dave")
    command = [BINARY, "trace", "delete", trace_id, "--url", weft.url("http")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and trace_id in done.stdout
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1 and "no stored span" in again.stderr
    assert weft.stop() == 0


def test_deleting_what_is_no_trace_is_told(tmp_path):
    weft = Weft(tmp_path / "data").start()
    assert requests.delete(weft.url("http", "/api/v1/traces/nonsense"), timeout=30).status_code == 400
    unknown = os.urandom(16).hex()
    assert requests.delete(weft.url("http", f"/api/v1/traces/{unknown}"), timeout=30).status_code == 404
    assert weft.stop() == 0


def test_errors_are_kept_longer_than_the_rest(tmp_path):
    settings = ("--set", "exporters.weft.block.age=1s", "--set", "exporters.weft.assembly.quiet=200ms",
                "--set", "exporters.weft.retention.age=3s",
                "--set", 'exporters.weft.retention.rules={ span.customer = "vip" } 1h')
    weft = Weft(tmp_path / "data", *settings).start()
    kept, gone = send(weft, "vip"), send(weft, "other")
    deadline = time.monotonic() + 30
    while weft.get(f"/api/v1/traces/{gone}").status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(weft.trace(kept)["spans"]) == 3
    assert weft.stop() == 0
