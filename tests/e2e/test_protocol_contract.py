# SPDX-License-Identifier: Apache-2.0
"""The protocols as clients speak them: OTLP 1.11 over HTTP and gRPC, Zipkin, Jaeger's API, and the fine print."""

import gzip
import json
import os
import signal
import socket
import time
import zlib

import duckdb
import grpc
import pytest
import requests
import zstandard
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

import otlp
from weft import Weft

PROTOBUF, JSON = "application/x-protobuf", "application/json"
LIMIT = 64 << 20


def post(weft, data, content_type=PROTOBUF, listener="otlp_http", path="/v1/traces", **headers):
    return requests.post(weft.url(listener, path), data=data, timeout=60,
                         headers={"Content-Type": content_type, **{k.replace("_", "-"): v for k, v in headers.items()}})


def send(weft, *bodies):
    for body in bodies:
        assert post(weft, body.SerializeToString()).status_code == 200


def encoded(body, content_type):
    return json.dumps(otlp.to_json(body)).encode() if content_type.lower().startswith(JSON) else body.SerializeToString()


def status_of(answer):
    """The google.rpc.Status of a failure, in either form, as (code, message)."""
    if answer.headers["Content-Type"].startswith(JSON):
        return answer.json()["code"], answer.json()["message"]
    status = status_pb2.Status.FromString(answer.content)
    return status.code, status.message


# OTLP/HTTP

@pytest.mark.parametrize("content_type", [
    PROTOBUF, JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", "Application/JSON",
    f"{PROTOBUF}; charset=utf-8", f'{PROTOBUF}; messageType="x"', f"{JSON} ; a=b",
])
def test_the_answer_has_the_requests_content_type(shared_weft, content_type):
    body = otlp.request("web")
    answer = post(shared_weft, encoded(body, content_type), content_type)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == (JSON if JSON in content_type.lower() else PROTOBUF)
    shared_weft.trace(otlp.spans(body)[0].trace_id.hex())
    broken = post(shared_weft, b"\xff{", content_type)
    assert broken.status_code == 400 and broken.headers["Content-Type"] == answer.headers["Content-Type"]
    code, message = status_of(broken)
    assert code == 3 and message


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
@pytest.mark.parametrize("content_type, nothing, success", [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}")])
def test_a_request_that_carries_nothing_succeeds(shared_weft, path, content_type, nothing, success):
    answer = post(shared_weft, nothing, content_type, path=path)
    assert (answer.status_code, answer.content) == (200, success), "partial_success is left unset"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-thrift", "", "application/jsonp"])
def test_other_content_types_are_a_415(shared_weft, content_type):
    assert post(shared_weft, b"{}", content_type).status_code == 415


@pytest.mark.parametrize("encoding, pack", [
    ("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress), ("identity", bytes), ("", bytes),
    ("GZIP", gzip.compress), ("gzip", lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:])),
])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_bodies_are_read_in_every_encoding(shared_weft, encoding, pack, content_type):
    body = otlp.request("web")
    answer = post(shared_weft, pack(encoded(body, content_type)), content_type, Content_Encoding=encoding)
    assert answer.status_code == 200, answer.content
    shared_weft.trace(otlp.spans(body)[0].trace_id.hex())


def test_a_body_that_is_not_in_its_encoding_is_a_400(shared_weft):
    for encoding in ("gzip", "deflate", "zstd"):
        answer = post(shared_weft, b"plain", Content_Encoding=encoding)
        assert answer.status_code == 400 and status_of(answer)[0] == 3
    assert post(shared_weft, b"", Content_Encoding="br").status_code == 415


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("trace_id, span_id", [
    (bytes(16), b"12345678"), (b"", b"12345678"), (b"1234567890123456", bytes(8)), (b"1234567890123456", b""),
    (b"12345678", b"12345678"), (b"12345678901234567", b"12345678"), (b"1234567890123456", b"1234"),
])
def test_a_span_with_a_wrong_id_is_rejected_and_the_others_kept(shared_weft, content_type, trace_id, span_id):
    body = otlp.request("web", 3)
    bad, *good = otlp.spans(body)
    bad.trace_id, bad.span_id = trace_id, span_id
    answer = post(shared_weft, encoded(body, content_type), content_type)
    assert answer.status_code == 200
    if content_type == JSON:
        partial = answer.json()["partialSuccess"]
        assert int(partial["rejectedSpans"]) == 1 and partial["errorMessage"]
    else:
        partial = trace_service_pb2.ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert partial.rejected_spans == 1 and partial.error_message
    for span in good:
        shared_weft.trace(span.trace_id.hex())


@pytest.mark.parametrize("key, value", [("traceId", "z" * 32), ("spanId", "0x34567890123456"[:16]),
                                        ("traceId", "5B8EFFF798038103D269B633813FC60\u00e9")])
def test_an_id_that_is_not_hex_is_a_400(shared_weft, key, value):
    tree = otlp.to_json(otlp.request("web", 2))
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0][key] = value
    answer = post(shared_weft, json.dumps(tree), JSON)
    assert answer.status_code == 400 and status_of(answer)[0] == 3


def test_hex_ids_are_read_in_any_case(shared_weft):
    body = otlp.request("web", trace_id=bytes.fromhex("abcdef" * 5 + "ab"))
    tree = otlp.to_json(body)
    span = tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["traceId"] = span["traceId"].upper()
    assert post(shared_weft, json.dumps(tree), JSON).content == b"{}"
    assert shared_weft.trace("ABCDEF" * 5 + "AB")["trace_id"] == "abcdef" * 5 + "ab"


def test_a_body_of_64_mib_is_taken_and_one_byte_more_is_a_413(weft):
    body = otlp.request("web", attributes={"pad": ""})
    value = otlp.spans(body)[0].attributes[0].value
    value.string_value = "x" * (LIMIT - 200)
    value.string_value += "x" * (LIMIT - body.ByteSize())
    assert body.ByteSize() == LIMIT
    data = body.SerializeToString()
    assert post(weft, data).status_code == 200
    assert post(weft, gzip.compress(data, 1), Content_Encoding="gzip").status_code == 200
    value.string_value += "x"
    data = body.SerializeToString()
    for answer in (post(weft, data), post(weft, gzip.compress(data, 1), Content_Encoding="gzip")):
        assert answer.status_code == 413 and answer.headers["Content-Type"] == PROTOBUF and status_of(answer)[1]


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
def test_a_413_can_be_read_while_sending(shared_weft, framing):
    """The client writes all it has before it reads; the answer must not be lost in a reset."""
    with socket.create_connection(("127.0.0.1", shared_weft.ports["otlp_http"]), timeout=20) as client:
        client.sendall(f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\n{framing}\r\n\r\n".encode())
        piece = bytes(1 << 20)
        if "chunked" in framing:
            piece = b"100000\r\n" + piece + b"\r\n"
        for _ in range(80):
            client.sendall(piece)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_pipelined_requests_are_answered_in_order(shared_weft):
    def request(path, body):
        return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
                ).encode() + body
    with socket.create_connection(("127.0.0.1", shared_weft.ports["otlp_http"]), timeout=20) as client:
        client.sendall(request("/v1/traces", b"{}") + request("/v1/traces", b"{") + request("/v1/none", b"") +
                       request("/v1/logs", b"{}"))
        client.shutdown(socket.SHUT_WR)
        text = b"".join(iter(lambda: client.recv(65536), b""))
    assert [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"404", b"200"]


# OTLP/gRPC

@pytest.fixture(scope="module")
def channel(shared_weft):
    with grpc.insecure_channel(f"127.0.0.1:{shared_weft.ports['otlp_grpc']}") as channel:
        yield channel


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_grpc_takes_what_grpc_can_pack(shared_weft, channel, compression):
    body = otlp.request("web")
    answer = trace_service_pb2_grpc.TraceServiceStub(channel).Export(body, timeout=10, compression=compression)
    assert not answer.HasField("partial_success")
    shared_weft.trace(otlp.spans(body)[0].trace_id.hex())


def test_grpc_takes_nothing_as_a_success(channel):
    stub = trace_service_pb2_grpc.TraceServiceStub(channel)
    assert stub.Export(trace_service_pb2.ExportTraceServiceRequest(), timeout=10).ByteSize() == 0


def test_grpc_tells_unknown_methods_and_broken_messages(channel):
    def call(method, data):
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(method)(data, timeout=10)
        assert error.value.details()
        return error.value.code()
    service = "/opentelemetry.proto.collector.trace.v1.TraceService"
    assert call("/no.such.Service/Export", b"") == grpc.StatusCode.UNIMPLEMENTED
    assert call(f"{service}/Import", b"") == grpc.StatusCode.UNIMPLEMENTED
    assert call(f"{service}/Export", b"\xff\xff") == grpc.StatusCode.INVALID_ARGUMENT


def test_grpc_calls_past_their_deadline_disturb_nobody(shared_weft, channel):
    stub = trace_service_pb2_grpc.TraceServiceStub(channel)
    for _ in range(50):
        try:
            stub.Export(otlp.request("web", 100), timeout=0.0005)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    body = otlp.request("web")
    stub.Export(body, timeout=10)
    shared_weft.trace(otlp.spans(body)[0].trace_id.hex())


# Zipkin

def test_the_server_half_of_a_shared_zipkin_span_is_the_child_of_its_client_half(weft):
    trace_id, span_id = os.urandom(16).hex(), os.urandom(8).hex()
    start = (time.time_ns() - 60_000_000_000) // 1000
    halves = [{"traceId": trace_id, "id": span_id, "name": "get", "timestamp": start, "duration": 9000,
               "kind": "CLIENT", "localEndpoint": {"serviceName": "front"}},
              {"traceId": trace_id, "id": span_id, "name": "get /", "timestamp": start + 1000, "duration": 5000,
               "kind": "SERVER", "shared": True, "localEndpoint": {"serviceName": "back"}}]
    for half in halves:
        assert post(weft, json.dumps([half]), JSON, "zipkin", "/api/v2/spans").status_code == 202
    assert [(span["kind"], span["depth"]) for span in weft.trace(trace_id)["spans"]] == [("client", 0), ("server", 1)]
    assert weft.edges() == {("front", "calls", "back"): 1}
    data, = weft.ask(f"/api/traces/{trace_id}")["data"]
    client, server = sorted(data["spans"], key=lambda span: span["startTime"])
    assert client["spanID"] == span_id != server["spanID"]
    assert server["references"] == [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": span_id}]


# Jaeger's API as Jaeger's page and Grafana call it

@pytest.fixture(scope="module")
def jaeger(shared_weft):
    start = time.time_ns() - 600_000_000_000
    shared_weft.ids = []
    for i in range(120):
        body = otlp.request("a/b c", start_ns=start + i * 1_000_000_000, name="GET /x y", kind=otlp.SERVER,
                            attributes={"n": i, "http.url": "http://x/?a=b", "nan": float("nan")})
        shared_weft.ids.append(otlp.spans(body)[0].trace_id.hex())
        send(shared_weft, body)
    parent = otlp.request("a/b c", start_ns=start - 5_000_000_000, name="long", kind=otlp.CLIENT)
    child = otlp.request("late", trace_id=otlp.spans(parent)[0].trace_id, start_ns=start + 300_000_000_000)
    otlp.spans(child)[0].parent_span_id = otlp.spans(parent)[0].span_id
    nobody = otlp.request("")
    nobody.resource_spans[0].resource.ClearField("attributes")
    shared_weft.nobody = otlp.spans(nobody)[0].trace_id.hex()
    shared_weft.start_us = start // 1000
    send(shared_weft, parent, child, nobody)
    return shared_weft


def found(weft, **parameters):
    answer = weft.ask("/api/traces", **parameters)
    assert answer["errors"] is None
    return [trace["traceID"] for trace in answer["data"]]


def test_jaeger_names_with_slashes_are_found_percent_encoded(jaeger):
    assert "a/b c" in jaeger.ask("/api/services")["data"]
    assert jaeger.ask("/api/services/a%2Fb%20c/operations")["data"] == ["GET /x y", "long"]
    operations = jaeger.ask("/api/operations", service="a/b c", spanKind="server")["data"]
    assert operations == [{"name": "GET /x y", "spanKind": "server"}]


def test_jaeger_searches_as_its_page_does(jaeger):
    ids = found(jaeger, service="a/b c", operation="GET /x y", lookback="custom", start=str(jaeger.start_us),
                end=str(jaeger.start_us + 10_000_000), limit="20", minDuration="", maxDuration="1.2s",
                tags='{"http.url":"http://x/?a=b"}')
    assert ids == jaeger.ids[:11][::-1] or ids == jaeger.ids[:10][::-1]


def test_jaeger_gives_the_newest_100_unless_told_otherwise(jaeger):
    newest = jaeger.ids[::-1]
    assert found(jaeger, service="a/b c", operation="GET /x y") == newest[:100]
    assert found(jaeger, service="a/b c", operation="GET /x y", limit=7) == newest[:7]


def test_jaeger_traces_come_newest_start_first(jaeger):
    data = jaeger.ask("/api/traces", service="a/b c", limit=200)["data"]
    starts = [min(span["startTime"] for span in trace["spans"]) for trace in data]
    assert len(data) == 121 and starts == sorted(starts, reverse=True)


def test_jaeger_traces_are_read_by_id_with_and_without_a_window(jaeger):
    wanted = jaeger.ids[3]
    for parameters in ({}, {"start": 1, "end": 2}, {"prettyPrint": "true", "raw": "true"}):
        trace, = jaeger.ask(f"/api/traces/{wanted}", **parameters)["data"]
        assert trace["traceID"] == wanted
    both = jaeger.ask("/api/traces", traceID=[jaeger.ids[3], jaeger.ids[9]])["data"]
    assert {trace["traceID"] for trace in both} == {jaeger.ids[3], jaeger.ids[9]}


def test_jaeger_shows_nan_as_text(jaeger):
    answer = jaeger.get(f"/api/traces/{jaeger.ids[0]}")
    tags = {tag["key"]: tag for tag in json.loads(answer.text, parse_constant=pytest.fail)["data"][0]["spans"][0]["tags"]}
    assert tags["nan"]["value"] == "NaN"


def test_a_span_without_a_service_is_of_unknown_service(jaeger):
    assert "unknown_service" in jaeger.ask("/api/services")["data"]
    assert jaeger.nobody in found(jaeger, service="unknown_service")
    trace, = jaeger.ask(f"/api/traces/{jaeger.nobody}")["data"]
    assert {process["serviceName"] for process in trace["processes"].values()} == {"unknown_service"}


def test_jaeger_errors_are_in_its_envelope(jaeger):
    for method, path, status in (("GET", "/api/traces", 400), ("GET", "/api/traces?service=x&start=y", 400),
                                 ("GET", "/api/traces?service=x&tags=%7B", 400), ("GET", "/api/traces/xyz", 400),
                                 ("GET", "/api/traces/1", 404), ("GET", "/api/none", 404), ("POST", "/api/traces", 405),
                                 ("GET", "/api/traces?service=x&minDuration=2s&maxDuration=1s", 400)):
        answer = requests.request(method, jaeger.url("http", path), timeout=10)
        assert answer.status_code == status, path
        error, = answer.json()["errors"]
        assert error["code"] == status and error["msg"] and answer.json()["data"] is None


def test_jaeger_dependencies_are_of_the_window_asked(jaeger):
    jaeger.map()
    end = jaeger.start_us // 1000
    def edges(**window):
        return {(item["parent"], item["child"]): item["callCount"]
                for item in jaeger.ask("/api/dependencies", **window)["data"]}
    assert edges(endTs=end + 600_000, lookback=1_200_000)[("a/b c", "late")] == 1
    assert ("a/b c", "late") not in edges(endTs=end - 600_000, lookback=60_000)


# Stop

def test_sigterm_and_sigint_leave_every_span_in_parquet(tmp_path):
    weft = Weft(tmp_path / "data")
    for round_number, number in enumerate((signal.SIGTERM, signal.SIGINT), 1):
        weft.start()
        send(weft, otlp.request("web", 500))
        began = time.monotonic()
        weft.process.send_signal(number)
        assert weft.process.wait(20) == 0 and time.monotonic() - began < 20
        (count,), = duckdb.sql(f"SELECT count(*) FROM '{weft.directory}/blocks/*.parquet'").fetchall()
        assert count == 500 * round_number
