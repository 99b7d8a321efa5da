# SPDX-License-Identifier: Apache-2.0
"""Every worked example of the map contract, through OTLP/HTTP JSON and the map API of the real program."""

import json

import pytest
import requests

import flow_lines
import map_lines
from weft import SHARED, Weft

EXAMPLES = SHARED / "data/contract/examples.jsonl"


def examples():
    if not EXAMPLES.exists():
        print(f"skipped: {EXAMPLES} is missing")
        return []
    return [json.loads(line) for line in EXAMPLES.read_text().splitlines()]


def kind_of(line):
    first = line.split()[0]
    return first if first in ("hop", "node", "entry", "flow", "run", "variant", "starts", "ends", "touches",
                              "unresolved", "orphans", "steps_without_flow", "finding") else "edge"


def expected(example, kind):
    return sorted(line for line in example["expect"] if kind_of(line) == kind)


COUNTED = {"unresolved_peer": "unresolved", "orphans": "orphans"}


def findings(server):
    """The lines that /contract tells."""
    items = server.ask("/api/v1/contract", **{"from": "0", "to": "4102444800", "wait": "true"})["items"]
    lost = sum(item["count"] for item in items if item["code"] == "step_without_flow")
    lines = {"finding": sorted(f"finding {item['code']} {item['subject']}" for item in items),
             "steps_without_flow": [f"steps_without_flow {lost}"] if lost else []}
    for code, kind in COUNTED.items():
        lines[kind] = sorted(f"{kind} {item['subject']} {item['count']}" for item in items if item["code"] == code)
    return lines


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["name"] if isinstance(example, dict) else None)
def test_the_map_of_an_example_is_the_one_it_tells(tmp_path, example):
    server = Weft(tmp_path / "data").start()
    try:
        answer = requests.post(server.url("otlp_http", "/v1/traces"), json=example["otlp"], timeout=30)
        assert answer.status_code == 200, answer.text
        found = map_lines.lines(server.map()) | findings(server) | flow_lines.lines(server)
        for kind in set(example["kinds"]) & set(found):
            assert found[kind] == expected(example, kind), example["rule"]
    finally:
        server.kill()
