# SPDX-License-Identifier: Apache-2.0
"""TLS on every listener by configuration, with and without client certificates."""

import subprocess

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

import otlp
from weft import Weft


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"], check=True, capture_output=True)
    return directory


def write_config(path, certificates, extra=""):
    tls = f"tls: {{cert_file: {certificates}/server.pem, key_file: {certificates}/server.key{extra}}}"
    path.write_text(f"""
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "localhost:4317", {tls}}}
      http: {{endpoint: "localhost:4318", {tls}}}
  zipkin: {{endpoint: "localhost:9411", {tls}}}
extensions:
  weft_query: {{endpoint: "localhost:16686", {tls}}}
""")
    return path


def test_every_listener_speaks_tls(tmp_path, certificates):
    config = write_config(tmp_path / "weft.yaml", certificates)
    weft = Weft(tmp_path / "data", "--config", config).start()
    ca = certificates / "server.pem"
    body = otlp.request("cart")
    answer = requests.post(f"https://localhost:{weft.ports['otlp_http']}/v1/traces", data=body.SerializeToString(), verify=ca,
                           headers={"Content-Type": "application/x-protobuf"}, timeout=10)
    assert answer.status_code == 200
    again = otlp.request("cart")
    with grpc.secure_channel(f"localhost:{weft.ports['otlp_grpc']}", grpc.ssl_channel_credentials(ca.read_bytes())) as channel:
        trace_service_pb2_grpc.TraceServiceStub(channel).Export(again, timeout=10)
    assert requests.post(f"https://localhost:{weft.ports['zipkin']}/api/v2/spans", json=[], verify=ca, timeout=10).status_code == 202
    for sent in (body, again):
        trace_id = otlp.spans(sent)[0].trace_id.hex()
        url = f"https://localhost:{weft.ports['http']}/api/v1/traces/{trace_id}"
        assert requests.get(url, verify=ca, timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://localhost:{weft.ports['http']}/", timeout=10)
    assert weft.stop() == 0


def test_a_client_certificate_is_asked_for_and_checked(tmp_path, certificates):
    config = write_config(tmp_path / "weft.yaml", certificates, f", client_ca_file: {certificates}/client.pem")
    weft = Weft(tmp_path / "data", "--config", config).start()
    url = f"https://localhost:{weft.ports['http']}/healthz"
    ca = certificates / "server.pem"
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url, verify=ca, timeout=10)
    client = (certificates / "client.pem", certificates / "client.key")
    assert requests.get(url, verify=ca, cert=client, timeout=10).status_code == 200
    assert weft.stop() == 0


def test_a_missing_certificate_is_told(tmp_path):
    config = write_config(tmp_path / "weft.yaml", tmp_path / "nowhere")
    with pytest.raises(AssertionError, match="left with 1"):
        Weft(tmp_path / "data", "--config", config).start()
    output = (tmp_path / "data.log").read_text()
    assert "weft: " in output and "nowhere" in output, output
