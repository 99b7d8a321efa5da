# SPDX-License-Identifier: Apache-2.0
"""Hours of the map whose spans came long ago know no single minutes: windows are widened, and say so."""

import time

import requests

import otlp
from weft import Weft

STOPS = 34  # each writes a table file; more than 32 are folded into hours
HOUR = int(time.time()) // 3600 * 3600 - 5 * 3600


def send(weft, minute):
    body = otlp.call("web", "cart")
    for span in otlp.spans(body):
        span.start_time_unix_nano = (HOUR + 60 * minute) * 10**9
        span.end_time_unix_nano = span.start_time_unix_nano + 10**7
    requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(), timeout=10,
                  headers={"Content-Type": "application/x-protobuf"}).raise_for_status()


def of_minute(weft, minute, **more):
    return {"from": HOUR + 60 * minute, "to": HOUR + 60 * minute + 60, "wait": "true", **more}


def edge_of(answer):
    return next(edge for edge in answer["edges"] if edge["relation"] == "calls")


def wait_until_thin(weft):
    deadline = time.monotonic() + 30
    while not (answer := weft.map(**of_minute(weft, 10)))["widened"] and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def test_thin_hours_answer_by_the_hour_and_take_late_spans(tmp_path):
    weft = Weft(tmp_path / "data", "--set", "exporters.weft.map.minutes_retention=1s")
    for number in range(STOPS):
        weft.start()
        send(weft, 5 if number == 0 else 10)
        assert weft.stop() == 0
    weft.start()
    answer = wait_until_thin(weft)
    assert answer["widened"] and edge_of(answer)["count"] == STOPS
    assert answer["from"] == weft.map(**{"from": HOUR, "to": HOUR + 3600})["from"]
    edge = edge_of(answer)["id"]
    series = weft.ask(f"/api/v1/edges/{edge}", **of_minute(weft, 10, step="60s"))
    assert series["widened"] and [point["count"] for point in series["series"]] == [STOPS]
    history = weft.ask("/api/v1/map/history", **of_minute(weft, 10, step="60s"))
    assert history["widened"] and len(history["items"]) == 1
    whole = {"a_from": HOUR, "a_to": HOUR + 3600, "b_from": HOUR + 600, "b_to": HOUR + 660}
    diff = weft.ask("/api/v1/map/diff", **whole)
    assert diff["widened"] and diff["a"] == diff["b"]
    send(weft, 20)
    assert len(edge_of(weft.map(**of_minute(weft, 10)))["intervals"]) == 2
    weft.kill()
    weft.start()
    late = edge_of(weft.map(**{"from": HOUR, "to": HOUR + 3600}))
    assert late["count"] == STOPS + 1
    assert [interval["first"][14:16] for interval in late["intervals"]] == ["05", "20"]
    assert weft.stop() == 0
