# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry SDK for Java, unmodified: gRPC and HTTP."""

import pathlib
import re
import shutil
import subprocess

import pytest

JAVA = pathlib.Path(__file__).parent / "java"


@pytest.fixture(scope="module")
def compiled():
    if not shutil.which("mvn"):
        pytest.skip("MAVEN IS MISSING: apt-get install maven")
    subprocess.run(["mvn", "-q", "-B", "compile"], cwd=JAVA, check=True, timeout=400)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_trace_of_the_java_sdk_is_on_the_map(weft, compiled, protocol):
    endpoint = weft.url("otlp_grpc" if protocol == "grpc" else "otlp_http")
    result = subprocess.run(["mvn", "-q", "-B", "exec:java", "-Dexec.mainClass=weft.Clients",
                             f"-Dexec.args={protocol} {endpoint}"], cwd=JAVA, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stdout + result.stderr
    trace_id = re.search(r"(?<![0-9a-f])[0-9a-f]{32}", result.stdout).group()
    spans = weft.trace(trace_id)["spans"]
    assert [(s["service"], s["name"], s["kind"]) for s in spans] == [
        ("java-web", "GET /cart", "client"), ("java-cart", "GET /cart", "server"), ("java-cart", "SELECT carts", "client")]
    assert spans[2]["status"] == {"code": "error", "message": "locked"}
    assert [event["name"] for event in spans[2]["events"]] == ["retry"]
    assert weft.edges() == {("java-web", "calls", "java-cart"): 1, ("java-cart", "reads", "carts"): 1}
