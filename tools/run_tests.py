#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test of the project in stages and prints each result; the last line is "N passed, N failed".

    run_tests.py [--only TEXT] [--stage NAME]

TEXT runs the tests whose name contains it; NAME one of: house, unit, concurrent, e2e, browser."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
passed, failed, skipped = [], [], []
started = time.monotonic()


def tell(verdict, name, seconds=0.0, detail=""):
    {"ok": passed, "FAILED": failed, "skipped": skipped}[verdict].append(name)
    note = f"  {detail}" if detail else ""
    print(f"[{time.monotonic() - started:5.0f} s] {verdict:7} {name} ({seconds:.1f} s){note}", flush=True)


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, **options)


def build(directory, *options):
    print(f"[{time.monotonic() - started:5.0f} s] building {directory}", flush=True)
    result = run(["tools/build.sh", directory, *options])
    if result.returncode != 0:
        tell("FAILED", f"build {directory}")
        return False
    return True


def house(only):
    if only and only not in "house-keeping":
        return
    result = run([sys.executable, "tools/check_house.py"], capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stdout + result.stderr)
    tell("ok" if result.returncode == 0 else "FAILED", "house-keeping")


def meson_tests(directory, only, *suites):
    names = run(["meson", "test", "-C", directory, "--list", *suites], capture_output=True, text=True).stdout
    names = [line.split(" / ")[-1].split(":")[-1].strip() for line in names.splitlines() if "/" in line]
    if only and not any(only in name for name in names):
        return
    wanted = [name for name in names if only in name] if only else []
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                       TSAN_OPTIONS="halt_on_error=1")
    run(["meson", "test", "-C", directory, "--num-processes", str(os.cpu_count()), "--timeout-multiplier", "2", *suites, *wanted],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = ROOT / directory / "meson-logs/testlog.json"
    for line in log.read_text().splitlines():
        record = json.loads(line)
        verdict = {"OK": "ok", "SKIP": "skipped"}.get(record["result"], "FAILED")
        name = record["name"].split(" / ")[-1].split(":")[-1].strip()
        tell(verdict, name if "tsan" not in directory else f"{name} (threads)", record["duration"])
        if verdict == "FAILED":
            print((record.get("stdout") or "")[-6000:])
            print((record.get("stderr") or "")[-6000:])


def unit(only):
    if build("build-asan", "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined"):
        meson_tests("build-asan", only)


def concurrent(only):
    if build("build-tsan", "-Dbuildtype=debugoptimized", "-Db_sanitize=thread"):
        meson_tests("build-tsan", only, "--suite", "concurrent")


def venv_python():
    """A Python with what the end-to-end tests import."""
    requirements = ROOT / "tests/requirements.txt"
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print(f"[{time.monotonic() - started:5.0f} s] installing Python packages", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", VENV], check=True)
        run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return VENV / "bin/python"


def e2e(only):
    if not build("build"):
        return
    report = ROOT / "build/e2e.xml"
    report.unlink(missing_ok=True)
    command = [venv_python(), "-m", "pytest", "-q", "--no-header", f"--junitxml={report}", "tests/e2e", "tests/clients"]
    if only:
        command += ["-k", only]
    result = run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not report.exists():
        print(result.stdout)
        tell("FAILED", "end-to-end tests")
        return
    for case in xml.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("skipped") is not None:
            tell("skipped", name, float(case.get("time")), case.find("skipped").get("message"))
            continue
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        tell("ok" if bad is None else "FAILED", name, float(case.get("time")))
        if bad is not None:
            print(bad.text)


def browser(only):
    if not shutil.which("chromium"):
        tell("skipped", "browser tests", detail="CHROMIUM IS MISSING: apt-get install chromium")
        return
    check = subprocess.run(["npm", "run", "--silent", "check"], cwd=ROOT / "ui", capture_output=True, text=True)
    if not only or only in "page: types, lint, format":
        if check.returncode != 0:
            print(check.stdout + check.stderr)
        tell("ok" if check.returncode == 0 else "FAILED", "page: types, lint, format")
    if not build("build"):
        return
    run_browser(only, "browser: ", {})
    with tempfile.TemporaryDirectory() as directory:
        ready = pathlib.Path(directory) / "ready.json"
        demo = subprocess.Popen([ROOT / "build/weft", "demo", "--no-open", "--ports", "0", "--ready-file", ready,
                                 "--data", f"{directory}/data"], stderr=subprocess.DEVNULL)
        while not ready.exists() and demo.poll() is None:
            time.sleep(0.05)
        time.sleep(8)  # the history of the demo's day
        run_browser(only, "browser on the demo: ", {"WEFT_URL": f"http://localhost:{json.loads(ready.read_text())['http']}"})
        demo.terminate()
        demo.wait()


def run_browser(only, prefix, environment):
    process = subprocess.Popen(["node", "tests/browser/run.mjs", *([only] if only else [])], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **environment))
    for line in process.stdout:
        line = line.rstrip()
        if line.startswith(("ok ", "FAILED ", "skipped ")):
            verdict, name = line.split(" ", 1)
            tell(verdict, prefix + name)
        else:
            print(line, flush=True)
    if process.wait() != 0 and not any(name.startswith(prefix) for name in failed):
        tell("FAILED", prefix + "all")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--stage", default="")
    arguments = parser.parse_args()
    for stage in (house, unit, concurrent, e2e, browser):
        if arguments.stage in ("", stage.__name__):
            stage(arguments.only)
    if arguments.only and not passed + failed:
        sys.exit(f"no test is called like {arguments.only}")
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(passed)} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


main()
