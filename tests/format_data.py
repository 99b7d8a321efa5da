# SPDX-License-Identifier: Apache-2.0
"""Data directories of every format version, kept as test data: `python3 tests/format_data.py BINARY tests/data/format-N`.

The input is fixed and lies beside the directory (`input.binpb.gz`), so that a later version of this script
may change what it makes without making older directories wrong. The first half of the spans is in blocks and
tables (a clean stop), the rest in the log (kill -9).

With the program MERGER (tests/merge_blocks.c) as third argument it is a directory after a long life, `format-N-merged`: all
spans in one block of several row groups, hours of long ago in thin tables, hours far from when they came in sparse ones.
"""

import base64
import gzip
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import uuid

import requests
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

START_NS = 1_793_491_200_000_000_000  # 2026-11-01T00:00:00Z
KEEP = ("--set", "exporters.weft.retention.age=100000d")


def value(content):
    if isinstance(content, bool):
        return AnyValue(bool_value=content)
    if isinstance(content, list):
        out = AnyValue()
        out.array_value.values.extend(value(item) for item in content)
        return out
    if isinstance(content, dict):
        out = AnyValue()
        for key, item in content.items():
            out.kvlist_value.values.add(key=key, value=value(item))
        return out
    kinds = {str: "string_value", int: "int_value", float: "double_value", bytes: "bytes_value", type(None): None}
    kind = kinds[type(content)]
    return AnyValue() if kind is None else AnyValue(**{kind: content})


def put(target, attributes):
    for key, content in attributes.items():
        target.add(key=key, value=value(content))


def attributes_of(rng, i, kind):
    made = {
        "request.uuid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "request.hex": f"{rng.getrandbits(128):032x}",
        "almost.uuid": str(uuid.UUID(int=rng.getrandbits(128))).upper() if i % 97 == 0 else str(uuid.UUID(int=rng.getrandbits(128))),
        "almost.hex": f"{rng.getrandbits(64):016x}"[i % 50 == 0:],
        "http.request.method": rng.choice(["GET", "POST"]),
        "http.response.status_code": rng.choice([200, 200, 200, 404, 500]),
        "url.path": f"/api/orders/{rng.randrange(500)}",
        "cache.hit": rng.random() < 0.25,
        "queue.wait": rng.randrange(100000) / 977,
        "mixed": rng.choice([7, "7", 7.0, True]),
    }
    if i % 10 == 0:
        made |= {"list": ["a", 1, 2.5, False, None], "nested": {"deep": {"er": [1, {"x": b"\0\1"}]}}, "bytes": b"\xff\0\x7f",
                 "empty": None, "empty.list": [], "text.empty": "", "unicode": "größe 𝄞 \u0000 end"}
    if i % 7 == 0:
        made[f"rare.{i % 210}"] = i
    if i % 11 == 0:
        made |= {"big.int": -(1 << 63), "double.exact": 0.1, "double.minus.zero": -0.0, "double.huge": 1e300}
    if kind == 3 and i % 3 == 0:
        made |= {"db.system.name": "postgresql", "db.query.text": f"SELECT * FROM carts WHERE id = {i}",
                 "server.address": "db.shop", "server.port": 5432}
    return made


def add_span(rng, scope, trace_id, span_id, parent, i):
    kind = (2, 3, 2, 1, 4, 5, 0)[i % 7]
    start = START_NS + i * 977_000_001
    span = scope.spans.add(trace_id=trace_id, span_id=span_id, parent_span_id=parent, name=f"operation {i % 23}", kind=kind,
                           start_time_unix_nano=start, end_time_unix_nano=start + rng.randrange(1, 90_000_000),
                           flags=0x100 | (i & 1), trace_state="ot=th:8" if i % 5 == 0 else "")
    put(span.attributes, attributes_of(rng, i, kind))
    if i % 13 == 0:
        span.end_time_unix_nano = start - 5
        span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = 3, 4, 5
    if i % 9 == 0:
        span.status.code, span.status.message = 2, f"failed {i}"
        put(span.events.add(name="exception", time_unix_nano=start + 1, dropped_attributes_count=1).attributes,
            {"exception.type": "Oops", "n": i, "deep": [1, {"a": 2.5}]})
    if i % 17 == 0:
        link = span.links.add(trace_id=rng.randbytes(16), span_id=rng.randbytes(8), trace_state="a=b", flags=1)
        put(link.attributes, {"why": "retry", "n": i})
    return span.span_id


def make_input(n_traces=44, n_spans=10, seed=1):
    """One request per trace. Spans of the first half begin before the others."""
    rng, bodies, i = random.Random(seed), [], 0
    for _ in range(n_traces):
        body, trace_id, parent = ExportTraceServiceRequest(), rng.randbytes(16), b""
        for part in range(2):
            resource = body.resource_spans.add(schema_url="https://opentelemetry.io/schemas/1.27.0" if part else "")
            put(resource.resource.attributes, {"service.name": ("web", "orders", "cart")[(i // 10 + part) % 3],
                                               "deployment.environment.name": "prod", "host.id": f"{i // 100:032x}", "cpus": 8})
            resource.resource.dropped_attributes_count = part
            scope = resource.scope_spans.add()
            scope.scope.name, scope.scope.version = "library", "1.2.3"
            put(scope.scope.attributes, {"scope.key": "value"} if part else {})
            for _ in range(n_spans // 2):
                parent = add_span(rng, scope, trace_id, rng.randbytes(8), parent if i % n_spans else b"", i)
                i += 1
        bodies.append(body)
    return bodies


def write_input(bodies, path):
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for body in bodies:
            data = body.SerializeToString()
            file.write(struct.pack(">I", len(data)) + data)


def read_input(path):
    data, bodies = gzip.decompress(pathlib.Path(path).read_bytes()), []
    while data:
        (size,) = struct.unpack(">I", data[:4])
        bodies.append(ExportTraceServiceRequest.FromString(data[4:4 + size]))
        data = data[4 + size:]
    return bodies


def spans_of(bodies):
    """{(trace id, span id): (span, resource, scope)} with attributes in order of their keys; all as protobuf."""
    out = {}
    for body in bodies:
        for resource in body.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    parts = [type(part).FromString(part.SerializeToString()) for part in (span, resource.resource, scope.scope)]
                    for part in parts:
                        part.attributes.sort(key=lambda item: item.key)
                    out[span.trace_id, span.span_id] = (*parts, resource.schema_url, scope.schema_url)
    return out


def from_json(tree):
    """OTLP's JSON mapping (ids in hex) as protobuf."""
    for resource in tree["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for item in [span, *span.get("links", [])]:
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in item:
                            item[key] = base64.b64encode(bytes.fromhex(item[key])).decode()
    return json_format.ParseDict(tree, ExportTraceServiceRequest())


def send(weft, bodies):
    for body in bodies:
        answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=30)
        assert answer.status_code == 200, answer.text


def move(body, seconds):
    """Its spans begin so much later, or earlier."""
    for resource in body.resource_spans:
        for span in resource.scope_spans[0].spans:
            span.start_time_unix_nano += seconds * 1_000_000_000
            span.end_time_unix_nano += seconds * 1_000_000_000
            for event in span.events:
                event.time_unix_nano += seconds * 1_000_000_000


def make_long_input():
    """One trace in four of another hour in 1999, which few spans name."""
    bodies = make_input(n_traces=72, seed=2)
    for i, body in enumerate(bodies):
        if i % 4 == 0:
            move(body, -27 * 365 * 86400 + i * 3600)
    return bodies


def tables_of(directory):
    """{level: how many files} of the map's tables in the manifest."""
    lines = [line.split() for line in (directory / "MANIFEST").read_text().splitlines()]
    levels = [int(words[5]) for words in lines if words[0] == "table" and words[4] == "map"]
    return {level: levels.count(level) for level in set(levels)}


def live(directory, weft_class, bodies):
    """The first half is in blocks and tables, the second in the log."""
    for half in (bodies[:len(bodies) // 2], bodies[len(bodies) // 2:]):
        weft = weft_class(directory, *KEEP).start()
        send(weft, half)
        weft.map()
        if half[0] is bodies[0]:
            assert weft.stop() == 0
        else:
            weft.kill()


def live_long(directory, weft_class, bodies, merger):
    """So many clean stops that cuts are folded into hours, these made thin; then one block of them all."""
    thin = ("--set", "exporters.weft.map.minutes_retention=1s")
    for i in range(0, len(bodies), 2):
        weft = weft_class(directory, *KEEP, *thin).start()
        send(weft, bodies[i:i + 2])
        assert weft.stop() == 0
    weft = weft_class(directory, *KEEP, *thin).start()
    while not {4, 5} <= set(tables_of(directory)):
        time.sleep(0.1)
    assert weft.stop() == 0
    subprocess.run([merger, directory, "200"], check=True)


def main(binary, target, merger=None):
    os.environ["WEFT_BINARY"] = binary
    from weft import Weft

    target = pathlib.Path(target)
    bodies = make_input() if merger is None else make_long_input()
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch) / "data"
        if merger is None:
            live(directory, Weft, bodies)
        else:
            live_long(directory, Weft, bodies, merger)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(directory, target / "data", ignore=shutil.ignore_patterns("LOCK", "desk.sqlite*"))
    write_input(bodies, target / "input.binpb.gz")


if __name__ == "__main__":
    main(*sys.argv[1:])
