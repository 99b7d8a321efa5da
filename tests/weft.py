# SPDX-License-Identifier: Apache-2.0
"""Runs the real binary for tests: start, ports, stop, ask."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("WEFT_BINARY", ROOT / "build/weft"))
SHARED = ROOT.parent / "shared"


class Weft:
    """A server on free ports with a data directory of its own."""

    def __init__(self, directory, *options, command="serve"):
        self.directory = pathlib.Path(directory)
        self.options = options
        self.command = command
        self.process = None
        self.ports = {}

    def start(self, wait_s=20):
        ready = self.ready_file()
        ready.unlink(missing_ok=True)
        self.log = open(self.directory.parent / f"{self.directory.name}.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, self.command, "--data", self.directory, "--ports", "0", "--ready-file", ready, *self.options],
            stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + wait_s
        while not ready.exists():
            if self.process.poll() is not None:
                raise AssertionError(f"weft left with {self.process.returncode}: {self.output()}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"weft was not ready after {wait_s} s: {self.output()}")
            time.sleep(0.005)
        self.ports = self.ready()
        return self

    def ready_file(self):
        return self.directory.parent / f"{self.directory.name}.ready.json"

    def ready(self):
        """The ports as the ready file tells them now."""
        return json.loads(self.ready_file().read_text())

    def output(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-4000:]

    def url(self, listener, path=""):
        return f"http://127.0.0.1:{self.ports[listener]}{path}"

    def get(self, path, **parameters):
        return requests.get(self.url("http", path), params=parameters, timeout=30)

    def ask(self, path, **parameters):
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def map(self, **parameters):
        return self.ask("/api/v1/map", **{"from": "0", "to": "4102444800", "wait": "true", **parameters})

    def edges(self, **parameters):
        """The map's edges as {(source name, relation, target name): count}."""
        answer = self.map(**parameters)
        names = {node["id"]: node.get("collection") or node["name"] for node in answer["nodes"]}
        return {(names[edge["source"]], edge["relation"], names[edge["target"]]): edge["count"]
                for edge in answer["edges"]}

    def trace(self, trace_id):
        return self.ask(f"/api/v1/traces/{trace_id}")

    def kill(self):
        """kill -9: nothing is drained."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, wait_s=20):
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"weft did not stop within {wait_s} s: {self.output()}") from None


def directory():
    return pathlib.Path(tempfile.mkdtemp(prefix="weft-test-")) / "data"
