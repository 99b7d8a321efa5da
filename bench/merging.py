#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What merging blocks costs those who send and ask meanwhile: merging.py BUILD [--spans N] [--kind easy].

Ingest at full speed and questions go on all the time; what they take is told for the time before merging begins and
the time in which it goes on, in the same run. Blocks are merged when their window of time is over, an eighth of the
retention's age: so the run begins with a window of WINDOW_S seconds, fills it with N spans, measures, and measures
again when the window is over and the thread that merges takes CPU. The server is on one core, all else on the other.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import run

WINDOW_S = 180
BODY_SPANS = 500
SENDER_WAITS_S = 8  # once all is sent


class Compactor:
    """The thread's CPU, and what it has done."""

    def __init__(self, pid):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self.stat = next(task for task in tasks if (task / "comm").read_text().strip() == "compactor") / "stat"

    def cpu_s(self):
        fields = self.stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sender:
    """Sends fresh traces at full speed; the rate is that of the bodies themselves."""

    def __init__(self, build, port, pid, kind):
        self.command = ["taskset", "-c", run.SENDER_CORE, f"{build}/bench/ingest_bench", str(port), str(pid)]
        self.kind, self.sent = kind, 0

    def start(self, spans):
        process = subprocess.Popen([*self.command, str(spans), self.kind, "otlp", "8", str(self.sent // BODY_SPANS)],
                                   stdout=subprocess.PIPE, text=True)
        self.sent += spans
        return process


def once(url):
    start = time.perf_counter()
    urllib.request.urlopen(url, timeout=60).read()
    return (time.perf_counter() - start) * 1000


def measure(name, sender, compactor, spans, urls):
    """Sends, and asks one question of each kind after the other; those that began while it was sent count."""
    cpu_s, start = compactor.cpu_s(), time.monotonic()
    process, samples, i = sender.start(spans), {kind: [] for kind in urls}, 0
    while process.poll() is None:
        for kind, choices in urls.items():
            samples[kind].append((time.monotonic(), once(choices[i % len(choices)])))
        i += 1
    figures = json.loads(process.stdout.read())
    end = time.monotonic() - SENDER_WAITS_S
    share = (compactor.cpu_s() - cpu_s) / (time.monotonic() - start)
    print(f"\n{name}: {figures['spans_per_s']:,} spans/s, {figures['retries']} refusals, merging took {share:.0%} of a core")
    out = {"spans/s": figures["spans_per_s"]}
    for kind, values in samples.items():
        values = sorted(value for at, value in values if end - figures["seconds"] <= at <= end)
        out[f"{kind} p50"], out[f"{kind} p99"] = statistics.median(values), values[int(len(values) * 0.99) - 1]
        print(f"  {kind:12} p50 {out[f'{kind} p50']:8.2f}  p99 {out[f'{kind} p99']:8.2f}  most {values[-1]:8.2f} ms  of {len(values)}")
    return out


def questions(base):
    """Of what is there before anything is measured."""
    until = int(time.time())
    items = run.get(f"{base}/traces?limit=100&to={until}")["items"]
    query = urllib.parse.quote('{ span.customer.id = "c-004217" }')
    return {"trace by id": [f"{base}/traces/{item['trace_id']}" for item in items],
            "search": [f"{base}/traces?q={query}&limit=20&from=-1h&to={until}"],
            "search last": [f"{base}/traces?limit=20"]}


def wait_for_window(seconds):
    time.sleep(WINDOW_S - time.time() % WINDOW_S + seconds)


def measure_both(arguments):
    """One window: what is measured before it is over, and while its blocks are merged."""
    with tempfile.TemporaryDirectory() as root:
        wait_for_window(1)
        process, ports, _ = run.start_weft(arguments.build, f"{root}/data", "--set", f"exporters.weft.retention.age={8 * WINDOW_S}s")
        compactor = Compactor(process.pid)
        sender = Sender(arguments.build, ports["otlp_http"], process.pid, arguments.kind)
        begin = time.monotonic()
        sender.start(arguments.spans).wait()
        urls = questions(f"http://127.0.0.1:{ports['http']}/api/v1")
        few = arguments.spans // 5
        quiet = measure("no merging", sender, compactor, few, urls)
        assert time.monotonic() - begin < WINDOW_S - 2, "this machine needs a longer window, or fewer spans"
        cpu_s = compactor.cpu_s()
        while compactor.cpu_s() < cpu_s + 0.2:
            time.sleep(0.05)
        busy = measure("merging", sender, compactor, few, urls)
        process.terminate()
        process.wait()
    return quiet, busy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--kind", default="easy")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = [measure_both(arguments) for _ in range(arguments.rounds)]
    print(f"\nmerging / no merging, median (all) of {len(rounds)} rounds")
    for name in rounds[0][0]:
        ratios = sorted(busy[name] / quiet[name] for quiet, busy in rounds)
        print(f"  {name:18} {statistics.median(ratios):5.2f}  ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


main()
