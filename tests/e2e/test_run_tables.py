# SPDX-License-Identifier: Apache-2.0
"""Tables of runs as version 1 of their format wrote them (tests/data/run-table-1: two tables, of
`python3 tests/e2e/test_run_tables.py BINARY tests/data/run-table-1`) tell the same as the same spans sent now."""

import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import format_data
import otlp

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "data/run-table-1"
BASE = 1_793_491_200_000_000_000
MINUTE = 60_000_000_000
ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}


def make_input():
    """Thirty runs of three steps; those of every third go on in a later table, some of them failed."""
    bodies = [[], []]
    for run in range(30):
        start = BASE + run * 7 * MINUTE
        for at, step in enumerate(("place", "pay", "ship")):
            attributes = {"coordimap.flow.name": "order", "coordimap.flow.step": step, "coordimap.flow.run_id": f"run-{run:04x}",
                          "entity.type": "cart", "entity.id": str(run % 10)}
            body = otlp.request("shop", start_ns=start + at * MINUTE, name=step, kind=otlp.INTERNAL, attributes=attributes)
            if run % 6 == 0:
                body.resource_spans[0].scope_spans[0].spans[0].status.code = 2
            bodies[run % 3 == 0 and at == 2].append(body)
    return bodies


def told(weft):
    flow = weft.ask("/api/v1/flows/order", **ALWAYS)
    runs = weft.ask("/api/v1/flows/order/runs", limit="1000", **ALWAYS)
    part = weft.ask("/api/v1/flows/order/runs", limit="4", status="ok", **ALWAYS)["items"]
    each = [weft.ask(f"/api/v1/flows/order/runs/{run['run_id']}", wait="true") for run in runs["items"]]
    carts = [weft.ask(f"/api/v1/entities/cart/{cart}", wait="true") for cart in range(10)]
    return flow["variants"], flow["starts"], flow["ends"], runs, part, each, carts


def test_tables_of_version_1_tell_the_same(tmp_path):
    from weft import Weft

    shutil.copytree(SOURCE / "data", tmp_path / "data")
    old = Weft(tmp_path / "data", *format_data.KEEP).start()
    fresh = Weft(tmp_path / "fresh", *format_data.KEEP).start()
    try:
        format_data.send(fresh, format_data.read_input(SOURCE / "input.binpb.gz"))
        expected = told(fresh)
        assert len(expected[3]["items"]) == 30 and expected[3]["truncated"] is False
        assert told(old) == expected
        # What comes now goes into a table of this version, and the runs are of both.
        more = otlp.request("shop", start_ns=BASE + 1000 * MINUTE, name="refund", kind=otlp.INTERNAL, attributes={
            "coordimap.flow.name": "order", "coordimap.flow.step": "refund", "coordimap.flow.run_id": "run-0003"})
        for server in (old, fresh):
            format_data.send(server, [more])
        assert told(old) == told(fresh)
        assert old.stop() == 0
        assert not (tmp_path / "data/damaged").exists()
        old.start()
        assert told(old) == told(fresh)
    finally:
        old.kill()
        fresh.kill()


def main(binary, target):
    os.environ["WEFT_BINARY"] = binary
    from weft import Weft

    target = pathlib.Path(target)
    halves = make_input()
    with tempfile.TemporaryDirectory() as scratch:
        for half in halves:
            weft = Weft(pathlib.Path(scratch) / "data", *format_data.KEEP).start()
            format_data.send(weft, half)
            weft.map()
            assert weft.stop() == 0
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(weft.directory, target / "data", ignore=shutil.ignore_patterns("LOCK"))
    format_data.write_input([body for half in halves for body in half], target / "input.binpb.gz")


if __name__ == "__main__":
    main(*sys.argv[1:])
