# SPDX-License-Identifier: Apache-2.0
"""The outside of the program as its description promises it: ports, times, ids, lists, errors, maps, ends.

Each test states one promise to a program or person that knows nothing else of the server.
"""

import json
import re
import socket
import subprocess
import time

import pytest
import requests

import otlp
from weft import BINARY, Weft

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z")
MINUTE = 60_000_000_000


def send(weft, *bodies):
    for body in bodies:
        answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=30)
        assert answer.status_code == 200, answer.text


def one(service, start_ns, parent=None, trace_id=None, resource=None, duration_ns=5_000_000, **options):
    body = otlp.request(service, trace_id=trace_id, start_ns=start_ns, **options)
    span = otlp.spans(body)[0]
    span.end_time_unix_nano = start_ns + duration_ns
    if parent is not None:
        span.parent_span_id = otlp.spans(parent)[0].span_id
        span.trace_id = otlp.spans(parent)[0].trace_id
    for key, value in (resource or {}).items():
        body.resource_spans[0].resource.attributes.add(key=key).value.string_value = value
    return body


@pytest.fixture(scope="module")
def shop(shared_weft):
    """web → a/b (prod) → table orders; web → stripe; a/b → topic mails → mail. Its start, whole minute."""
    start = (time.time_ns() // MINUTE - 10) * MINUTE + 1_000_000_000
    prod = {"deployment.environment.name": "prod", "service.namespace": "store"}
    web = one("web", start, name="GET /x", duration_ns=80_000_000)
    call = one("web", start + 1_000_000, web, name="POST", kind=otlp.CLIENT, duration_ns=40_000_000)
    shop = one("a/b", start + 2_000_000, call, name="op/x?y z", resource=prod, duration_ns=30_000_000,
               attributes={"http.route": "/x"})
    insert = one("a/b", start + 3_000_000, shop, name="INSERT orders", kind=otlp.CLIENT, resource=prod,
                 attributes={"db.system.name": "postgresql", "db.namespace": "sales", "db.collection.name": "orders",
                             "db.operation.name": "INSERT", "server.address": "db1"})
    publish = one("a/b", start + 9_000_000, shop, name="send mails", kind=4, resource=prod,
                  attributes={"messaging.system": "kafka", "messaging.destination.name": "mails",
                              "messaging.operation.type": "send"})
    consume = one("mail", start + 20_000_000, publish, name="process mails", kind=5,
                  attributes={"messaging.system": "kafka", "messaging.destination.name": "mails",
                              "messaging.operation.type": "process"})
    stripe = one("web", start + 50_000_000, web, name="POST", kind=otlp.CLIENT,
                 attributes={"server.address": "api.stripe.com", "http.request.method": "POST"})
    send(shared_weft, web, call, shop, insert, publish, consume, stripe)
    shared_weft.trace_id = otlp.spans(web)[0].trace_id.hex()
    shared_weft.start = start
    shared_weft.map()
    return shared_weft


def walk(value, path=""):
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path)


# Commands, ports, files

def test_the_ready_file_names_each_listener_and_all_accept(shop):
    assert {"http", "otlp_http", "otlp_grpc", "zipkin"} <= set(shop.ports)
    for name, port in shop.ports.items():
        assert re.fullmatch(r"http|otlp_(http|grpc)|zipkin|jaeger_(grpc|thrift_http|compact|binary)|sampling|tempo|"
                            r"remote_storage", name)
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert len(set(shop.ports.values())) == len(shop.ports)


def test_listeners_are_local_unless_listen_opens_them(shop, tmp_path):
    def is_heard_at(ports, address):
        try:
            socket.create_connection((address, ports["http"]), timeout=2).close()
            return True
        except OSError:
            return False
    assert is_heard_at(shop.ports, "127.0.0.1") and not is_heard_at(shop.ports, "127.0.0.2")
    opened = Weft(tmp_path / "data", "--listen", "0.0.0.0").start()
    assert is_heard_at(opened.ports, "127.0.0.2")
    assert opened.stop() == 0


def test_a_port_of_0_is_printed(tmp_path):
    process = subprocess.Popen(
        [BINARY, "serve", "--data", tmp_path / "data", "--ports", "0", "--ready-file", tmp_path / "ready"],
        stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    ports = json.loads((tmp_path / "ready").read_text())
    process.terminate()
    assert process.wait(20) == 0
    process.stderr.close()
    assert str(ports["http"]) in line and str(ports["otlp_grpc"]) in line and str(ports["otlp_http"]) in line


def test_a_port_in_use_is_exit_1_with_one_line_that_says_what_to_do(shop, tmp_path):
    result = subprocess.run([BINARY, "serve", "--data", tmp_path / "data", "--set",
                             f"receivers.otlp.protocols.grpc.endpoint=localhost:{shop.ports['otlp_grpc']}"],
                            capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("weft: ")]
    assert len(lines) == 1 and str(shop.ports["otlp_grpc"]) in lines[0] and "--ports 0" in lines[0]


def test_a_directory_in_use_is_exit_1_with_one_line(shop):
    result = subprocess.run([BINARY, "serve", "--data", shop.directory, "--ports", "0"], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 1
    assert len([line for line in result.stderr.splitlines() if line.startswith("weft: ")]) == 1


def test_version_and_help_are_exit_0_and_nothing_at_all_is_exit_2():
    def status(*words):
        return subprocess.run([BINARY, *words], capture_output=True, timeout=20).returncode
    assert status("version") == status("--version") == status("--help") == status("help", "serve") == 0
    assert status() == status("help", "fly") == 2


def test_a_command_that_fails_on_the_server_is_exit_1_with_one_line(shop):
    for words in (["search", "{ duration > }"], ["trace", "zz"], ["map", "--from", "yesterday"]):
        result = subprocess.run([BINARY, *words, "--url", shop.url("http")], capture_output=True, text=True, timeout=20)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert result.stderr.startswith("weft: ")


def test_files_that_cannot_be_read_and_queries_that_fail_are_one_line(shop, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "broken").write_text('{"resourceSpans":[{]}')
    ingest = ("--endpoint", shop.url("otlp_http"))
    for words in (["import", *ingest, tmp_path / "none"], ["import", *ingest, tmp_path / "empty"],
                  ["import", *ingest, tmp_path / "broken"], ["import", "--endpoint", "http://localhost:1", "/etc/hosts"],
                  ["export", "--url", shop.url("http"), "--query", "{ duration > }"],
                  ["export", "--url", "http://localhost:1"]):
        result = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=20)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert result.stderr.startswith("weft: ") and '{"error"' not in result.stderr


@pytest.mark.parametrize("protocol, compression", [("grpc", "gzip"), ("grpc", "zstd"), ("http/protobuf", "none"),
                                                   ("http/json", "zstd")])
def test_loadgen_prints_what_it_sent_and_what_was_acknowledged(weft, protocol, compression):
    result = subprocess.run([BINARY, "loadgen", "--endpoint", weft.url("otlp_grpc" if protocol == "grpc" else "otlp_http"),
                             "--rate", "200", "--duration", "1s", "--protocol", protocol, "--compression", compression],
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    sent, acknowledged = (int(re.search(rf"{word} (\d+)", result.stdout)[1]) for word in ("sent", "acknowledged"))
    assert sent == acknowledged == weft.ask("/api/v1/status")["spans"]["received"] > 0


def test_commands_print_the_answer_of_the_api_with_json(shop):
    def run(*words):
        return json.loads(subprocess.run([BINARY, *words, "--json", "--url", shop.url("http")], capture_output=True,
                                         text=True, timeout=20, check=True).stdout)
    assert run("trace", shop.trace_id) == shop.trace(shop.trace_id)
    assert [item["trace_id"] for item in run("search", '{ resource.service.name = "web" }')["items"]] == [shop.trace_id]
    assert {edge["relation"] for edge in run("map")["edges"]} >= {"calls", "writes", "publishes", "consumes"}


# Times, durations, ids

@pytest.mark.parametrize("form", ["rfc3339", "offset", "seconds", "fraction", "milliseconds"])
def test_a_time_is_read_in_every_form(shop, form):
    def spelled(ns):
        seconds = ns // 1_000_000_000
        return {
            "rfc3339": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
            "offset": time.strftime("%Y-%m-%dT%H:%M:%S+02:00", time.gmtime(seconds + 7200)),
            "seconds": str(seconds),
            "fraction": f"{seconds}.000",
            "milliseconds": str(seconds * 1000),
        }[form]
    second = 1_000_000_000
    def found(start, end):
        items = shop.ask("/api/v1/traces", **{"from": spelled(start), "to": spelled(end)})["items"]
        return shop.trace_id in [item["trace_id"] for item in items]
    assert found(shop.start, shop.start + second)
    assert not found(shop.start + second, shop.start + 2 * second)
    assert not found(shop.start - second, shop.start)


def test_relative_times_count_from_now(shop):
    def found(**window):
        return shop.trace_id in [item["trace_id"] for item in shop.ask("/api/v1/traces", **window)["items"]]
    assert found(**{"from": "-15m", "to": "now"}) and found(**{"from": "-1h"})
    assert not found(**{"from": "-1m"}) and not found(**{"to": "-30m"})


def test_times_ids_and_durations_have_one_form_in_every_answer(shop):
    node = next(node for node in shop.map()["nodes"] if node["name"] == "web")
    edge = shop.map()["edges"][0]
    for path in ("/api/v1/map?from=-1h", f"/api/v1/traces/{shop.trace_id}", "/api/v1/traces", "/api/v1/services",
                 "/api/v1/services/web/operations", "/api/v1/status", f"/api/v1/nodes/{node['id']}?from=-1h",
                 f"/api/v1/edges/{edge['id']}?from=-1h", "/api/v1/map/history?from=-1h&step=5m"):
        for name, value in walk(shop.ask(path)):
            key = name.rsplit("/", 1)[-1]
            if key.endswith("_ns"):
                assert isinstance(value, int), (path, name, value)
            if "duration" in key and not key.endswith("_ns"):
                assert isinstance(value, dict) and set(value) == {"p50_ns", "p90_ns", "p99_ns"}, (path, name)
            if key in ("start", "from", "to", "time", "first_seen", "last_seen", "first", "last", "complete_to",
                       "oldest", "newest") and isinstance(value, str):
                assert TIME.match(value), (path, name, value)
            if key == "trace_id":
                assert re.fullmatch("[0-9a-f]{32}", value), (path, name)
            assert value is not None or key in ("truncated", "cursor"), f"{path}: {name} is null, not absent"


def test_ids_of_nodes_and_edges_fit_in_a_url_and_stay_over_a_restart(tmp_path):
    weft = Weft(tmp_path / "data").start()
    send(weft, one("web", time.time_ns() - MINUTE, kind=otlp.CLIENT, attributes={"server.address": "api.example"}))
    before = weft.map()
    assert weft.stop() == 0
    again = weft.start().map()
    assert weft.stop() == 0
    ids = [item["id"] for item in before["nodes"] + before["edges"]]
    assert len(ids) == 3 and all(re.fullmatch(r"[A-Za-z0-9._~-]{1,64}", item) for item in ids)
    assert ids == [item["id"] for item in again["nodes"] + again["edges"]]


# Lists

@pytest.mark.parametrize("limit", [1, 2, 3, 7, 24, 25, 26, 1000])
def test_all_pages_together_are_all_traces_once(weft, limit):
    start = time.time_ns() - 10 * MINUTE
    ids = []
    for i in range(25):  # several at the same nanosecond, several of two spans
        body = one("web", start + i // 3 * 1000)
        ids.append(otlp.spans(body)[0].trace_id.hex())
        send(weft, body, *([one("cart", start + 500_000 + i, body)] if i % 4 == 0 else []))
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = weft.ask("/api/v1/traces", limit=limit, **({"cursor": cursor} if cursor else {}))
        starts = [item["start"] for item in page["items"]]
        assert starts == sorted(starts, reverse=True), "each page is newest first by the start that it shows"
        assert len(page["items"]) <= limit
        seen += [item["trace_id"] for item in page["items"]]
        cursor, pages = page["cursor"], pages + 1
        send(weft, one("late", time.time_ns()))  # newer: belongs before the first page
    assert sorted(seen) == sorted(ids)
    assert pages <= -(-25 // limit) + 1


@pytest.mark.parametrize("path, key", [
    ("/api/v1/services", "name"), ("/api/v1/services/web/operations", "name"),
    ("/api/v1/attributes", "key"), ("/api/v1/attributes/span.n/values", "value"),
])
@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
def test_every_list_is_paged_without_loss(shop, path, key, limit):
    send(shop, *(one("web", shop.start + i, name=f"op {i % 5}", attributes={"n": i, "x" * (i + 1): "y"})
                 for i in range(6)))
    whole = shop.ask(path, limit=1000)
    assert whole["cursor"] is None and len(whole["items"]) > 2
    seen, cursor = [], None
    while True:
        page = shop.ask(path, limit=limit, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= limit
        seen += [item[key] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [item[key] for item in whole["items"]]


def test_a_list_goes_on_behind_its_cursor_when_names_appear_before_it(weft):
    start = time.time_ns() - MINUTE
    send(weft, *(one(name, start) for name in ("b", "d", "f")))
    page = weft.ask("/api/v1/services", limit=2)
    send(weft, one("a", start), one("e", start))
    rest = weft.ask("/api/v1/services", limit=9, cursor=page["cursor"])
    assert [item["name"] for item in page["items"] + rest["items"]] == ["b", "d", "e", "f"]


def test_values_that_are_alike_for_thousands_of_bytes_are_each_on_one_page(weft):
    values = sorted(["", "a", *("x" * 5000 + str(i) for i in range(4)), "y"])
    send(weft, *(one("web", time.time_ns(), attributes={"v": value}) for value in values))
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = weft.ask("/api/v1/attributes/span.v/values", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [item["value"] for item in page["items"]]
        cursor = page["cursor"]
    assert seen == values


@pytest.mark.parametrize("path", ["/api/v1/services", "/api/v1/services/web/operations", "/api/v1/traces",
                                  "/api/v1/attributes", "/api/v1/attributes/span.n/values"])
@pytest.mark.parametrize("parameters, code", [
    ({"cursor": "x"}, "bad_cursor"), ({"cursor": "AAAAAAAAAAAA"}, "bad_cursor"), ({"limit": "0"}, "bad_parameter"),
    ({"limit": "-1"}, "bad_parameter"), ({"limit": "1001"}, "bad_parameter"), ({"limit": "many"}, "bad_parameter"),
])
def test_a_wrong_limit_or_cursor_is_told(shop, path, parameters, code):
    answer = shop.get(path, **parameters)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


# Errors

@pytest.mark.parametrize("method, path, status", [
    ("GET", "/api/v1/traces/xyz", 400), ("GET", "/api/v1/traces/" + "1" * 33, 400),
    ("GET", "/api/v1/traces/" + "0" * 31 + "1", 404), ("GET", "/api/v1/nodes/none", 404),
    ("GET", "/api/v1/edges/none?from=-1h", 404), ("GET", "/api/v1/none", 404), ("GET", "/api/v1/map?from=x", 400),
    ("GET", "/api/v1/map?type=planet", 400), ("GET", "/api/v1/map?focus=none&from=-1h", 404),
    ("GET", "/api/v1/map?hops=many", 400), ("GET", "/api/v1/map?resolve=perhaps", 400),
    ("GET", "/api/v1/map?window=long&at=now", 400), ("GET", "/api/v1/map?frm=-1h", 400),
    ("GET", "/api/v1/traces?q=%7B", 400), ("GET", "/api/v1/traces?q=%zz", 400), ("GET", "/api/v1/traces/%zz", 400),
    ("POST", "/api/v1/map", 405), ("PUT", "/api/v1/attributes", 405), ("PUT", "/api/v1/status", 405),
    ("GET", "/no.such.file", 404), ("GET", "/api", 404), ("GET", "/api/v1", 404), ("POST", "/", 405), ("GET", "/api/v1/traces?q=" + "x" * 70_000, None),
])
def test_every_refusal_is_an_error_object(shop, method, path, status):
    answer = requests.request(method, shop.url("http", path), timeout=10)
    assert 400 <= answer.status_code < 500 and status in (None, answer.status_code)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"} and all(isinstance(text, str) and text for text in error.values())
    assert answer.status_code != 405 or answer.headers["Allow"] == "GET, HEAD"


def test_the_operations_of_a_service_that_the_map_does_not_know_yet_are_listed(weft):
    assert weft.ask("/api/v1/services/nobody/operations") == {"items": [], "cursor": None}
    send(weft, one("web", time.time_ns(), name="GET /x"))  # its trace stays open for some seconds
    assert [item["name"] for item in weft.ask("/api/v1/services/web/operations")["items"]] == ["GET /x"]


# The map

def test_nodes_have_what_their_type_has_and_nothing_null(shop):
    answer = shop.map()
    nodes = {(node["type"], node.get("collection") or node["name"]): node for node in answer["nodes"]}
    common = {"id", "type", "name", "labels", "first_seen", "last_seen"}
    assert all(common <= set(node) for node in answer["nodes"])
    service = nodes["service", "a/b"]
    assert (service["environment"], service["namespace"], service["requests"]) == ("prod", "store", 1)
    assert {"system", "address", "collection", "parent"}.isdisjoint(service)
    table = nodes["table", "orders"]
    database = next(node for node in answer["nodes"] if node["id"] == table["parent"])
    assert (database["type"], database["system"], database["namespace"], database["address"]) == (
        "database", "postgresql", "sales", "db1")
    assert "collection" not in database and "parent" not in database
    assert nodes["queue", "mails"]["system"] == "kafka"
    assert any(kind == "external" and "stripe" in name for kind, name in nodes)
    assert answer["truncated"] is None and TIME.match(answer["complete_to"])


def test_edges_have_their_fields_and_name_nodes_of_the_answer(shop):
    answer = shop.map()
    ids = {node["id"] for node in answer["nodes"]}
    for edge in answer["edges"]:
        assert {"id", "source", "target", "relation", "count", "errors", "adjusted_count", "rules", "intervals", "flows",
                "exemplars"} <= set(edge)
        assert edge["relation"] in "calls reads writes accesses publishes consumes performs follows".split()
        assert {edge["source"], edge["target"]} <= ids
        assert sum(edge["rules"].values()) == edge["count"]
        assert set(edge["exemplars"]) == {"latest", "error", "slowest"}
        assert all(set(interval) == {"first", "last"} for interval in edge["intervals"])
    names = {node["id"]: node.get("collection") or node["name"] for node in answer["nodes"]}
    calls = next(edge for edge in answer["edges"] if names[edge["target"]] == "a/b")
    assert 35e6 < calls["duration"]["p50_ns"] < 45e6, "as its client saw it"
    assert 25e6 < calls["server_duration"]["p50_ns"] < 35e6, "as its server saw it"


def test_a_hop_goes_from_producer_over_queue_to_consumer(shop):
    answer = shop.map()
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    hops = [(names[hop["producer"]], names[hop["queue"]], names[hop["consumer"]], hop["count"])
            for hop in answer["hops"]]
    assert hops == [("a/b", "mails", "mail", 1)]
    assert set(answer["hops"][0]["age"]) == {"p50_ns", "p90_ns", "p99_ns"}


def test_an_empty_environment_means_those_without_one(shop):
    def services(**parameters):
        return {node["name"] for node in shop.map(**parameters)["nodes"] if node["type"] == "service"}
    assert {"web", "mail", "a/b"} <= services()
    assert services(environment="prod") == {"a/b"}
    assert "a/b" not in services(environment="") and "web" in services(environment="")
    assert services(environment="none") == set()
    assert services(namespace="store") == {"a/b"}


def test_type_is_a_comma_list_of_the_types_wanted(shop):
    assert {node["type"] for node in shop.map(type="service,queue")["nodes"]} == {"service", "queue"}
    assert {edge["relation"] for edge in shop.map(type="service,queue")["edges"]} == {"calls", "publishes", "consumes"}
    assert {"flow", "step"}.isdisjoint({node["type"] for node in shop.map()["nodes"]})


def test_focus_keeps_what_is_within_the_hops(shop):
    nodes = {node["name"]: node["id"] for node in shop.map()["nodes"]}
    def around(name, hops):
        return {node["name"] for node in shop.map(focus=nodes[name], hops=hops)["nodes"] if node["type"] == "service"}
    assert around("web", 1) == {"web", "a/b"}
    assert around("api.stripe.com", 1) == {"web"}
    assert around("api.stripe.com", 2) == {"web", "a/b"}


def test_at_and_window_are_the_window_that_ends_there(shop):
    def services(**parameters):
        answer = shop.ask("/api/v1/map", wait="true", **parameters)
        assert TIME.match(answer["from"]) and TIME.match(answer["to"])
        return {node["name"] for node in answer["nodes"] if node["type"] == "service"}
    minute = shop.start // 1_000_000_000
    assert {"web", "mail"} <= services(at=str(minute + 60), window="2m")
    assert services(at=str(minute - 60), window="2m") == set()
    assert services(at="now", window="1m") == set()
    assert "web" in services(at="now", window="1h")


def test_the_map_settles_open_traces_when_told_to_wait(weft):
    send(weft, one("web", time.time_ns(), kind=otlp.CLIENT, attributes={"server.address": "api.example"}))
    began = time.monotonic()
    assert len(weft.ask("/api/v1/map", **{"from": "-5m", "wait": "true"})["edges"]) == 1
    assert time.monotonic() - began < 2, "without the assembly window of 5 s"


def test_without_waiting_the_map_has_it_within_the_assembly_window(weft):
    send(weft, one("web", time.time_ns(), kind=otlp.CLIENT, attributes={"server.address": "api.example"}))
    deadline = time.monotonic() + 7
    while not (edges := weft.ask("/api/v1/map", **{"from": "-5m"})["edges"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(edges) == 1


def test_resolve_false_leaves_names_as_they_were_sent(weft):
    start = time.time_ns() - MINUTE
    send(weft, one("web", start, kind=otlp.CLIENT, attributes={"server.address": "cart"}), one("cart", start))
    def edges(**parameters):
        answer = weft.map(**parameters)
        types = {node["id"]: (node["type"], node["name"]) for node in answer["nodes"]}
        return {types[edge["target"]] for edge in answer["edges"]}
    assert ("service", "cart") not in edges(resolve="false") and edges(resolve="false")
    assert edges() == edges(resolve="true")


# Paths and the page

@pytest.mark.parametrize("path, target", [
    ("/trace/0123456789abcdef", "/#/trace/0123456789abcdef"), ("/search", "/#/search"),
    ("/traces?q=%7B%7D&last=1h", "/#/traces?q=%7B%7D&last=1h"),
])
def test_a_view_at_another_path_is_sent_to_the_page(shop, path, target):
    answer = requests.get(shop.url("http", path), allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (302, target)


def test_the_page_and_its_files_load_at_the_root(shop):
    page = requests.get(shop.url("http", "/"), timeout=10)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    files = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page.text)
    assert files
    for name in files:
        assert requests.get(shop.url("http", f"/{name}"), timeout=10).status_code == 200


def test_health_and_readiness_are_told(shop):
    assert shop.get("/healthz").status_code == 200
    assert shop.get("/readyz").status_code == 200


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? '
                    r'(-?(?:[0-9.]+(?:[eE][-+]?\d+)?)|[-+]?Inf|NaN)( -?\d+)?\Z')


def test_metrics_keep_to_the_text_format_of_prometheus(shop):
    answer = shop.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.text.endswith("\n")
    types, samples, last = {}, set(), None
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types and kind in ("counter", "gauge", "histogram", "summary", "untyped")
            types[name] = kind
            last = name
        elif not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            family = re.sub("_(bucket|sum|count)$", "", match[1]) if match[1] not in types else match[1]
            assert family == last, f"{line}: stands in no group of its family"
            assert (match[1], match[2]) not in samples, f"{line}: twice"
            samples.add((match[1], match[2]))
            assert types[family] != "counter" or match[1].endswith("_total"), line
    assert samples
