# SPDX-License-Identifier: Apache-2.0
"""Limits of the map (CONTRACT.md §8): what is beyond is told in (other), and a clock that is anywhere costs little."""

import random

import requests

import otlp
from weft import Weft

START_NS = 1_760_000_000_000_000_000
YEAR_NS = 365 * 86400 * 10**9


def send(weft, body):
    requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(), timeout=30,
                  headers={"Content-Type": "application/x-protobuf"}).raise_for_status()


def start(directory, settings=""):
    config = directory / "weft.yaml"
    config.write_text(f"exporters:\n  weft:\n    map:\n{settings}")
    return Weft(directory / "data", "--config", str(config)).start()


def operations(weft, service):
    items = weft.ask(f"/api/v1/services/{service}/operations", **{"from": "0", "to": "4102444800"})["items"]
    return {item["name"]: item["requests"] for item in items}


def metric(weft, name):
    lines = weft.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def names_and_counts():
    """80 operations: the i-th is called i / 8 + 1 times."""
    return [(f"operation-{i:03}", i // 8 + 1) for i in range(80)]


def send_operations(weft, order):
    for name, count in order:
        send(weft, otlp.request("web", count, name=name, start_ns=START_NS))
        weft.map()  # settles: what came first has its place


def test_series_beyond_the_limit_are_told_in_other_and_the_order_is_forgotten_by_a_start(tmp_path):
    told = []
    for order in ("as it is", "reversed"):
        (tmp_path / order).mkdir()
        weft = start(tmp_path / order, "      series: 30\n")
        wanted = names_and_counts() if order == "as it is" else list(reversed(names_and_counts()))
        send_operations(weft, wanted)
        total = sum(count for _, count in names_and_counts())
        assert metric(weft, "weft_map_folded_total") > 0
        assert weft.map()["truncated"] is not None
        assert weft.stop() == 0
        weft.start()
        node = next(node for node in weft.map()["nodes"] if node["name"] == "web")
        assert node["requests"] == total
        told.append(node)
        assert weft.stop() == 0
    assert told[0] == told[1]


def test_limits_hold_for_each_database_by_itself(tmp_path):
    weft = start(tmp_path, "      collections: 3\n")
    for database in ("left", "right"):
        for i in range(6 if database == "left" else 2):
            send(weft, otlp.request("web", i + 1, name="SELECT", kind=otlp.CLIENT, start_ns=START_NS, attributes={
                "db.system.name": "postgresql", "db.namespace": database, "server.address": "db",
                "db.operation.name": "SELECT", "db.collection.name": f"{database}-{i}"}))
    edges = {target: count for (_, _, target), count in weft.edges().items()}
    assert edges == {"left-4": 5, "left-5": 6, "(other)": 1 + 2 + 3 + 4, "right-0": 1, "right-1": 2}
    assert weft.map()["truncated"] == {"nodes": 4, "edges": 0}
    assert weft.stop() == 0


def test_a_clock_that_is_anywhere_loses_nothing(tmp_path):
    random.seed(1)
    weft = start(tmp_path)
    for _ in range(20):
        body = otlp.request("web", 1000, start_ns=START_NS)
        for span in otlp.spans(body):
            span.start_time_unix_nano = 86400 * 10**9 + random.randrange(60 * YEAR_NS)
            span.end_time_unix_nano = span.start_time_unix_nano + 1000
        send(weft, body)

    def requests_of_web():
        return next(node["requests"] for node in weft.map(to="2100-01-01T00:00:00Z")["nodes"] if node["name"] == "web")

    assert requests_of_web() == 20_000
    assert weft.stop() == 0
    assert len(list((tmp_path / "data/tables").iterdir())) < 100
    weft.start()
    assert requests_of_web() == 20_000
    assert weft.stop() == 0
