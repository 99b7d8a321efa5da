# SPDX-License-Identifier: Apache-2.0
"""Random worlds: what the answers say beyond counts, against the model: durations, ages, runs, objects, pages.

A world is its seed, which a failure prints. WEFT_ANSWER_SEEDS=FROM:TO runs others than the default ones; all of them
come in JSON or protobuf, over stops, kills and questions between."""

import collections
import functools
import json
import os
import random
import urllib.parse

import jsonschema
import pytest
import requests

import flow_lines
import map_lines
import otlp
from contract_flows import Flows, own
from contract_model import CLIENT, CONSUMER, MINUTE, SERVER, Model, first
from contract_worlds import World
from test_openapi import DOCUMENT, nanoseconds
from weft import Weft

SEEDS_PER_TEST = 10
FIRST, LAST = map(int, os.environ.get("WEFT_ANSWER_SEEDS", "7000:7030").split(":"))
ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}
QUANTILES = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99}


def send(server, body, as_json):
    text = json.dumps(otlp.to_json(body)) if as_json else body.SerializeToString()
    kind = "application/json" if as_json else "application/x-protobuf"
    requests.post(server.url("otlp_http", "/v1/traces"), data=text, headers={"Content-Type": kind},
                  timeout=30).raise_for_status()


def feed(server, world, dice):
    for body in world.requests():
        send(server, body, dice.random() < 0.5)
        chance = dice.random()
        if chance < 0.2:
            server.map()
        elif chance < 0.3:
            server.kill() if chance < 0.25 else server.stop()
            server.start()


@functools.cache
def validator(path, status):
    response = DOCUMENT["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    schema = {**response["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema)


class Asker:
    """Asks, and has every answer checked by openapi.yaml."""

    def __init__(self, server, window):
        self.server = server
        self.window = window

    def __call__(self, path, *parts, **parameters):
        url = path
        for part in parts:
            before, _, after = url.partition("{")
            url = before + urllib.parse.quote(part, safe="") + after.partition("}")[2]
        answer = self.server.get(url, **parameters)
        validator(path, answer.status_code).validate(answer.json())
        assert answer.status_code == 200, f"{answer.url}: {answer.text[:300]}"
        return answer.json()

    def of_window(self, path, *parts, **parameters):
        return self(path, *parts, **{**self.window, **parameters})


def name_of(node):
    return node[3] + map_lines.place(*node[:3])


def length(span):
    return max(0, span.end - span.start)


def is_of(told, lengths):
    """Whether quantiles (None: there are none) are those of the lengths, to 1 % and the next rank."""
    if not told or not lengths:
        return not told and not lengths
    lengths, last = sorted(lengths), len(lengths) - 1
    for key, share in QUANTILES.items():
        at = share * len(lengths)
        near = [lengths[min(last, max(0, rank))] for rank in (int(at) - 1, int(at), int(at + 0.9999) - 1)]
        if not min(near) * 0.99 - 1 <= told[key] <= max(near) * 1.01 + 1:
            return False
    return True


def lengths_expected(model):
    """({edge: durations}, {edge: server durations}, {hop: ages}, {service: durations of requests}) of all time."""
    edges, servers, hops, entries = (collections.defaultdict(list) for _ in range(4))
    for source, relation, target, rule, span, _, has_duration, has_server in model.calls:
        key = (name_of(source), relation, target)
        if has_duration:
            edges[key].append(length(span.parent if rule.startswith("paired") else span))
        if has_server:
            servers[key].append(length(span))
    for producer, queue, consumer, _, age in model.hops:
        hops[name_of(producer), queue, name_of(consumer)].append(age)
    for span in model.readings:
        if span.kind in (SERVER, CONSUMER) or span.parent is None or span.parent.node != span.node:
            entries[name_of(span.node)].append(length(span))
    return edges, servers, hops, entries


def check_lengths(model, whole):
    edges, servers, hops, entries = lengths_expected(model)
    nodes = {node["id"]: node for node in whole["nodes"]}
    names = {key: map_lines.node_name(node, nodes) for key, node in nodes.items()}
    for edge in whole["edges"]:
        key = (names[edge["source"]], edge["relation"], names[edge["target"]])
        if edge["relation"] not in ("performs", "follows"):
            assert is_of(edge.get("duration"), edges[key]), f"{key}: {edge.get('duration')} of {edges[key]}"
            assert is_of(edge.get("server_duration"), servers[key]), f"{key}: server {servers[key]}"
    for hop in whole["hops"]:
        key = (names[hop["producer"]], names[hop["queue"]], names[hop["consumer"]])
        assert is_of(hop["age"], hops[key]), f"{key}: {hop['age']} of {hops[key]}"
    for node in whole["nodes"]:
        if node.get("requests"):
            assert is_of(node.get("duration"), entries[names[node["id"]]]), f"requests of {names[node['id']]}"


def check_pages(ask, whole, dice):
    """A node's and an edge's page tell what the map tells of them and around them."""
    def some(items):
        return dice.sample(items, min(4, len(items)))

    for node in some(whole["nodes"]):
        page = ask.of_window("/api/v1/nodes/{id}", node["id"])
        children = {child["id"] for child in whole["nodes"] if child.get("parent") == node["id"]}
        assert {**page["node"], "layout": node["layout"]} == node and set(page["children"]) == children
        own_ids = {node["id"], *children}
        assert {edge["id"] for edge in page["edges"]} == {
            edge["id"] for edge in whole["edges"] if own_ids & {edge["source"], edge["target"]}}
        around = [hop for hop in whole["hops"] if node["id"] in (hop["producer"], hop["queue"], hop["consumer"])]
        assert page["hops"] == around, f"hops of {node['type']} {node['name']}"
    for edge in some(whole["edges"]):
        page = ask.of_window("/api/v1/edges/{id}", edge["id"])
        assert page["edge"] == edge and sum(point["count"] for point in page["series"]) == edge["count"]


def runs_expected(flows):
    for key, spans in flows.runs.items():
        if flows.counts(key, spans):
            yield key, (key[1], key[2], key[3], "failed" if any(span.error for span in spans) else "ok",
                        key not in flows.fallen_back, min(span.start for span in spans),
                        max(max(span.start, span.end) for span in spans),
                        tuple(own(span, "step") for span in flows.sequence(spans)),
                        tuple(sorted({span.span.trace.hex() for span in spans})))


def check_runs(ask, flows):
    expected = collections.defaultdict(list)
    for key, row in runs_expected(flows):
        expected[key[0]].append(row)
        run = ask("/api/v1/flows/{name}/runs/{run_id}", key[0], key[3], scope=key[1], environment=key[2])
        spans = flows.runs[key]
        assert [(step["step"], step["span_id"], step["duration_ns"]) for step in run["steps"]] == [
            (own(span, "step"), span.span.id.hex(), length(span)) for span in flows.sequence(spans)]
        assert sorted(span["span_id"] for span in run["envelopes"]) == sorted(
            span.span.id.hex() for span in spans if not own(span, "step"))
    for item in flow_lines.pages(ask.server, "/api/v1/flows", limit=2):
        expected.setdefault(item["name"], [])
    for name, rows in expected.items():
        told = ask.of_window("/api/v1/flows/{name}/runs", name, limit=1000)["items"]
        assert sorted(rows) == sorted((
            run["scope"], run["environment"], run["run_id"], run["status"], run["has_run_id"], nanoseconds(run["start"]),
            nanoseconds(run["end"]), tuple(run.get("sequence", [])), tuple(sorted(run["traces"]))) for run in told)
        ask.of_window("/api/v1/flows/{name}", name)


def check_objects(ask, model, flows):
    objects = collections.defaultdict(set)
    for span in model.readings:
        key = tuple(first(span.span.attributes, [name]) for name in ("entity.type", "entity.id"))
        if all(key):
            objects[key].add(span.span.trace)
    for key, traces in objects.items():
        told = ask("/api/v1/entities/{type}/{id}", *key)
        assert {trace["trace_id"] for trace in told["traces"]} == {trace.hex() for trace in traces}
        runs = {run for run, spans in flows.runs.items()
                if flows.counts(run, spans) and traces & {span.span.trace for span in spans}}
        assert sorted((run["flow"], run["scope"], run["environment"], run["run_id"]) for run in told["runs"]) == sorted(runs)


def check(directory, seed):
    world, dice = World(seed), random.Random(seed)
    for span in world.spans:
        if dice.random() < 0.1:
            span.attributes |= {"entity.type": "order", "entity.id": dice.choice(["1", "a/2"])}
    server = Weft(directory).start()
    try:
        feed(server, world, dice)
        model = Model(world.spans)
        flows = Flows(model)
        ask = Asker(server, {"from": "0", "to": "4102444800"})
        whole = ask("/api/v1/map", **ALWAYS, type="service,database,table,queue,external,flow,step")
        check_lengths(model, whole)
        check_runs(ask, flows)
        check_objects(ask, model, flows)
        check_pages(ask, whole, dice)
        minute = dice.choice(world.spans).start // MINUTE * 60
        ask.window = {"from": str(minute), "to": str(minute + 60)}
        check_pages(ask, ask.of_window("/api/v1/map", type="service,database,table,queue,external,flow,step"), dice)
        for path in ("/api/v1/contract", "/api/v1/services", "/api/v1/flows", "/api/v1/traces"):
            ask(path, **{"from": "0", "to": "4102444800"})
    finally:
        server.kill()


@pytest.mark.parametrize("first_seed", range(FIRST, LAST, SEEDS_PER_TEST))
def test_the_answers_about_random_worlds_are_the_models(tmp_path, first_seed):
    for seed in range(first_seed, min(first_seed + SEEDS_PER_TEST, LAST)):
        try:
            check(tmp_path / str(seed), seed)
        except (AssertionError, jsonschema.ValidationError) as error:
            raise AssertionError(f"seed {seed}: {error}") from error
