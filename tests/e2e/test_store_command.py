# SPDX-License-Identifier: Apache-2.0
"""weft store check and stat, beside a running server and on damaged files."""

import json
import shutil
import subprocess

import pytest

import format_data
from test_formats import VERSIONS
from weft import BINARY, Weft


def store(*arguments):
    return subprocess.run([BINARY, "store", *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.parametrize("source", VERSIONS, ids=lambda path: path.name)
def test_every_version_is_sound(source):
    before = sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*"))
    out = store("check", "--json", source / "data")
    assert out.returncode == 0, out.stdout
    answer = json.loads(out.stdout)
    n_spans = len(format_data.spans_of(format_data.read_input(source / "input.binpb.gz")))
    in_log = 0 if source.name.endswith("-merged") else n_spans // 2
    assert answer["problems"] == [] and answer["spans"] == n_spans - in_log
    assert answer["log_frames"] == (22 if in_log else 0)
    assert sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*")) == before


def test_both_run_beside_a_server_that_writes(tmp_path):
    weft = Weft(tmp_path / "data", "--set", "exporters.weft.block.age=200ms", *format_data.KEEP).start()
    try:
        for body in format_data.make_input(n_traces=30, seed=3):
            format_data.send(weft, [body])
            out = store("check", weft.directory)
            assert out.returncode == 0, out.stdout
            assert store("stat", weft.directory).returncode == 0
    finally:
        assert weft.stop() == 0
    answer = json.loads(store("stat", "--json", weft.directory).stdout)
    assert answer["spans"] == 300 and answer["bytes_per_span"] == pytest.approx(answer["block_bytes"] / 300)
    assert {"trace_id", "request.uuid", "attributes"} <= {column["name"] for column in answer["columns"]}
    assert {"traces", "bloom", "values", "summaries"} <= {section["name"] for section in answer["sections"]}
    assert {"span.request.uuid", "resource.service.name"} <= {key["name"] for key in answer["attributes"]}


@pytest.mark.parametrize("pattern, offset", [("blocks/*", 5000), ("tables/*", 300), ("log/*", 40), ("MANIFEST", 30)])
def test_damage_is_told_by_name_and_offset(tmp_path, pattern, offset):
    newest = [version for version in VERSIONS if not version.name.endswith("-merged")][-1]
    shutil.copytree(newest / "data", tmp_path / "data")
    (path,) = (tmp_path / "data").glob(pattern)
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    out = store("check", tmp_path / "data")
    assert out.returncode == 1
    assert out.stdout.startswith(str(path.relative_to(tmp_path / "data")) + ", byte "), out.stdout
    problems = json.loads(store("check", "--json", tmp_path / "data").stdout)["problems"]
    assert problems and abs(problems[0]["offset"] - offset) < 5000


def test_wrong_usage_is_told(tmp_path):
    assert store("check").returncode == 2
    assert store("mend", tmp_path).returncode == 2
    missing = store("check", tmp_path / "missing")
    assert missing.returncode == 1 and "no directory" in missing.stderr
    assert not (tmp_path / "missing").exists()
