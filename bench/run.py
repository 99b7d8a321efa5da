#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks and prints a table.

    make bench [SPANS=100000000] [KINDS="easy hard"]

The server is pinned to one core, the sender to the other. A peer is measured by the same sender in the same run
when PEER names its command, with {port} for its port and {data} for a fresh directory; PEER_FORMAT is otlp (HTTP
protobuf; the default) or zipkin. For example, with Zipkin's server from Maven Central:

    mvn dependency:get -Dartifact=io.zipkin:zipkin-server:3.4.4:jar:exec -Dtransitive=false
    PEER='java -jar ~/.m2/repository/io/zipkin/zipkin-server/3.4.4/zipkin-server-3.4.4-exec.jar --server.port={port}' \\
        PEER_FORMAT=zipkin make bench
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

SERVER_CORE, SENDER_CORE = "0", "1"
GOALS = {"easy": ("goal 2.5", "goal 43"), "hard": ("goal 6", "goal 115")}


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def timed(urls):
    """Milliseconds p50 and p99 of these GETs after one to warm up."""
    urllib.request.urlopen(urls[0], timeout=60).read()
    samples = []
    for url in urls:
        start = time.perf_counter()
        urllib.request.urlopen(url, timeout=60).read()
        samples.append((time.perf_counter() - start) * 1000)
    samples.sort()
    return statistics.median(samples), samples[int(len(samples) * 0.99) - 1]


def directory_bytes(path):
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


def row(name, value, unit, goal=""):
    print(f"  {name:42} {value:>12} {unit:22} {goal}", flush=True)


def rss_mb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def start_weft(build, directory, *options):
    ready = pathlib.Path(directory).parent / "ready.json"
    ready.unlink(missing_ok=True)
    started = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", SERVER_CORE, f"{build}/weft", "serve", "--data", directory, "--ports", "0",
                                "--ready-file", ready, *options], stderr=subprocess.DEVNULL)
    while not ready.exists():
        time.sleep(0.001)
    return process, json.loads(ready.read_text()), (time.perf_counter() - started) * 1000


def send(build, port, pid, spans, kind, wire="otlp"):
    result = subprocess.run(["taskset", "-c", SENDER_CORE, f"{build}/bench/ingest_bench", str(port), str(pid), str(spans), kind, wire],
                            capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"the sender failed: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


def print_ingest(figures, goal_cpu, goal_rate="", goal_memory=""):
    row("acknowledged, server on one core", f"{figures['spans_per_s']:,}", "spans/s", goal_rate)
    row("CPU, all included", f"{figures['cpu_s_per_million']:.2f}", "CPU-s per million", goal_cpu)
    row("CPU until the last answer", f"{figures['cpu_s_per_million_until_last_answer']:.2f}", "CPU-s per million")
    row("memory at the peak", f"{figures['peak_rss_mb']:.0f}", "MB", goal_memory)


def sample_ids(base, n):
    """Ids of traces from all of the time that is stored."""
    spans = get(f"{base}/status")["spans"]
    oldest, newest = (datetime.datetime.fromisoformat(spans[end][:19] + "+00:00").timestamp() for end in ("oldest", "newest"))
    ids = []
    for i in range(n):
        end = oldest + 1 + (newest - oldest) * (i + 1) / n
        found = get(f"{base}/traces?limit=50&from={oldest - 1:.3f}&to={end:.3f}")["items"]
        ids += [random.choice(found)["trace_id"]] if found else []
    return ids


def ask(base):
    ids = sample_ids(base, 200)
    row(f"trace by id, {len(set(ids))} traces, p50 / p99",
        "%.2f / %.2f" % timed([f"{base}/traces/{trace_id}" for trace_id in ids]), "ms over HTTP", "goal 1 / 10")
    queries = (urllib.parse.quote(f'{{ span.customer.id = "c-{(i * 7919 + 17) % 100000:06d}" }}') for i in range(20))
    row("search on an attribute, p50 / p99", "%.1f / %.1f" % timed([f"{base}/traces?q={query}&limit=20" for query in queries]), "ms over HTTP")
    row("map of an hour, p50 / p99", "%.1f / %.1f" % timed([f"{base}/map?from=-1h"] * 50), "ms over HTTP", "goal 50")


def bench_weft(build, spans, kind, goal_cpu, goal_disk):
    print(f"\nweft, {spans:,} {kind} spans", flush=True)
    with tempfile.TemporaryDirectory() as root:
        data = f"{root}/data"
        process, ports, start_ms = start_weft(build, data)
        time.sleep(1)
        row("start to ready, empty", f"{start_ms:.0f}", "ms", "goal 100")
        row("memory idle", f"{rss_mb(process.pid):.1f}", "MB", "goal 30")
        figures = send(build, ports["otlp_http"], process.pid, spans, kind)
        print_ingest(figures, goal_cpu, "goal 150,000" if kind == "easy" else "", "goal 200")
        ask(f"http://127.0.0.1:{ports['http']}/api/v1")
        process.terminate()
        process.wait()
        row("disk after a clean stop", f"{directory_bytes(data) / figures['spans']:.1f}", "bytes per span", goal_disk)
        row("blocks", len(list(pathlib.Path(data, "blocks").glob("*.parquet"))), "files")
        process, ports, start_ms = start_weft(build, data)
        row("start with these spans", f"{start_ms:.0f}", "ms")
        row("memory after it", f"{rss_mb(process.pid):.1f}", "MB")
        process.kill()
        process.wait()
    return figures


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bench_weft_as_peer(build, spans, wire):
    """Weft over the peer's own protocol, for a fair ratio."""
    with tempfile.TemporaryDirectory() as root:
        process, ports, _ = start_weft(build, f"{root}/data")
        figures = send(build, ports["zipkin" if wire == "zipkin" else "otlp_http"], process.pid, spans, "easy", wire)
        process.kill()
        process.wait()
    print(f"\nweft, {spans:,} easy spans as {wire}")
    print_ingest(figures, "")
    return figures


def bench_peer(build, command, spans, wire):
    weft = bench_weft_as_peer(build, spans, wire)
    with tempfile.TemporaryDirectory() as data:
        port = free_port()
        words = [os.path.expanduser(word) for word in shlex.split(command.format(port=port, data=data))]
        process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        time.sleep(2)
        print(f"\npeer ({pathlib.Path(words[-2] if words[0] == 'java' else words[0]).name}), {spans:,} easy spans as {wire}")
        figures = send(build, port, process.pid, spans, "easy", wire)
        print_ingest(figures, "")
        row("CPU, peer / weft", f"{figures['cpu_s_per_million'] / weft['cpu_s_per_million']:.1f}", "times")
        row("throughput, weft / peer", f"{weft['spans_per_s'] / figures['spans_per_s']:.1f}", "times")
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("spans", type=int)
    parser.add_argument("kinds", nargs="+", choices=GOALS)
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        bench_weft(arguments.build, arguments.spans, kind, *GOALS[kind])
    if os.environ.get("PEER"):
        bench_peer(arguments.build, os.environ["PEER"], min(arguments.spans, 200_000), os.environ.get("PEER_FORMAT", "otlp"))


if __name__ == "__main__":
    main()
