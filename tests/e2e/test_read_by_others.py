# SPDX-License-Identifier: Apache-2.0
"""Blocks and exports hold for DuckDB and for ClickHouse's engine (chdb) what they hold for us: the same counts and
sums, and the same spans attribute by attribute. Every format of `weft export` comes back."""

import base64
import csv
import io
import json
import math
import pathlib
import re
import struct
import subprocess
import uuid

import chdb
import duckdb
import pytest

import format_data
from weft import BINARY, Weft

FIXED = {"trace_id", "span_id", "parent_span_id", "service_name", "name", "kind", "start_time_unix_nano", "duration_ns",
         "status_code", "status_message", "trace_state", "scope_name", "scope_version", "flags", "attributes",
         "resource_attributes", "scope_attributes", "events", "links", "end_time_unix_nano", "attributes_type",
         "resource_attributes_type", "scope_attributes_type", "dropped_attributes_count", "dropped_events_count",
         "dropped_links_count", "resource_dropped_attributes_count", "scope_dropped_attributes_count",
         "resource_schema_url", "scope_schema_url", "exact_span"}
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]


def duckdb_rows(path):
    result = duckdb.sql(f"select * from read_parquet('{path}', union_by_name = true)")
    return [dict(zip(result.columns, row)) for row in result.fetchall()]


def chdb_rows(path):
    text = chdb.query(f"select * from file('{path}', Parquet) settings input_format_parquet_import_nested=1, "
                      "output_format_json_quote_64bit_integers=0", "JSONEachRow").bytes()
    columns = json.loads(chdb.query(f"describe file('{path}', Parquet)", "JSON").bytes())["data"]
    binary = {c["name"] for c in columns if "FixedString" in c["type"]}
    rows = []
    for line in text.split(b"\n"):
        if line:
            rows.append(json.loads(line.decode(errors="replace"), parse_int=lambda text: -0.0 if text == "-0" else int(text)))
    hexed = {}
    for name in binary:
        values = chdb.query(f"select if(isNull(`{name}`), '', lower(hex(`{name}`))) from file('{path}', Parquet)", "TSV").bytes()
        hexed[name] = values.decode().split("\n")
    for i, row in enumerate(rows):
        for name in binary:
            row[name] = bytes.fromhex(hexed[name][i]) or None
    return rows


READERS = [pytest.param(duckdb_rows, id="duckdb"), pytest.param(chdb_rows, id="clickhouse")]


def plain(value):
    """An attribute's value as docs/format/block.md puts it into a MAP, and what a column's value is for us."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value).replace("e+", "e")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return str(value)


def tree(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [tree(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: tree(item.value) for item in any_value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(any_value.bytes_value).decode()
    return None if kind is None else getattr(any_value, kind)


def text(any_value):
    content = tree(any_value)
    if isinstance(content, (list, dict)):
        return content
    return "" if content is None else plain(content)


def of_map(entries, key):
    """Lists and maps are JSON in a MAP."""
    value = entries[key]
    return json.loads(value) if value[:1] in ("[", "{") else value.replace("e+", "e")


def row_attributes(row):
    columns = {key: plain(value) for key, value in row.items()
               if key not in FIXED and not key.startswith("resource.") and value is not None}
    entries = row["attributes"] if isinstance(row["attributes"], dict) else dict(row["attributes"])
    return columns | {key: of_map(entries, key) for key in entries}


def check_rows(rows, bodies):
    expected = format_data.spans_of(bodies)
    found = {(bytes(row["trace_id"]), bytes(row["span_id"])): row for row in rows}
    assert len(rows) == len(expected) and found.keys() == expected.keys()
    for key, (span, resource, scope, _, _) in expected.items():
        row = found[key]
        assert (row["name"], row["kind"], row["start_time_unix_nano"]) == (span.name, KINDS[span.kind], span.start_time_unix_nano)
        assert row["duration_ns"] == max(0, span.end_time_unix_nano - span.start_time_unix_nano)
        assert bytes(row["parent_span_id"] or b"") == span.parent_span_id
        assert row_attributes(row) == {item.key: text(item.value) for item in span.attributes}
        assert row["service_name"] == next(a.value.string_value for a in resource.attributes if a.key == "service.name")
        assert (row["scope_name"], row["scope_version"]) == (scope.name, scope.version)
        events = json.loads(row["events"] or "[]")
        assert [event["name"] for event in events] == [event.name for event in span.events]
        assert len(json.loads(row["links"] or "[]")) == len(span.links)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A stopped server's directory and the spans it took, in several blocks; and its exports."""
    bodies = format_data.make_input(n_traces=80, seed=7)
    weft = Weft(tmp_path_factory.mktemp("stored") / "data", *format_data.KEEP).start()
    format_data.send(weft, bodies[:40])
    weft.stop()
    weft.start()
    format_data.send(weft, bodies[40:])
    exports = {}
    for name in ("otlp-json", "otlp-proto", "jaeger", "zipkin", "csv", "parquet"):
        out = subprocess.run([BINARY, "export", "--url", weft.url("http"), "--from", "0", "--format", name],
                             capture_output=True, check=True)
        exports[name] = weft.directory.parent / f"export.{name}"
        exports[name].write_bytes(out.stdout)
    assert weft.stop() == 0
    return weft.directory, bodies, exports


@pytest.mark.parametrize("rows", READERS)
def test_every_span_is_read_from_the_blocks_attribute_by_attribute(stored, rows):
    directory, bodies, _ = stored
    paths = sorted((directory / "blocks").glob("*.parquet"))
    check_rows([row for path in paths for row in rows(path)], bodies)


@pytest.mark.parametrize("rows", READERS)
def test_every_span_is_read_from_one_exported_file(stored, rows):
    check_rows(rows(stored[2]["parquet"]), stored[1])


def test_identifiers_are_stored_as_such(stored):
    types = {row[0]: row[1] for row in duckdb.sql(f"describe select * from '{stored[2]['parquet']}'").fetchall()}
    assert types["request.uuid"] == "UUID" and types["request.hex"] == "BLOB"
    assert types["almost.uuid"] == types["almost.hex"] == "VARCHAR"


def test_sums_and_groups_agree(stored):
    directory, bodies, _ = stored
    spans = format_data.spans_of(bodies)
    query = "select service_name, kind, count(*), sum(duration_ns) from {} group by all order by all"
    expected = {}
    for span, resource, *_ in spans.values():
        service = next(a.value.string_value for a in resource.attributes if a.key == "service.name")
        count, total = expected.get((service, KINDS[span.kind]), (0, 0))
        expected[service, KINDS[span.kind]] = count + 1, total + max(0, span.end_time_unix_nano - span.start_time_unix_nano)
    found = duckdb.sql(query.format(f"read_parquet('{directory}/blocks/*.parquet', union_by_name = true)")).fetchall()
    assert {(row[0], row[1]): (row[2], int(row[3])) for row in found} == expected
    text = chdb.query(query.format(f"file('{directory}/blocks/*.parquet', Parquet)"), "CSV").bytes().decode()
    assert {(r[0], r[1]): (int(r[2]), int(r[3])) for r in csv.reader(io.StringIO(text))} == expected


def test_otlp_protobuf_is_one_request(stored):
    _, bodies, exports = stored
    request = format_data.ExportTraceServiceRequest.FromString(exports["otlp-proto"].read_bytes())
    assert format_data.spans_of([request]) == format_data.spans_of(bodies)


def test_csv_has_a_line_per_span(stored):
    _, bodies, exports = stored
    rows = list(csv.DictReader(io.StringIO(exports["csv"].read_text())))
    expected = format_data.spans_of(bodies)
    assert len(rows) == len(expected)
    for row in rows:
        span = expected[bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])][0]
        assert (row["name"], int(row["start_time_unix_nano"])) == (span.name, span.start_time_unix_nano)
        attributes = json.loads(row["attributes"])
        assert attributes.keys() == {item.key for item in span.attributes}
        assert uuid.UUID(attributes["request.uuid"]) and isinstance(attributes["cache.hit"], bool)


@pytest.mark.parametrize("name", ["otlp-json", "otlp-proto", "jaeger", "zipkin", "counted"])
def test_what_was_exported_can_be_imported(stored, tmp_path, name):
    _, bodies, exports = stored
    path = exports.get(name)
    if name == "counted":  # as the Collector's file exporter writes protobuf
        path = pathlib.Path(tmp_path / "counted")
        path.write_bytes(b"".join(struct.pack(">I", body.ByteSize()) + body.SerializeToString() for body in bodies))
    weft = Weft(tmp_path / "data", *format_data.KEEP).start()
    try:
        out = subprocess.run([BINARY, "import", "--endpoint", weft.url("otlp_http"), path], capture_output=True, text=True)
        assert out.returncode == 0 and "imported 800 spans" in out.stderr, out.stderr
        if name in ("otlp-json", "otlp-proto", "counted"):
            spans = subprocess.run([BINARY, "export", "--url", weft.url("http"), "--from", "0", "--format", "otlp-proto"],
                                   capture_output=True, check=True).stdout
            again = format_data.ExportTraceServiceRequest.FromString(spans)
            assert format_data.spans_of([again]) == format_data.spans_of(bodies)
    finally:
        weft.stop()


def test_an_export_takes_what_was_asked_for(stored, tmp_path):
    directory, bodies, _ = stored
    weft = Weft(directory, *format_data.KEEP).start()
    try:
        one = subprocess.run([BINARY, "export", "--url", weft.url("http"), "--from", "0", "--format", "csv", "--query",
                              '{ span.request.uuid = "%s" }' % next(
                                  a.value.string_value for a in bodies[3].resource_spans[0].scope_spans[0].spans[2].attributes
                                  if a.key == "request.uuid")], capture_output=True, text=True, check=True)
        traces = {row["trace_id"] for row in csv.DictReader(io.StringIO(one.stdout))}
        assert traces == {bodies[3].resource_spans[0].scope_spans[0].spans[0].trace_id.hex()}
        bad = subprocess.run([BINARY, "export", "--format", "xml"], capture_output=True, text=True)
        assert bad.returncode == 2 and "parquet" in bad.stderr
    finally:
        assert weft.stop() == 0


GUIDE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/guide/duckdb.md"


def test_every_statement_of_the_guide_runs(stored, tmp_path, monkeypatch):
    directory, bodies, _ = stored
    span = bodies[5].resource_spans[0].scope_spans[0].spans[1]
    request = next(a.value.string_value for a in span.attributes if a.key == "request.uuid")
    (tmp_path / "weft-data").symlink_to(directory)
    monkeypatch.chdir(tmp_path)
    page = GUIDE.read_text().replace("4bf92f3577b34da6a3ce929d0e0e4736", span.trace_id.hex()).replace(
        "123e4567-e89b-12d3-a456-426614174000", request)
    connection = duckdb.connect()
    statements = re.findall(r"```sql\n(.*?)```", page, re.S)
    assert len(statements) > 8
    for statement in statements:
        result = connection.sql(statement)
        assert statement.startswith("CREATE") or result.fetchall(), statement
