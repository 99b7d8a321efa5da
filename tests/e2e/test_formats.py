# SPDX-License-Identifier: Apache-2.0
"""Data directories of every format version open, hold every span as it came, and give the same map."""

import json
import pathlib
import shutil

import duckdb
import pytest

import format_data
from weft import Weft

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
VERSIONS = sorted(DATA.glob("format-*"))


def open_copy(source, tmp_path):
    shutil.copytree(source / "data", tmp_path / "data")
    return Weft(tmp_path / "data", *format_data.KEEP).start()


def number(text):
    return -0.0 if text == "-0" else int(text)  # Python's reader takes it as an integer


def stored(weft, bodies):
    """All traces of @bodies, as the server has them."""
    traces = {span.trace_id for body in bodies for span in body.resource_spans[0].scope_spans[0].spans}
    answers = [weft.get(f"/api/v3/traces/{trace.hex()}").text for trace in traces]
    return [format_data.from_json(json.loads(text, parse_int=number)["result"]) for text in answers]


def test_there_is_data():
    assert [path.name for path in VERSIONS] == ["format-1", "format-2", "format-3", "format-3-merged"]


def test_the_merged_one_has_what_a_long_life_makes():
    data = DATA / "format-3-merged/data"
    (block,) = (data / "blocks").iterdir()
    groups = duckdb.sql(f"select count(distinct row_group_id) from parquet_metadata('{block}')").fetchall()[0][0]
    assert groups > 2
    assert {4, 5} <= set(format_data.tables_of(data))  # sparse, thin


@pytest.mark.parametrize("source", VERSIONS, ids=lambda path: path.name)
def test_every_span_is_there_as_it_came(source, tmp_path):
    bodies = format_data.read_input(source / "input.binpb.gz")
    expected = format_data.spans_of(bodies)
    weft = open_copy(source, tmp_path)
    try:
        assert format_data.spans_of(stored(weft, bodies)) == expected
    finally:
        assert weft.stop() == 0
    assert not (tmp_path / "data/damaged").exists()
    weft = Weft(tmp_path / "data", *format_data.KEEP).start()  # all in blocks of this version
    try:
        assert format_data.spans_of(stored(weft, bodies)) == expected
    finally:
        assert weft.stop() == 0


@pytest.mark.parametrize("source", VERSIONS, ids=lambda path: path.name)
def test_the_map_is_that_of_the_same_spans_sent_now(source, tmp_path):
    weft = open_copy(source, tmp_path)
    fresh = Weft(tmp_path / "fresh", *format_data.KEEP).start()
    try:
        format_data.send(fresh, format_data.read_input(source / "input.binpb.gz"))
        assert fresh.edges()
        assert weft.edges() == fresh.edges()
    finally:
        weft.stop()
        fresh.stop()


def flip(text, at):
    return text[:at] + bytes([text[at] ^ 0x41]) + text[at + 1:]


@pytest.mark.parametrize("damage", [
    lambda text: b"", lambda text: bytes(len(text)), lambda text: text[:len(text) // 2], lambda text: text[:-5],
    lambda text: flip(text, 3), lambda text: flip(text, text.index(b"edition") + 8), lambda text: flip(text, text.index(b"log_from") + 9),
    lambda text: flip(text, text.index(b"block") + 2), lambda text: flip(text, text.index(b"block") + 6),
    lambda text: flip(text, text.index(b"table") + 2), lambda text: flip(text, text.index(b"table") + 10),
    lambda text: text + b"more", lambda text: flip(text, text.index(b"checksum") + 12)])
def test_a_damaged_manifest_loses_nothing(tmp_path, damage):
    source = VERSIONS[-1]
    bodies = format_data.read_input(source / "input.binpb.gz")
    shutil.copytree(source / "data", tmp_path / "data")
    manifest = tmp_path / "data/MANIFEST"
    text = manifest.read_bytes()
    manifest.write_bytes(damage(text))
    weft = Weft(tmp_path / "data", *format_data.KEEP).start()
    fresh = Weft(tmp_path / "fresh", *format_data.KEEP).start()
    try:
        assert "MANIFEST was damaged" in weft.output()
        format_data.send(fresh, bodies)
        assert format_data.spans_of(stored(weft, bodies)) == format_data.spans_of(bodies)
        assert weft.edges() == fresh.edges()
        assert [path.read_bytes() for path in (tmp_path / "data/damaged").glob("MANIFEST-*")] == [damage(text)]
    finally:
        weft.stop()
        fresh.stop()
