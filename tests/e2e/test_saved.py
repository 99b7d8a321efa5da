# SPDX-License-Identifier: Apache-2.0
"""Mappings of names and positions of nodes: saved, used for all of the past, previewed, kept over restarts."""

import os
import time

import jsonschema
import requests

import otlp
import test_openapi
from weft import Weft


def call_by_name(weft, caller, name, at_ns=None):
    body = otlp.request(caller, trace_id=os.urandom(16), start_ns=at_ns or time.time_ns() - 60_000_000_000,
                        kind=otlp.CLIENT, attributes={"server.address": name})
    answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200


def check(schema, body):
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}",
                                     "components": test_openapi.DOCUMENT["components"]}).validate(body)


def put(weft, path, body):
    return requests.put(weft.url("http", path), json=body, timeout=30)


RULES = [{"pattern": r"pay-\d+\.internal", "type": "service", "name": "payments"},
         {"pattern": "pay.*", "type": "external", "name": "the bank"}]


def test_mappings_hold_for_all_of_the_past_and_are_kept(tmp_path):
    weft = Weft(tmp_path / "data").start()
    try:
        call_by_name(weft, "web", "pay-1.internal", time.time_ns() - 30 * 86400 * 1_000_000_000)
        call_by_name(weft, "web", "pay-2.internal")
        call_by_name(weft, "web", "pay.example")
        call_by_name(weft, "web", "mail.example")
        before = weft.edges()
        assert len(before) == 4
        url = weft.url("http", "/api/v1/mappings/preview")
        preview = requests.post(url, params={"from": "0"}, json={"items": RULES}, timeout=30).json()
        assert [(rule["names_total"], rule["calls"]) for rule in preview["mappings"]] == [(2, 2), (1, 1)]
        assert sorted(node["name"] for node in preview["added"]["nodes"]) == ["payments", "the bank"]
        assert len(preview["removed"]["nodes"]) == 3
        assert weft.edges() == before  # a preview changes nothing
        answer = put(weft, "/api/v1/mappings", {"items": RULES})
        assert answer.status_code == 200, answer.text
        check("Mappings", answer.json())
        mapped = {("web", "calls", "payments"): 2, ("web", "calls", "the bank"): 1,
                  ("web", "calls", "mail.example"): 1}
        assert weft.edges() == mapped
        assert weft.edges(resolve="false") == before
        assert weft.stop() == 0
        weft = Weft(tmp_path / "data").start()
        assert weft.edges() == mapped
        assert [rule["name"] for rule in weft.ask("/api/v1/mappings")["items"]] == ["payments", "the bank"]
        assert put(weft, "/api/v1/mappings", {"items": []}).status_code == 200
        assert weft.edges() == before
    finally:
        assert weft.stop() == 0


def test_who_saves_on_an_old_list_is_told(weft):
    version = weft.ask("/api/v1/mappings")["version"]
    assert put(weft, "/api/v1/mappings", {"version": version, "items": RULES}).status_code == 200
    late = put(weft, "/api/v1/mappings", {"version": version, "items": []})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert len(weft.ask("/api/v1/mappings")["items"]) == 2


def test_what_is_no_mapping_is_refused_and_changes_nothing(weft):
    for items, part in [([{"pattern": "(", "type": "service", "name": "x"}], "mapping 1"),
                        ([{"pattern": "a", "type": "planet", "name": "x"}], ""),
                        ([{"pattern": "a", "type": "service", "name": ""}], "mapping 1"),
                        ([{"pattern": "a", "type": "service", "name": "x"}] * 1001, "1000"),
                        ("all", "")]:
        answer = put(weft, "/api/v1/mappings", {"items": items})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_body"), answer.text
        assert part in answer.json()["error"]["message"]
        check("Error", answer.json())
    assert requests.put(weft.url("http", "/api/v1/mappings"), data=b"{", timeout=30).status_code == 400
    assert weft.ask("/api/v1/mappings")["items"] == []
    answer = requests.delete(weft.url("http", "/api/v1/mappings"), timeout=30)
    assert answer.status_code == 405 and {"GET", "PUT"} <= set(answer.headers["Allow"].replace(",", " ").split())


def test_the_configuration_s_mappings_come_first(tmp_path):
    setting = "exporters.weft.map.mappings=pay.* -> external counter"
    weft = Weft(tmp_path / "data", "--set", setting).start()
    try:
        call_by_name(weft, "web", "pay-1.internal")
        listed = put(weft, "/api/v1/mappings", {"items": weft.ask("/api/v1/mappings")["items"] + RULES}).json()
        assert [item["source"] for item in listed["items"]] == ["configuration", "saved", "saved"]
        assert weft.edges() == {("web", "calls", "counter"): 1}
    finally:
        assert weft.stop() == 0


def test_nodes_stay_where_people_put_them(tmp_path):
    weft = Weft(tmp_path / "data").start()
    try:
        call_by_name(weft, "web", "pay")
        nodes = {node["name"]: node for node in weft.map()["nodes"]}
        web, pay = nodes["web"], nodes["pay"]
        answer = put(weft, "/api/v1/positions", {"items": [{"node": web["id"], "x": -120.5, "y": 300}]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["items"] == [{"node": web["id"], "x": -120.5, "y": 300}]
        assert weft.stop() == 0
        weft = Weft(tmp_path / "data").start()
        nodes = {node["name"]: node for node in weft.map()["nodes"]}
        assert nodes["web"]["pinned"] and "pinned" not in nodes["pay"]
        assert (nodes["web"]["layout"]["x"], nodes["web"]["layout"]["y"]) == (-120.5, 300)
        assert nodes["pay"]["layout"] == pay["layout"]
        # Another one is moved by somebody else; the first stays. Then it is let go.
        put(weft, "/api/v1/positions", {"items": [{"node": pay["id"], "x": 1, "y": 2}]})
        put(weft, "/api/v1/positions", {"items": [{"node": web["id"], "x": None, "y": None}]})
        assert [item["node"] for item in weft.ask("/api/v1/positions")["items"]] == [pay["id"]]
        for bad in ({"node": web["id"], "x": 1}, {"node": "x", "x": 1, "y": 1}, {"node": web["id"], "x": 1e9, "y": 0}):
            assert put(weft, "/api/v1/positions", {"items": [bad]}).status_code == 400
    finally:
        assert weft.stop() == 0
