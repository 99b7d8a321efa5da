#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A system of 10,000 services, 100,000 calls and 1,000,000 operations, through the real server: scale.py BUILD [--spans N]
[--series N]. Prints what ingest costs, how much memory it takes, and how long questions to the map take, each asked three times:
the first, which may read files, and the best. For minutes, on two cores."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request


def status_kb(pid, key):
    return int(re.search(key + r":\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, build, directory, settings):
        ready = pathlib.Path(directory) / "ready.json"
        ready.unlink(missing_ok=True)
        words = [f"{build}/weft", "serve", "--data", f"{directory}/data", "--ports", "0", "--ready-file", ready]
        if settings:
            config = pathlib.Path(directory) / "weft.yaml"
            config.write_text(settings)
            words += ["--config", config]
        start = time.perf_counter()
        self.process = subprocess.Popen(words, stderr=open(f"{directory}/log", "a"))
        while not ready.exists() and self.process.poll() is None:
            time.sleep(0.01)
        self.ready_s = time.perf_counter() - start
        self.ports = json.loads(ready.read_text())
        self.base = f"http://127.0.0.1:{self.ports['http']}"

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=300) as answer:
            return answer.read()

    def memory(self, what):
        pid = self.process.pid
        print(f"  {what:34} {status_kb(pid, 'VmRSS') / 1024:8.0f} MB, {status_kb(pid, 'VmHWM') / 1024:.0f} MB at the peak", flush=True)

    def ask(self, what, path):
        seconds, cpu, size = [], [], 0
        for _ in range(3):
            start, before = time.perf_counter(), cpu_s(self.process.pid)
            try:
                size = len(self.get(path))
            except OSError as error:
                print(f"  {what:34} {error}", flush=True)
                return
            seconds.append(time.perf_counter() - start)
            cpu.append(cpu_s(self.process.pid) - before)
        print(f"  {what:34} {seconds[0] * 1000:8.0f} ms first, {min(seconds) * 1000:.0f} ms then (CPU {min(cpu) * 1000:.0f} ms), "
              f"{size / 1000:.0f} kB", flush=True)


def ask_all(server):
    items = json.loads(server.get("/api/v1/map?from=-1h"))["nodes"]
    service = next((item["id"] for item in items if item["type"] == "service" and item["name"] != "(other)"), items[0]["id"])
    server.ask("/map, whole", "/api/v1/map?from=-1h")
    server.ask("/map, focus, one hop", f"/api/v1/map?from=-1h&focus={service}&hops=1")
    server.ask("/nodes/{id}", f"/api/v1/nodes/{service}?from=-1h")
    server.ask("/map/history, 60 steps", "/api/v1/map/history?from=-1h&step=1m")
    server.ask("/map/diff", "/api/v1/map/diff?a_from=-10m&a_to=-2m&b_from=-2m&b_to=now")
    server.ask("/services", "/api/v1/services")
    server.ask("/metrics", "/metrics")
    server.ask("/status", "/api/v1/status")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--spans", type=int, default=2_500_000, help="2,500,000 have each call and operation")
    parser.add_argument("--series", type=int, help="exporters.weft.map.series")
    arguments = parser.parse_args()
    settings = f"exporters:\n  weft:\n    map:\n      series: {arguments.series}\n" if arguments.series else ""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(arguments.build, directory, settings)
        sent = subprocess.run([f"{arguments.build}/bench/ingest_bench", str(server.ports["otlp_http"]), str(server.process.pid),
                               str(arguments.spans), "wide"], capture_output=True, text=True, check=True)
        print(json.dumps(json.loads(sent.stdout), indent=1))
        server.memory("memory after ingest")
        metrics = server.get("/metrics").decode()
        for name in "nodes", "edges", "series", "bytes", "refused_total":
            print(f"  weft_map_{name:25} {re.search(f'^weft_map_{name} (.*)', metrics, re.M).group(1):>8}")
        ask_all(server)
        server.memory("memory after questions")
        server.process.terminate()
        server.process.wait()
        size = sum(file.stat().st_size for file in pathlib.Path(directory, "data").rglob("*") if file.is_file())
        print(f"  disk after a clean stop            {size / arguments.spans:8.1f} bytes a span")
        server = Server(arguments.build, directory, settings)
        print(f"  start to ready                     {server.ready_s * 1000:8.0f} ms")
        server.memory("memory after a start")
        ask_all(server)
        server.memory("memory after questions")
        server.process.kill()
        server.process.wait()


main()
