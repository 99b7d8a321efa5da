# SPDX-License-Identifier: Apache-2.0
"""Random worlds: the map of the real program against an independent model of CONTRACT.md §1–§6.

A world is its seed. WEFT_MODEL_SEEDS=FROM:TO runs others than the default ones."""

import collections
import datetime
import os
import urllib.parse

import pytest
import requests

import flow_lines
import map_lines
from contract_flows import Flows
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
            "entries": model.entries(window), "findings": model.findings(window)}


ALL_TYPES = "service,database,table,queue,external,flow,step"


def flow_told(server, item, window):
    path = "/api/v1/flows/" + urllib.parse.quote(item["name"], safe="")
    where = {**window, "scope": item["scope"], "environment": item["environment"]}
    flow = server.ask(path, **where)
    runs = flow_lines.pages(server, path + "/runs", limit=2, **where)
    return {"runs": flow["runs"], "failures": flow["failures"], "without_run_id": flow["without_run_id"],
            "steps": {step["name"]: step["count"] for step in flow["steps"]},
            "follows": {(follow["from"], follow["to"]): follow["count"] for follow in flow["follows"]},
            "starts": flow["starts"], "ends": flow["ends"],
            "variants": {tuple(variant["sequence"]): variant["runs"] for variant in flow["variants"]},
            "run_ids": sorted(run["run_id"] for run in runs)}


def lost_steps_told(server):
    lost = collections.Counter()
    for item in flow_lines.pages(server, "/api/v1/contract", limit=3):
        lost[item["subject"]] += item["count"] if item["code"] == "step_without_flow" else 0
    return {step: count for step, count in lost.items() if count}


def ask_flows(server, window):
    """What the program says of flows, comparable with flows_expected()."""
    asked = {} if window is None else {"from": str(window[0] * 60), "to": str(window[1] * 60)}
    answer = server.map(type=ALL_TYPES, **asked)
    nodes = {node["id"]: node for node in answer["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    edges = {(names[edge["source"]], edge["relation"], names[edge["target"]]): edge for edge in answer["edges"]}
    return {
        "flows": {item["name"] + map_lines.place(item["scope"], item["environment"]): flow_told(
            server, item, flow_lines.ALWAYS | asked) for item in flow_lines.pages(server, "/api/v1/flows", limit=1, **asked)},
        "flow edges": {key: (edge["count"], edge["errors"]) for key, edge in edges.items()
                       if key[1] in ("performs", "follows")},
        "attributions": {key: {(flow["flow"], flow["step"]): flow["count"] for flow in edge["flows"]}
                         for key, edge in edges.items() if edge["flows"]},
        "lost steps": lost_steps_told(server) if window is None else {}}


def objects_told(server, wanted):
    def run_names(item):
        return {run["flow"] + map_lines.place(run["scope"], run["environment"]) + "/" + run["run_id"] for run in item["runs"]}

    found = {}
    for type_, id_ in wanted:
        answer = server.ask(f"/api/v1/entities/{type_}/{urllib.parse.quote(id_, safe='')}", wait="true")
        assert not answer["truncated"]
        traces = found[type_, id_] = {trace["trace_id"]: run_names(trace) for trace in answer["traces"]}
        assert run_names(answer) == set().union(*traces.values())
    return {"objects": found}


def flows_expected(flows, window=None):
    lost = collections.Counter()
    for (_, step), count in flows.lost_steps.items():
        lost[step] += count
    window = window or (0, 2**63)
    return {"flows": flows.told(window), "flow edges": flows.edges(window), "attributions": flows.attributions(window),
            "lost steps": dict(lost) if window == (0, 2**63) else {}}


def differences(found, wanted):
    return [f"{what} {key}: program {found[what].get(key)}, model {wanted[what].get(key)}"
            for what in wanted for key in sorted(found[what].keys() | wanted[what].keys())
            if found[what].get(key) != wanted[what].get(key)]


FLOW_CODES = {"dynamic_name", "step_without_flow", "missing_run_id"}


def findings_told(server, bounds, names):
    items = server.ask("/api/v1/contract", **bounds)["items"]
    return {(item["code"], names[item["node"]]): item["count"] for item in items if item["code"] not in FLOW_CODES}


def ask(server, window=None):
    whole = server.map()
    nodes = {node["id"]: node for node in whole["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    bounds = {"from": "0", "to": "4102444800"}
    if window is not None:
        bounds = {"from": str(window[0] * 60), "to": str(window[1] * 60)}
    answer = whole if window is None else server.map(**bounds)
    return told(answer) | {"findings": findings_told(server, bounds, names)}


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
        flows = Flows(model)
        found = differences(ask(server), expected(model)) + differences(ask_flows(server, None), flows_expected(flows))
        found += differences(objects_told(server, flows.objects()), {"objects": flows.objects()})
        for minute in sorted({span.start // MINUTE for span in world.spans})[:1]:
            window = (minute, minute + 1)
            found += [f"minute {minute}: {line}" for line in
                      differences(ask(server, window), expected(model, window)) +
                      differences(ask_flows(server, window), flows_expected(flows, window))]
        return found
    finally:
        server.kill()


@pytest.mark.parametrize("first", range(FIRST, LAST, SEEDS_PER_TEST))
def test_the_map_of_random_worlds_is_the_models(tmp_path, first):
    for seed in range(first, min(first + SEEDS_PER_TEST, LAST)):
        found = compare(tmp_path / str(seed), seed)
        assert not found, f"seed {seed}:\n" + "\n".join(found)
