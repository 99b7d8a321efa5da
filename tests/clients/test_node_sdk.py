# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry SDK for JavaScript with express, unmodified: OTLP JSON, OTLP protobuf, Zipkin."""

import os
import pathlib
import shutil
import subprocess

import pytest
import requests

NODE = pathlib.Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def packages():
    if not shutil.which("npm"):
        pytest.skip("NODE IS MISSING: apt-get install nodejs npm")
    if not (NODE / "node_modules/.package-lock.json").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=NODE, check=True)


def start_service(name, exporter, environment, *next_url):
    process = subprocess.Popen(["node", "shop.js", name, exporter, *next_url], cwd=NODE, stdout=subprocess.PIPE, text=True,
                               env=dict(os.environ, **environment))
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}"


@pytest.mark.parametrize("exporter", ["json", "proto", "zipkin"])
def test_express_services_give_one_edge(weft, packages, exporter):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": weft.url("otlp_http"), "ZIPKIN_URL": weft.url("zipkin", "/api/v2/spans")}
    stock, stock_url = start_service("node-stock", exporter, environment)
    shop, shop_url = start_service("node-shop", exporter, environment, stock_url)
    for item in range(4):
        assert requests.get(f"{shop_url}/items/{item}", timeout=10).status_code == 200
    for process in (shop, stock):
        process.terminate()
        assert process.wait(20) == 0
    assert weft.edges() == {("node-shop", "calls", "node-stock"): 4}
    found = weft.ask("/api/v1/traces", q='{ resource.service.name = "node-shop" && kind = server }')["items"]
    assert len(found) == 4
    spans = weft.trace(found[0]["trace_id"])["spans"]
    by_id = {span["span_id"]: span for span in spans}
    server = next(span for span in spans if span["service"] == "node-stock" and span["kind"] == "server")
    caller = by_id[server["parent_span_id"]]
    assert (caller["service"], caller["kind"]) == ("node-shop", "client")
    keys = {entry["key"] for entry in server["attributes"]}
    assert "http.route" in keys or "http.target" in keys
