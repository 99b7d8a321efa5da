# SPDX-License-Identifier: Apache-2.0
"""The commands as a person types them."""

import json
import os
import re
import subprocess
import time

import requests

import otlp
from weft import BINARY


def weft_command(*words, stdin=None):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, input=stdin)


def test_help_names_every_command_and_option():
    overview = weft_command("help")
    assert overview.returncode == 0
    for command in ("serve", "demo", "loadgen", "map", "diff", "search", "trace", "import", "export", "validate",
                    "print-config", "components", "version", "completion"):
        assert f"  {command}" in overview.stdout
        page = weft_command(command, "--help")
        assert page.returncode == 0 and page.stdout.startswith(f"Usage: weft {command}")
    assert "receivers.otlp.protocols.grpc.endpoint" in weft_command("help", "settings").stdout


def test_wrong_usage_is_exit_2_with_one_line():
    for words in (["fly"], ["serve", "--nothing"], ["serve", "--set", "a.b=c"], ["trace"], ["map", "x"],
                  ["loadgen", "--rate", "x"], ["completion", "csh"], ["serve", "--ports", "7"]):
        result = weft_command(*words)
        assert result.returncode == 2, words
        assert result.stderr.startswith("weft: ") and result.stderr.count("\n") == 1, result.stderr


def test_a_wrong_setting_names_the_nearest(tmp_path):
    config = tmp_path / "weft.yaml"
    config.write_text("receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpiont: localhost:1\n")
    result = weft_command("serve", "--config", str(config))
    assert result.returncode == 2
    assert "line 5" in result.stderr and "receivers.otlp.protocols.grpc.endpoint" in result.stderr


def test_a_configuration_is_validated_as_serve_would_take_it(tmp_path):
    config = tmp_path / "weft.yaml"
    config.write_text("exporters: {weft: {retention: {age: 3d, rules: '{ status = error } 30d'}}}\n"
                      "service: {pipelines: {traces: {receivers: [otlp], exporters: [weft]}}}\n")
    result = weft_command("validate", "--config", str(config))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for setting, told in (("exporters.weft.retention.rules={ status = } 3d", "exporters.weft.retention.rules"),
                          ("exporters.weft.map.mappings=( -> service x", "exporters.weft.map.mappings"),
                          ("exporters.weft.map.flows={", "exporters.weft.map.flows"),
                          ("extensions.weft_alerts.rules=[{}]", "extensions.weft_alerts.rules"),
                          ("receivers.zipkin.endpoint=9411", "zipkin"),
                          ("receivers.zipkin.tls.cert_file=/nowhere.pem", "zipkin"),
                          ("service.pipelines.traces.processors=batch", "batch")):
        result = weft_command("validate", "--config", str(config), "--set", setting)
        assert result.returncode == 1 and told in result.stderr and result.stderr.count("\n") == 1, (setting, result.stderr)


def test_print_config_prints_what_validate_takes(tmp_path):
    printed = weft_command("print-config", "--set", "exporters.weft.block.spans=4321").stdout
    assert "      spans: 4321\n" in printed and 'endpoint: "localhost:4317"' in printed
    (tmp_path / "printed.yaml").write_text(printed)
    assert weft_command("validate", "--config", str(tmp_path / "printed.yaml")).returncode == 0
    assert weft_command("print-config", "--config", str(tmp_path / "printed.yaml")).stdout == printed
    assert weft_command("components").stdout.count("  - name: ") >= 5
    assert weft_command("print-config", "--set", "a=b").returncode == 1


def test_loadgen_gives_up_at_once_where_nobody_takes_anything(weft):
    for endpoint in ("http://localhost:1", weft.url("http"), weft.url("otlp_http", "/nowhere")):
        start = time.monotonic()
        result = weft_command("loadgen", "--endpoint", endpoint, "--duration", "60s", "--rate", "500")
        assert result.returncode == 1 and time.monotonic() - start < 20
        assert result.stdout == "" and result.stderr.count("\n") == 1 and endpoint in result.stderr, result


def test_completion_is_valid_bash():
    script = weft_command("completion", "bash").stdout
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_nobody_listening_is_told():
    result = weft_command("map", "--url", "http://localhost:1")
    assert result.returncode == 1 and "weft serve" in result.stderr


def test_map_search_and_trace_read_well(weft):
    body = otlp.request("cart", 3, name="GET /cart")
    requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                  headers={"Content-Type": "application/x-protobuf"}, timeout=10).raise_for_status()
    url = weft.url("http")
    found = weft_command("search", '{ resource.service.name = "cart" }', "--url", url)
    assert found.returncode == 0 and found.stdout.count("cart GET /cart") == 3, found.stderr
    trace = weft_command("trace", otlp.spans(body)[0].trace_id.hex(), "--url", url)
    assert "cart GET /cart" in trace.stdout and "5 ms" in trace.stdout
    assert json.loads(weft_command("map", "--json", "--url", url).stdout)["nodes"] is not None
    missing = weft_command("trace", "0" * 31 + "1", "--url", url)
    assert missing.returncode == 1 and "HTTP 404" in missing.stderr


def test_map_and_diff_read_well(weft):
    url, now = weft.url("http"), time.time_ns()
    for minutes, count in ((115, 20), (55, 200)):
        bodies = []
        for index in range(count):
            trace = os.urandom(16)
            start = now - (minutes * 60 - index * 3000 // count) * 1_000_000_000
            web = otlp.request("web", trace_id=trace, start_ns=start, kind=otlp.CLIENT)
            cart = otlp.request("cart" if minutes == 55 else "basket", trace_id=trace, start_ns=start + 1000)
            otlp.spans(cart)[0].parent_span_id = otlp.spans(web)[0].span_id
            bodies += [web, cart]
        for body in bodies[1:]:
            bodies[0].MergeFrom(body)
        requests.post(weft.url("otlp_http", "/v1/traces"), data=bodies[0].SerializeToString(),
                      headers={"Content-Type": "application/x-protobuf"}, timeout=10).raise_for_status()
    weft.map()
    printed = weft_command("map", "--window", "1h", "--url", url)
    assert printed.returncode == 0, printed.stderr
    assert "2 nodes, 1 edge, " in printed.stdout and re.search(r"calls +cart +200 +0.0 %  p50 5", printed.stdout)
    earlier = weft_command("map", "--at", "-1h", "--window", "1h", "--url", url)
    assert "basket" in earlier.stdout and "cart" not in earlier.stdout
    compared = weft_command("diff", "--url", url)
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"new\n +service +cart\n +web calls cart  200 calls, certain", compared.stdout), compared.stdout
    assert re.search(r"gone\n +service +basket\n +web calls basket  20 calls", compared.stdout)
    assert weft_command("diff", "--a-from", "-1h", "--a-to", "now", "--b-from", "-1h", "--url", url).stdout.endswith(
        "Nothing changed by more than it varies by itself.\n")
    assert json.loads(weft_command("diff", "--json", "--url", url).stdout)["changed"] == []


def test_loadgen_export_and_import_keep_every_span(weft, tmp_path):
    protocols = (("http/protobuf", "otlp_http"), ("http/json", "otlp_http"), ("grpc", "otlp_grpc"))
    for seed, (protocol, listener) in enumerate(protocols):
        sent = weft_command("loadgen", "--endpoint", weft.url(listener), "--rate", "300", "--duration", "2s",
                            "--protocol", protocol, "--seed", str(seed))
        assert sent.returncode == 0, sent.stderr
    stored = weft.ask("/api/v1/status")["spans"]["stored"]
    assert stored > 300
    exported = weft_command("export", "--url", weft.url("http"))
    assert exported.returncode == 0, exported.stderr
    spans = [span for line in exported.stdout.splitlines() for resource in json.loads(line)["resourceSpans"]
             for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert len(spans) == stored
    from weft import Weft
    other = Weft(tmp_path / "other").start()
    for file_format in ("otlp-json", "jaeger"):
        text = weft_command("export", "--url", weft.url("http"), "--format", file_format).stdout
        path = tmp_path / file_format
        path.write_text(text)
        result = weft_command("import", "--endpoint", other.url("otlp_http"), str(path))
        assert result.returncode == 0, result.stderr
        assert f"imported {stored} spans" in result.stderr
    assert other.stop() == 0
