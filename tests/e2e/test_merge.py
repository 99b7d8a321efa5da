# SPDX-License-Identifier: Apache-2.0
"""Small blocks are merged in the background: every span stays, as it was."""

import time

import requests

import otlp
from weft import Weft

RUNS = 9


def strange_request(number):
    """Two services in one request, each with a span whose name is no UTF-8, and one at the end of time."""
    body = otlp.request(f"left-{number}", name="??")
    body.resource_spans.append(otlp.request(f"right-{number}", name="??").resource_spans[0])
    last = otlp.request(f"last-{number}", name="late", start_ns=1).resource_spans[0]
    last.scope_spans[0].spans[0].start_time_unix_nano = last.scope_spans[0].spans[0].end_time_unix_nano = 2 ** 64 - 1
    body.resource_spans.append(last)
    ids = [span.trace_id.hex() for span in otlp.spans(body)]
    return body.SerializeToString().replace(b"??", b"\xff\xfe"), ids


def test_merged_blocks_keep_every_span_with_its_resource(tmp_path):
    wanted = {}
    weft = Weft(tmp_path / "data")
    for number in range(RUNS):
        weft.start()
        content, ids = strange_request(number)
        requests.post(weft.url("otlp_http", "/v1/traces"), data=content, timeout=10,
                      headers={"Content-Type": "application/x-protobuf"}).raise_for_status()
        wanted.update(zip(ids, (f"left-{number}", f"right-{number}", f"last-{number}")))
        assert weft.stop() == 0  # each stop writes a block
    weft.start()
    deadline = time.monotonic() + 30
    while len(list((tmp_path / "data/blocks").iterdir())) >= RUNS and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(list((tmp_path / "data/blocks").iterdir())) < RUNS, "no blocks were merged"
    for trace_id, service in wanted.items():
        spans = weft.trace(trace_id)["spans"]
        assert [span["service"] for span in spans] == [service]
    assert weft.stop() == 0
