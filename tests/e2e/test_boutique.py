# SPDX-License-Identifier: Apache-2.0
"""Real traces of a demo shop on Kubernetes: every edge and every minute's count, in any order of arrival.

The data stands beside the checkout (shared/data/boutique); without it these tests are skipped."""

import datetime
import json
import random
import struct
import subprocess

import pytest
import requests

from weft import SHARED

BOUTIQUE = SHARED / "data/boutique"
pytestmark = pytest.mark.skipif(not BOUTIQUE.is_dir(), reason="SHARED DATA IS MISSING: it stands beside the checkout")


def bodies(name):
    data = subprocess.run(["zstd", "-dc", BOUTIQUE / name], stdout=subprocess.PIPE, check=True).stdout
    found, at = [], 0
    while at < len(data):
        size, = struct.unpack_from(">I", data, at)
        found.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return found


def send(weft, requests_):
    session = requests.Session()
    for body in requests_:
        answer = session.post(weft.url("otlp_http", "/v1/traces"), data=body,
                              headers={"Content-Type": "application/x-protobuf"}, timeout=30)
        assert answer.status_code == 200, answer.text


def check(weft, expect):
    edges = weft.edges()
    wanted = {(edge["client"], "calls", edge["server"]): edge["calls"] for edge in expect["edges"]}
    assert edges == wanted
    assert {item["name"] for item in weft.ask("/api/v1/services")["items"]} == set(expect["services"])


def check_minutes(weft, expect):
    """The same, minute by minute: every window of one minute has exactly its calls."""
    seen = {}
    minutes = sorted({minute for counts in expect["edges_per_minute"].values() for minute in counts})
    for minute in minutes:
        start = datetime.datetime.strptime(minute, "%Y-%m-%dT%H:%MZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        for (source, _, target), count in weft.edges(**{"from": str(int(start)), "to": str(int(start) + 60)}).items():
            seen.setdefault(f"{source} -> {target}", {})[minute] = count
    assert seen == expect["edges_per_minute"]


@pytest.mark.parametrize("order", ["as sent", "shuffled"])
def test_the_map_of_real_traces_is_exact(weft, order):
    expect = json.loads((BOUTIQUE / "boutique.expect.json").read_text())
    everything = bodies("boutique.otlp.zst")
    if order == "shuffled":
        random.Random(7).shuffle(everything)
    send(weft, everything)
    check(weft, expect)
    assert {item["name"]: item["spans"] for item in weft.ask("/api/v1/services")["items"]} == expect["services"]
    send(weft, bodies("boutique.duplicates.otlp.zst"))
    check(weft, expect)
    check_minutes(weft, expect)
