# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry SDK for Python, unmodified: gRPC, HTTP, and Flask with requests instrumented."""

import subprocess
import sys
import textwrap

import pytest

SDK_PROGRAM = """
import sys
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    exporter = lambda: OTLPSpanExporter(endpoint=sys.argv[2], insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    exporter = lambda: OTLPSpanExporter(endpoint=sys.argv[2] + "/v1/traces", compression=Compression.Gzip)

def provider(service):
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider

web, cart = provider("py-web"), provider("py-cart")
with web.get_tracer("t").start_as_current_span("GET /cart", kind=SpanKind.CLIENT, attributes={"server.address": "cart", "n": 3}) as call:
    with cart.get_tracer("t").start_as_current_span("GET /cart", kind=SpanKind.SERVER) as server:
        server.add_event("cache miss", {"key": "cart:7"})
        with cart.get_tracer("t").start_as_current_span("SELECT carts", kind=SpanKind.CLIENT, attributes={
                "db.system": "postgresql", "db.name": "shop", "db.statement": "SELECT * FROM carts"}) as query:
            query.set_status(Status(StatusCode.ERROR, "deadlock"))
print(format(call.get_span_context().trace_id, "032x"))
web.shutdown(); cart.shutdown()
"""


def run_program(program, *arguments, **environment):
    import os
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True,
                            text=True, timeout=90, env=dict(os.environ, **environment))
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_trace_of_the_python_sdk_is_on_the_map(weft, protocol):
    endpoint = weft.url("otlp_grpc" if protocol == "grpc" else "otlp_http")
    trace_id = run_program(SDK_PROGRAM, protocol, endpoint)
    spans = weft.trace(trace_id)["spans"]
    assert [(s["service"], s["name"], s["kind"], s["depth"]) for s in spans] == [
        ("py-web", "GET /cart", "client", 0), ("py-cart", "GET /cart", "server", 1),
        ("py-cart", "SELECT carts", "client", 2)]
    assert spans[1]["events"][0]["name"] == "cache miss"
    assert spans[2]["status"] == {"code": "error", "message": "deadlock"}
    assert {"key": "n", "value": {"intValue": "3"}} in spans[0]["attributes"]
    assert weft.edges() == {("py-web", "calls", "py-cart"): 1, ("py-cart", "reads", "carts"): 1}


FLASK_PROGRAM = """
import threading, time, requests, sys
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from werkzeug.serving import make_server

def provider(service):
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider

stock, shop = provider("flask-stock"), provider("flask-shop")
def application(name, provider):
    app = Flask(name)
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    return app
stock_app, shop_app = application("stock", stock), application("shop", shop)
RequestsInstrumentor().instrument(tracer_provider=shop)
stock_server = make_server("127.0.0.1", 0, stock_app, threaded=True)
shop_server = make_server("127.0.0.1", 0, shop_app, threaded=True)
@stock_app.route("/stock/<sku>")
def get_stock(sku): return {"sku": sku, "amount": 3}
@shop_app.route("/buy/<sku>")
def buy(sku): return requests.get(f"http://127.0.0.1:{stock_server.port}/stock/{sku}").json()
for server in (stock_server, shop_server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
from opentelemetry.instrumentation.utils import suppress_instrumentation
with suppress_instrumentation():
    for i in range(5):
        assert requests.get(f"http://127.0.0.1:{shop_server.port}/buy/{i}").status_code == 200
shop.shutdown(); stock.shutdown()
"""


def test_flask_and_requests_give_one_edge(weft):
    run_program(FLASK_PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=weft.url("otlp_http"))
    assert weft.edges() == {("flask-shop", "calls", "flask-stock"): 5}
    traces = weft.ask("/api/v1/traces", q='{ resource.service.name = "flask-shop" && kind = server }')["items"]
    assert len(traces) == 5
    spans = weft.trace(traces[0]["trace_id"])["spans"]
    assert [(s["service"], s["kind"]) for s in spans] == [
        ("flask-shop", "server"), ("flask-shop", "client"), ("flask-stock", "server")]
    assert {e["key"]: e["value"] for e in spans[2]["attributes"]}["http.route"] == {"stringValue": "/stock/<sku>"}
