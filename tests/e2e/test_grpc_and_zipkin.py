# SPDX-License-Identifier: Apache-2.0
"""OTLP/gRPC and Zipkin v2, answers and errors."""

import json

import grpc
import pytest
import requests
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

import otlp


@pytest.fixture
def channel(shared_weft):
    with grpc.insecure_channel(f"127.0.0.1:{shared_weft.ports['otlp_grpc']}") as channel:
        yield channel


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_an_exported_span_is_found_at_once(shared_weft, channel, compression):
    body = otlp.request("cart", 3)
    answer = trace_service_pb2_grpc.TraceServiceStub(channel).Export(body, timeout=10, compression=compression)
    assert answer.partial_success.rejected_spans == 0
    for span in otlp.spans(body):
        assert len(shared_weft.trace(span.trace_id.hex())["spans"]) == 1


def test_partial_success_names_the_rejected(shared_weft, channel):
    body = otlp.request("cart", 2)
    otlp.spans(body)[0].trace_id = bytes(16)
    answer = trace_service_pb2_grpc.TraceServiceStub(channel).Export(body, timeout=10)
    assert answer.partial_success.rejected_spans == 1 and answer.partial_success.error_message


def test_errors_have_their_status(channel):
    def call(method, message):
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(method, lambda m: m, lambda m: m)(message, timeout=10)
        return error.value

    export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    error = call(export, b"\x0a\xff")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "at byte" in error.details()
    assert call("/opentelemetry.proto.collector.trace.v1.TraceService/Nothing", b"").code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit_is_resource_exhausted(shared_weft):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{shared_weft.ports['otlp_grpc']}", options) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", lambda m: m, lambda m: m)
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(65 << 20), timeout=60)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert shared_weft.get("/healthz").status_code == 200


def test_metrics_and_logs_are_accepted(channel):
    metrics_service_pb2_grpc.MetricsServiceStub(channel).Export(
        metrics_service_pb2.ExportMetricsServiceRequest(), timeout=10)
    logs_service_pb2_grpc.LogsServiceStub(channel).Export(logs_service_pb2.ExportLogsServiceRequest(), timeout=10)


def test_zipkin_spans_become_a_trace_and_an_edge(weft):
    spans = [
        {"traceId": "463ac35c9f6413ad", "id": "463ac35c9f6413ad", "kind": "CLIENT", "name": "get /cart",
         "timestamp": 1700000000000000, "duration": 5000, "localEndpoint": {"serviceName": "zk-web"},
         "tags": {"http.path": "/cart"}, "annotations": [{"timestamp": 1700000000001000, "value": "retry"}]},
        {"traceId": "463ac35c9f6413ad", "id": "463ac35c9f6413ad", "kind": "SERVER", "name": "get /cart", "shared": True,
         "timestamp": 1700000000001000, "duration": 3000, "localEndpoint": {"serviceName": "zk-cart"},
         "tags": {"error": "oops"}},
    ]
    answer = requests.post(weft.url("zipkin", "/api/v2/spans"), json=spans, timeout=10)
    assert answer.status_code == 202
    trace = weft.trace("463ac35c9f6413ad")["spans"]
    assert [(s["service"], s["kind"], s["depth"]) for s in trace] == [("zk-web", "client", 0), ("zk-cart", "server", 1)]
    assert trace[0]["events"][0]["name"] == "retry" and trace[1]["status"]["code"] == "error"
    assert weft.edges() == {("zk-web", "calls", "zk-cart"): 1}


def test_bad_zipkin_json_is_a_400_with_its_position(shared_weft):
    answer = requests.post(shared_weft.url("zipkin", "/api/v2/spans"), data=json.dumps([{"traceId": 7}]),
                           headers={"Content-Type": "application/json"}, timeout=10)
    assert answer.status_code == 400 and "at byte" in answer.text


def test_listeners_answer_over_ipv6_too(shared_weft):
    body = otlp.request("six")
    try:
        answer = requests.post(f"http://[::1]:{shared_weft.ports['otlp_http']}/v1/traces", data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=10)
    except requests.ConnectionError:
        if not open("/proc/net/if_inet6").read():
            pytest.skip("NO IPV6 ON THIS MACHINE")
        raise
    assert answer.status_code == 200
