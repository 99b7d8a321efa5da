# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry SDK for Go over gRPC with otelhttp, and the Collector's telemetrygen, unmodified."""

import os
import pathlib
import shutil
import subprocess

import pytest

GO = pathlib.Path(__file__).parent / "go"
TELEMETRYGEN = "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@v0.149.0"


@pytest.fixture(scope="module")
def go():
    if not shutil.which("go"):
        pytest.skip("GO IS MISSING: install golang to run this test")


def test_otelhttp_gives_one_edge(weft, go):
    subprocess.run(["go", "run", "."], cwd=GO, check=True, timeout=220,
                   env=dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=weft.url("otlp_grpc")))
    assert weft.edges() == {("go-web", "calls", "go-cart"): 3}
    found = weft.ask("/api/v1/traces")["items"]
    assert len(found) == 3
    spans = weft.trace(found[0]["trace_id"])["spans"]
    assert [(s["service"], s["kind"], s["depth"]) for s in spans] == [("go-web", "client", 0), ("go-cart", "server", 1)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("over_http", [False, True], ids=["grpc", "http"])
def test_telemetrygen_is_kept_whole(weft, go, over_http):
    command = ["go", "run", TELEMETRYGEN, "traces", "--otlp-insecure", "--traces", "20", "--child-spans", "2", "--rate", "0",
               "--otlp-endpoint", f"127.0.0.1:{weft.ports['otlp_http' if over_http else 'otlp_grpc']}"]
    subprocess.run(command + (["--otlp-http"] if over_http else []), cwd="/", check=True, timeout=560)
    status = weft.ask("/api/v1/status")
    assert status["spans"]["stored"] == 60
    assert ("telemetrygen" in {item["name"] for item in weft.ask("/api/v1/services")["items"]})
