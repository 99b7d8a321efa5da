# SPDX-License-Identifier: Apache-2.0
"""Blocks are Parquet: DuckDB reads what the builder wrote, and finds the same."""

import json
import subprocess

import pytest

from weft import BINARY

try:
    import duckdb
except ImportError:
    duckdb = None
    print("\nSKIPPED: pip install duckdb, or blocks are not checked with another reader\n")

try:
    import chdb
except ImportError:
    chdb = None

SAMPLE = BINARY.parent / "bench/block_sample"

pytestmark = [
    pytest.mark.skipif(duckdb is None, reason="SKIPPED LOUDLY: duckdb is not installed (pip install duckdb)"),
    pytest.mark.skipif(not SAMPLE.exists(), reason=f"SKIPPED LOUDLY: {SAMPLE} is not built"),
]

COLUMNS = ["trace_id", "span_id", "parent_span_id", "service_name", "name", "kind", "start_time_unix_nano",
           "duration_ns", "status_code", "status_message", "trace_state", "scope_name", "scope_version", "flags",
           "attributes", "resource_attributes", "events", "links"]


@pytest.fixture(scope="module", params=[None, "3000"], ids=["one group", "several groups"])
def block(request, tmp_path_factory):
    """The file and the spans that should be in it."""
    path = tmp_path_factory.mktemp("block") / "block.parquet"
    out = subprocess.run([SAMPLE, path, "42", "20000", *filter(None, [request.param])], check=True, capture_output=True)
    return path, [json.loads(line) for line in out.stdout.decode().split("\n") if line]


def test_columns_have_their_documented_types(block):
    found = {row[0]: row[1] for row in duckdb.sql(f"describe select * from '{block[0]}'").fetchall()}
    assert [name for name in COLUMNS if name not in found] == []
    assert found["trace_id"] == "BLOB"
    assert found["name"] == found["kind"] == found["service_name"] == "VARCHAR"
    assert found["start_time_unix_nano"] == found["duration_ns"] == "BIGINT"
    assert found["attributes"] == "MAP(VARCHAR, VARCHAR)"
    assert found["events"] == "VARCHAR"  # ClickHouse reads a column of Parquet's type JSON only when all are objects
    assert "http.method" in found and any(name.startswith("resource.") for name in found)


def test_numbers_are_found_by_their_statistics(block):
    """Readers pass over groups and pages by least and greatest values: nothing must be missing then."""
    path, expected = block
    durations = sorted(span["duration_ns"] for span in expected)
    for bound in durations[::4000] + durations[-1:]:
        (count,), = duckdb.sql(f"select count(*) from '{path}' where duration_ns >= {bound}").fetchall()
        assert count == sum(duration >= bound for duration in durations)
    (low, high), = duckdb.sql(f"select min(start_time_unix_nano), max(start_time_unix_nano) from '{path}'").fetchall()
    starts = [span["start_time_unix_nano"] for span in expected]
    assert (low, high) == (min(starts), max(starts))


@pytest.mark.skipif(chdb is None, reason="chdb is not installed (900 MB)")
def test_clickhouse_finds_the_same(block):
    path, expected = block
    out = str(chdb.query(f"select count(), sum(toInt128(duration_ns)), uniqExact(trace_id), countIf(duration_ns > 2500) "
                         f"from file('{path}', Parquet)", "CSV"))
    assert [int(cell) for cell in out.strip().split(",")] == [
        len(expected), sum(span["duration_ns"] for span in expected), len({span["trace_id"] for span in expected}),
        sum(span["duration_ns"] > 2500 for span in expected)]


def test_every_span_has_the_same_values(block):
    path, expected = block
    rows = duckdb.sql(
        f"""select lower(hex(trace_id)), lower(hex(span_id)), name, kind, status_code, start_time_unix_nano, duration_ns,
               coalesce(cast("http.method" as varchar), attributes['http.method']), coalesce(json_array_length(events), 0)
            from '{path}'""").fetchall()
    keys = ["trace_id", "span_id", "name", "kind", "status_code", "start_time_unix_nano", "duration_ns", "http.method",
            "n_events"]
    assert len(rows) == len(expected)
    for row, span in zip(rows, expected):
        assert list(row) == [span.get(key) for key in keys]


def test_aggregates_agree(block):
    path, expected = block
    counts = dict(duckdb.sql(f"select kind, count(*) from '{path}' group by kind").fetchall())
    assert counts == {kind: sum(span["kind"] == kind for span in expected) for kind in counts}
    start = sorted(span["start_time_unix_nano"] for span in expected)[len(expected) // 2]
    later = duckdb.sql(f"select count(*) from '{path}' where start_time_unix_nano >= {start}").fetchall()
    assert later == [(sum(span["start_time_unix_nano"] >= start for span in expected),)]


def test_rarely_used_attributes_are_in_the_map(block):
    keys = duckdb.sql(f"select distinct unnest(map_keys(attributes)) from '{block[0]}'").fetchall()
    assert any(key.startswith("rare.") for (key,) in keys)
