# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP 1.11: encodings, compressions, answers, errors."""

import gzip
import json
import zlib

import pytest
import requests
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

import otlp

PROTOBUF = "application/x-protobuf"
COMPRESSORS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}


def post(weft, body, content_type=PROTOBUF, encoding=None, path="/v1/traces", **options):
    headers = {"Content-Type": content_type}
    if encoding:
        headers["Content-Encoding"] = encoding
    return requests.post(weft.url("otlp_http", path), data=body, headers=headers, timeout=30, **options)


@pytest.mark.parametrize("encoding", COMPRESSORS)
@pytest.mark.parametrize("as_json", [False, True], ids=["protobuf", "json"])
def test_a_span_is_found_at_once_after_its_200(shared_weft, encoding, as_json):
    body = otlp.request("cart", attributes={"http.route": "/cart", "n": 7, "ok": True, "x": 1.5})
    content = json.dumps(otlp.to_json(body)).encode() if as_json else body.SerializeToString()
    answer = post(shared_weft, COMPRESSORS[encoding](content), "application/json" if as_json else PROTOBUF, encoding)
    assert answer.status_code == 200, answer.text
    if as_json:
        assert answer.json() == {"partialSuccess": {}} or answer.json() == {}
    else:
        assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 0
    trace = shared_weft.trace(otlp.spans(body)[0].trace_id.hex())
    assert [span["name"] for span in trace["spans"]] == ["GET /"]
    values = {entry["key"]: entry["value"] for entry in trace["spans"][0]["attributes"]}
    assert values == {"http.route": {"stringValue": "/cart"}, "n": {"intValue": "7"}, "ok": {"boolValue": True},
                      "x": {"doubleValue": 1.5}}


def test_a_chunked_body_is_read(shared_weft):
    body = otlp.request("cart")
    content = body.SerializeToString()
    answer = post(shared_weft, iter([content[:10], content[10:20], content[20:]]))
    assert answer.status_code == 200
    assert shared_weft.trace(otlp.spans(body)[0].trace_id.hex())


def test_spans_without_valid_ids_are_rejected_and_the_others_kept(shared_weft):
    body = otlp.request("cart", 4)
    bad = otlp.spans(body)
    bad[0].trace_id = b""
    bad[1].span_id = bytes(8)
    bad[2].trace_id = b"short"
    answer = post(shared_weft, body.SerializeToString())
    assert answer.status_code == 200
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_spans == 3 and partial.error_message
    assert len(shared_weft.trace(bad[3].trace_id.hex())["spans"]) == 1


def test_an_undecodable_body_is_a_400_with_its_position(shared_weft):
    content = otlp.request("cart").SerializeToString()
    answer = post(shared_weft, content[:-3])
    assert answer.status_code == 400 and answer.headers["Content-Type"] == PROTOBUF
    status = Status.FromString(answer.content)
    assert status.code == 3 and "at byte" in status.message
    answer = post(shared_weft, b'{"resourceSpans":[{"scopeSpans":[}]}', "application/json")
    assert answer.status_code == 400 and "at byte 33" in answer.json()["message"], answer.text


def test_an_id_that_is_not_hex_is_a_400(shared_weft):
    tree = otlp.to_json(otlp.request("cart"))
    tree["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "g" * 32
    assert post(shared_weft, json.dumps(tree), "application/json").status_code == 400


def test_wrong_methods_types_and_encodings_are_told(shared_weft):
    assert requests.get(shared_weft.url("otlp_http", "/v1/traces"), timeout=10).status_code == 405
    assert post(shared_weft, b"x", "text/plain").status_code == 415
    assert post(shared_weft, b"x", PROTOBUF, "br").status_code == 415
    assert requests.post(shared_weft.url("otlp_http", "/nothing"), timeout=10).status_code == 404


def test_a_compression_bomb_is_a_413_and_harms_nobody(shared_weft):
    bomb = gzip.compress(bytes(200 << 20))
    answer = post(shared_weft, bomb, encoding="gzip")
    assert answer.status_code == 413
    assert Status.FromString(answer.content).code == 8
    assert shared_weft.get("/healthz").status_code == 200


def test_a_body_over_the_limit_is_a_413_that_can_be_read(shared_weft):
    answer = post(shared_weft, bytes(65 << 20))
    assert answer.status_code == 413


def test_metrics_and_logs_are_accepted_and_counted(shared_weft):
    for path in ("/v1/metrics", "/v1/logs"):
        answer = post(shared_weft, b"", path=path)
        assert answer.status_code == 200, answer.text
        assert post(shared_weft, "{}", "application/json", path=path).status_code == 200


def test_lenient_json_is_read_like_the_collector_reads_it(shared_weft):
    trace_id = "5B8EFFF798038103D269B633813FC60C"
    tree = {"resource_spans": [{"resource": {"attributes": [{"key": "service.name", "value": {"string_value": "snake"}}]},
            "scope_spans": [{"spans": [{"trace_id": trace_id, "span_id": "EEE19B7EC3C1B174", "name": "n",
                                        "kind": "SPAN_KIND_SERVER", "start_time_unix_nano": 1700000000000000000,
                                        "end_time_unix_nano": "1700000000000000009", "unknown": [1, {"a": None}],
                                        "status": {"code": "STATUS_CODE_ERROR"}}]}]}]}
    assert post(shared_weft, json.dumps(tree), "application/json").status_code == 200
    span = shared_weft.trace(trace_id.lower())["spans"][0]
    assert (span["service"], span["kind"], span["status"]["code"], span["duration_ns"]) == ("snake", "server", "error", 9)
