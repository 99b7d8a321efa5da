# SPDX-License-Identifier: Apache-2.0
"""Writes the answers of /api/v1/flows… as the sorted lines in which the contract's examples are told."""

import urllib.parse

import map_lines

ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}


def pages(server, path, **parameters):
    cursor = None
    while True:
        answer = server.ask(path, **(ALWAYS | parameters | ({"cursor": cursor} if cursor else {})))
        yield from answer["items"]
        cursor = answer["cursor"]
        if not cursor:
            return


def flow_lines(server, item, names):
    where = {"scope": item["scope"], "environment": item["environment"]}
    path = "/api/v1/flows/" + urllib.parse.quote(item["name"], safe="")
    name = item["name"] + map_lines.place(item["scope"], item["environment"])
    flow = server.ask(path, **ALWAYS, **where)
    assert (flow["runs"], flow["failures"]) == (item["runs"], item["failures"])
    assert (len(flow["steps"]), len(flow["variants"])) == (item["steps"], item["variants"])
    yield "flow", f"flow {name} runs={item['runs']} failed={item['failures']}"
    for variant in flow["variants"]:
        yield "variant", f"variant {name} {'>'.join(variant['sequence'])} {variant['runs']}"
    for kind in ("starts", "ends"):
        for step, count in flow[kind].items():
            yield kind, f"{kind} {name} {step} {count}"
    for touch in flow["touches"]:
        yield "touches", f"touches {name} {touch['step']} {touch['relation']} {names[touch['node']]} {touch['count']}"
    for run in pages(server, path + "/runs", limit=3, **where):
        yield "run", f"run {name} {run['run_id']}"


def lines(server):
    """All lines of flows, and of edges with theirs, as {kind: sorted lines}."""
    answer = server.map(type="service,database,table,queue,external,flow,step")
    nodes = {node["id"]: node for node in answer["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    found = {kind: [] for kind in ("flow", "variant", "starts", "ends", "touches", "run")}
    for item in pages(server, "/api/v1/flows", limit=2):
        for kind, line in flow_lines(server, item, names):
            found[kind].append(line)
    found["edge"] = [map_lines.edge_line(edge, names) for edge in answer["edges"]]
    return {kind: sorted(told) for kind, told in found.items()}
