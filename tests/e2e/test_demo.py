# SPDX-License-Identifier: Apache-2.0
"""The demo: the map within seconds, the whole shop on it, little memory."""

import time

from weft import Weft


def test_the_demo_shows_the_shop(tmp_path):
    started = time.monotonic()
    weft = Weft(tmp_path / "data", "--no-open", "--history", "2h", command="demo").start()
    wanted = {"web", "gateway", "checkout", "cart", "payment", "inventory", "shipping", "mail", "search", "recommendation",
              "fraud", "accounting"}
    services = set()
    while not wanted <= services and time.monotonic() - started < 60:
        answer = weft.ask("/api/v1/map", **{"from": "-15m"})
        services = {node["name"] for node in answer["nodes"] if node["type"] == "service"}
        time.sleep(0.1)
    assert services == wanted
    edges = weft.edges(**{"from": "-2h", "to": "now"})
    for edge in [("web", "calls", "gateway"), ("gateway", "calls", "checkout"), ("checkout", "publishes", "orders"),
                 ("accounting", "consumes", "orders"), ("payment", "calls", "fraud"), ("fraud", "consumes", "orders"),
                 ("payment", "writes", "payments"), ("inventory", "reads", "stock"), ("payment", "calls", "api.stripe.com")]:
        assert edge in edges, edge
    answer = weft.map(**{"from": "-2h", "to": "now"})
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    hops = {(names[hop["producer"]], names[hop["queue"]], names[hop["consumer"]]) for hop in answer["hops"]}
    assert ("checkout", "orders", "accounting") in hops and ("checkout", "emails", "mail") in hops
    findings = {(item["code"], item["subject"]) for item in weft.ask("/api/v1/contract", **{"from": "-2h", "to": "now"})["items"]}
    assert findings == {("unresolved_peer", "recommendation"), ("step_without_flow", "add_item")}
    assert weft.stop() == 0
