# SPDX-License-Identifier: Apache-2.0
"""Random worlds: the map of the real program against an independent model of CONTRACT.md §1–§5.

A world is its seed. WEFT_MODEL_SEEDS=FROM:TO runs others than the default ones."""

import datetime
import os

import pytest
import requests

import map_lines
from contract_model import MINUTE, Model
from contract_worlds import World
from weft import Weft

SEEDS_PER_TEST = 25
FIRST, LAST = map(int, os.environ.get("WEFT_MODEL_SEEDS", "0:300").split(":"))


def minute_of(time):
    return int(datetime.datetime.fromisoformat(time[:19] + "+00:00").timestamp()) // 60


def edges_told(answer):
    """{(source, relation, target): what the edge knows}, comparable with edges_expected()."""
    nodes = {node["id"]: node for node in answer["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    return {(names[edge["source"]], edge["relation"], names[edge["target"]]): {
        "count": edge["count"], "errors": edge["errors"], "adjusted": round(edge["adjusted_count"], 3),
        "rules": edge["rules"], "duration": "duration" in edge, "server_duration": "server_duration" in edge,
        "intervals": [[minute_of(i["first"]), minute_of(i["last"])] for i in edge["intervals"]],
    } for edge in answer["edges"]}


def edges_expected(model, window):
    return {key: {
        "count": edge.count, "errors": edge.errors, "adjusted": round(edge.adjusted, 3), "rules": dict(edge.rules),
        "duration": edge.duration, "server_duration": edge.server_duration,
        "intervals": [run for run in edge.intervals() if run[0] < window[1] and run[1] >= window[0]],
    } for key, edge in model.edges(window).items()}


def told(answer):
    nodes = {node["id"]: node for node in answer["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    return {"edges": edges_told(answer),
            "hops": {(names[hop["producer"]], names[hop["queue"]], names[hop["consumer"]]): hop["count"]
                     for hop in answer["hops"]},
            "entries": {names[key]: (node["requests"], node["errors"]) for key, node in nodes.items()
                        if node.get("requests")}}


def expected(model, window=(0, 2**63)):
    return {"edges": edges_expected(model, window), "hops": dict(model.hop_counts(window)),
            "entries": model.entries(window)}


def differences(found, wanted):
    return [f"{what} {key}: program {found[what].get(key)}, model {wanted[what].get(key)}"
            for what in wanted for key in sorted(found[what].keys() | wanted[what].keys())
            if found[what].get(key) != wanted[what].get(key)]


def ask(server, window=None):
    if window is None:
        return told(server.map())
    return told(server.map(**{"from": str(window[0] * 60), "to": str(window[1] * 60)}))


def interrupt(server, world):
    """What must not matter: traces that are settled before they are complete, and a server that dies between."""
    if world.chance(0.3):
        server.map()
    if world.chance(0.05):
        server.kill()
        server.start()


def compare(directory, seed):
    world = World(seed)
    server = Weft(directory).start()
    try:
        for body in world.requests():
            interrupt(server, world)
            answer = requests.post(server.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                                   headers={"Content-Type": "application/x-protobuf"}, timeout=30)
            assert answer.status_code == 200, answer.text
        model = Model(world.spans)
        found = differences(ask(server), expected(model))
        for minute in sorted({span.start // MINUTE for span in world.spans})[:1]:
            window = (minute, minute + 1)
            found += [f"minute {minute}: {line}" for line in differences(ask(server, window), expected(model, window))]
        return found
    finally:
        server.kill()


@pytest.mark.parametrize("first", range(FIRST, LAST, SEEDS_PER_TEST))
def test_the_map_of_random_worlds_is_the_models(tmp_path, first):
    for seed in range(first, min(first + SEEDS_PER_TEST, LAST)):
        found = compare(tmp_path / str(seed), seed)
        assert not found, f"seed {seed}:\n" + "\n".join(found)
