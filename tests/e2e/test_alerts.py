# SPDX-License-Identifier: Apache-2.0
"""Alerts: rules on the map and flows, webhooks in Alertmanager's form, silences, restarts, dead receivers."""

import base64
import http.server
import json
import os
import threading
import time

import jsonschema
import pytest
import requests

import otlp
import test_openapi
from weft import Weft

MINUTE = 60_000_000_000


class Receiver:
    """Takes webhooks, as long as it is told to."""

    def __init__(self):
        self.got = []
        self.headers = []
        self.status = 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append(self.headers)
                receiver.got.append((self.headers["Content-Type"], body))
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, status=None):
        return [body for _, body in self.got if status is None or body["status"] == status]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def server(path, *receivers, rules=None, interval="200ms"):
    options = ["--set", f"extensions.weft_alerts.interval={interval}", "--set",
               "extensions.weft_alerts.external_url=https://weft.example/", "--set",
               "extensions.weft_alerts.receivers=" + "\n".join(f"hook{n} {url}" for n, url in enumerate(receivers))]
    if rules is not None:
        options += ["--set", "extensions.weft_alerts.rules=" + json.dumps(rules)]
    return Weft(path, *options, "--set", "exporters.weft.assembly.quiet=200ms").start()


def call(weft, caller, name, start_ns=None, count=1):
    for _ in range(count):
        body = otlp.request(caller, trace_id=os.urandom(16), start_ns=start_ns or time.time_ns(), kind=otlp.CLIENT,
                            attributes={"server.address": name})
        answer = requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=30)
        assert answer.status_code == 200
    weft.map()  # settled


def until(condition, wait_s=20):
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def evaluations(weft):
    line = next(line for line in weft.get("/metrics").text.splitlines()
                if line.startswith("weft_alert_evaluations_total "))
    return int(line.split()[1])


def let_it_look(weft, times=3):
    """Some evaluations that begin from now on."""
    start = evaluations(weft)
    until(lambda: evaluations(weft) > start + times)


def check(schema, body):
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}",
                                     "components": test_openapi.DOCUMENT["components"]}).validate(body)


def alerts(weft):
    items = weft.ask("/api/v1/alerts")["items"]
    for item in items:
        check("Alert", item)
    return items


def post(weft, path, body):
    return requests.post(weft.url("http", path), json=body, timeout=30)


def put_rules(weft, *rules, **more):
    return requests.put(weft.url("http", "/api/v1/alerts/rules"), json={"items": list(rules), **more}, timeout=30)


NEW_EDGE = {"name": "new edge", "kind": "edge_appeared", "match": {"source": "web|shop"},
            "labels": {"severity": "page"}, "annotations": {"runbook": "https://wiki.example/edges"}}


def test_an_edge_that_appears_is_told_and_a_restart_repeats_nothing(tmp_path, receiver):
    weft = server(tmp_path / "data", receiver.url, rules=[NEW_EDGE])
    try:
        call(weft, "web", "old.example", time.time_ns() - 20 * MINUTE)
        let_it_look(weft)
        assert alerts(weft) == []
        call(weft, "web", "new.example")
        call(weft, "cart", "newer.example")  # its source does not match
        body = until(receiver.bodies)[0]
        assert receiver.got[0][0] == "application/json"
        assert {"version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
                "commonAnnotations", "externalURL", "alerts"} == set(body)
        assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "hook0")
        assert body["groupLabels"] == {"alertname": "new edge"} and body["groupKey"] == '{}:{alertname="new edge"}'
        assert body["externalURL"] == "https://weft.example"
        (alert,) = body["alerts"]
        assert {"alertname": "new edge", "severity": "page", "source": "web", "relation": "calls",
                "target": "new.example"}.items() <= alert["labels"].items()
        assert body["commonLabels"] == alert["labels"] and body["commonAnnotations"] == alert["annotations"]
        assert alert["annotations"] == {"runbook": "https://wiki.example/edges",
                                        "summary": "web calls new.example: appeared"}
        assert alert["generatorURL"] == f"https://weft.example/#/map?edge={alert['labels']['edge']}"
        assert alert["endsAt"] == "0001-01-01T00:00:00Z" and len(alert["fingerprint"]) == 16
        (shown,) = alerts(weft)
        assert (shown["state"], shown["fingerprint"]) == ("firing", alert["fingerprint"])
        assert shown["labels"] == alert["labels"] and shown["firing_since"] == alert["startsAt"]
        let_it_look(weft)
        assert weft.stop() == 0
        weft.start()
        let_it_look(weft)
        assert [item["firing_since"] for item in alerts(weft)] == [alert["startsAt"]]
        weft.kill()
        weft.start()
        let_it_look(weft)
        assert len(receiver.got) == 1
        # Without its rule it is over, and that is told.
        weft.options = weft.options[:6] + weft.options[8:]
        assert weft.stop() == 0
        weft.start()
        resolved = until(lambda: receiver.bodies("resolved"))[0]["alerts"][0]
        assert (resolved["status"], resolved["fingerprint"]) == ("resolved", alert["fingerprint"])
        assert resolved["startsAt"] == alert["startsAt"] < resolved["endsAt"]
        until(lambda: alerts(weft) == [])
    finally:
        weft.stop()


def test_a_silence_holds_back_until_it_goes(tmp_path, receiver):
    weft = server(tmp_path / "data", receiver.url)
    try:
        assert put_rules(weft, NEW_EDGE).status_code == 200
        answer = post(weft, "/api/v1/alerts/silences", {"match": {"target": "new\\..*"}, "to": "now+1h",
                                                        "author": "me", "comment": "a migration"})
        assert answer.status_code == 200, answer.text
        check("AlertSilenceId", answer.json())
        name = answer.json()["id"]
        call(weft, "web", "old.example", time.time_ns() - 20 * MINUTE)
        call(weft, "web", "new.example")
        until(lambda: [item["silenced_by"] for item in alerts(weft)] == [name])
        let_it_look(weft)
        assert receiver.got == []
        assert weft.stop() == 0
        weft.start()
        let_it_look(weft)
        assert receiver.got == []
        (silence,) = weft.ask("/api/v1/alerts/silences")["items"]
        check("AlertSilence", silence)
        assert (silence["id"], silence["match"], silence["comment"]) == (name, {"target": "new\\..*"}, "a migration")
        url = weft.url("http", f"/api/v1/alerts/silences/{name}")
        assert requests.delete(url, timeout=30).status_code == 200
        assert requests.delete(url, timeout=30).status_code == 404
        assert until(receiver.bodies)[0]["alerts"][0]["labels"]["target"] == "new.example"
        assert weft.ask("/api/v1/alerts/silences")["items"] == []
    finally:
        weft.stop()


def test_a_dead_receiver_harms_nothing_and_is_told_when_it_is_back(tmp_path, receiver):
    receiver.status = 503
    weft = server(tmp_path / "data", "http://127.0.0.1:1/nobody", receiver.url, rules=[NEW_EDGE])
    try:
        call(weft, "web", "old.example", time.time_ns() - 20 * MINUTE)
        call(weft, "web", "new.example")
        until(receiver.bodies)
        test = post(weft, "/api/v1/alerts/test", {"receiver": "hook0"}).json()
        assert (test["delivered"], test["status"]) == (False, 0) and test["answer"] != ""
        test = post(weft, "/api/v1/alerts/test", {"receiver": "hook1"}).json()
        check("AlertTest", test)
        assert (test["delivered"], test["status"], test["answer"]) == (False, 503, "thanks")
        assert post(weft, "/api/v1/alerts/test", {"receiver": "nobody"}).status_code == 404
        let_it_look(weft)
        assert len(alerts(weft)) == 1
        receiver.status = 200
        taken = len(receiver.got)
        until(lambda: len(receiver.got) > taken)
        assert post(weft, "/api/v1/alerts/test", {"receiver": "hook1"}).json()["delivered"]
        assert receiver.bodies()[-1]["alerts"][0]["labels"]["alertname"] == "WeftTest"
        metrics = dict(line.rsplit(" ", 1) for line in weft.get("/metrics").text.splitlines() if line[:1] != "#")
        until(lambda: "weft_alert_notifications_total 1\n" in weft.get("/metrics").text)
        assert int(metrics["weft_alert_notifications_failed_total"]) >= 2
        start = time.monotonic()
        assert weft.stop() == 0
        assert time.monotonic() - start < 10
    finally:
        weft.stop()


def run_of(weft, run, start, *steps):
    for at, name in enumerate(steps):
        body = otlp.request("shop", start_ns=start + at * 1_000_000, name=name, kind=otlp.INTERNAL, attributes={
            "coordimap.flow.name": "order", "coordimap.flow.step": name, "coordimap.flow.run_id": run})
        assert requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                             headers={"Content-Type": "application/x-protobuf"}, timeout=30).status_code == 200


def test_a_new_variant_of_a_flow_is_told_and_waits_its_time(tmp_path, receiver):
    weft = server(tmp_path / "data", receiver.url, rules=[
        {"name": "variant", "kind": "variant_appeared", "match": {"flow": "order"}},
        {"name": "later", "kind": "variant_appeared", "for": "1h"},
        {"name": "step", "kind": "node_appeared", "match": {"type": "step"}}])
    try:
        now = time.time_ns()
        for n in range(5):
            run_of(weft, f"a{n}", now - (20 + n) * MINUTE, "place", "pay")
        weft.map()
        let_it_look(weft)
        assert alerts(weft) == []
        run_of(weft, "b", now, "place", "refund")
        weft.map()
        until(lambda: {item["labels"]["alertname"]: item["state"] for item in alerts(weft)} ==
              {"variant": "firing", "later": "pending", "step": "firing"})
        told = until(lambda: [body for body in receiver.bodies() if body["groupLabels"]["alertname"] == "variant"])
        assert told[0]["alerts"][0]["annotations"]["summary"] == "flow order has a new variant: place > refund"
        assert told[0]["alerts"][0]["generatorURL"] == "https://weft.example/#/flows/order"
        flow = weft.ask("/api/v1/flows/order", **{"from": "0", "wait": "true"})
        assert told[0]["alerts"][0]["labels"]["variant"] in [variant["id"] for variant in flow["variants"]]
        assert not [body for body in receiver.bodies() if body["groupLabels"]["alertname"] == "later"]
    finally:
        weft.stop()


DEFINED = {"name": "sale", "key": "sale", "within": "1h", "steps": [{"name": "begin", "filter": '{ name = "begin" }'},
                                                                    {"name": "end", "filter": '{ name = "end" }'}]}


def sale_of(weft, run, start, *names):
    for at, name in enumerate(names):
        body = otlp.request("till", start_ns=start + at * 1_000_000, name=name, kind=otlp.INTERNAL, attributes={"sale": run})
        assert requests.post(weft.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                             headers={"Content-Type": "application/x-protobuf"}, timeout=30).status_code == 200


def test_flows_that_people_define_are_watched_too(tmp_path, receiver):
    weft = server(tmp_path / "data", receiver.url, rules=[
        {"name": "variant", "kind": "variant_appeared", "match": {"flow": "sale"}},
        {"name": "stopped", "kind": "flow_stopped", "match": {"defined": "true"}, "window": "5m", "significance": 1}])
    try:
        now = time.time_ns()
        for n in range(30):
            sale_of(weft, f"a{n}", now - (1 + n) * MINUTE, "begin", "end")
        weft.map()
        defined = requests.put(weft.url("http", "/api/v1/flow-definitions"), json={"items": [DEFINED]}, timeout=30)
        assert defined.status_code == 200, defined.text
        let_it_look(weft)
        assert alerts(weft) == []
        sale_of(weft, "b", now, "begin", "end", "begin")
        weft.map()
        (alert,) = until(lambda: alerts(weft))
        assert {"alertname": "variant", "flow": "sale", "defined": "true"}.items() <= alert["labels"].items()
        assert alert["annotations"]["summary"] == "flow sale has a new variant: begin > end > begin"
        until(receiver.bodies)
        # Nobody defines it any more: it is over.
        assert requests.put(weft.url("http", "/api/v1/flow-definitions"), json={"items": []}, timeout=30).status_code == 200
        until(lambda: alerts(weft) == [])
    finally:
        weft.stop()


def test_a_rule_is_tried_on_the_past(weft):
    now = time.time_ns()
    for n in range(120):
        run_of(weft, f"a{n}", now - (60 + n) * MINUTE, "place", "pay")
        sale_of(weft, f"a{n}", now - (60 + n) * MINUTE, "begin", "end")
    weft.map()
    assert requests.put(weft.url("http", "/api/v1/flow-definitions"), json={"items": [DEFINED]}, timeout=30).status_code == 200

    def tried(**rule):
        answer = requests.post(weft.url("http", "/api/v1/alerts/rules/preview"), timeout=60, params={"from": "-4h"},
                               json={"rule": {"name": "stopped", "kind": "flow_stopped", "window": "10m", **rule}})
        assert answer.status_code == 200, answer.text
        check("AlertTrial", answer.json())
        return answer.json()

    both = tried()
    assert both["truncated"] is False and both["total"] == 2
    assert {item["labels"].get("defined") for item in both["items"]} == {None, "true"}
    for item in both["items"]:
        # 10 minutes after the last run, which was an hour ago; it is over when the baseline has passed.
        since = otlp_ns(item["firing_since"])
        assert abs(since - (now - 50 * MINUTE)) <= 2 * MINUTE and item["resolved"] is not None
    assert tried(match={"flow": "other"})["items"] == []
    assert tried(window="3h")["total"] == 0
    (late,) = tried(match={"flow": "order"}, **{"for": "20m"})["items"]
    assert otlp_ns(late["firing_since"]) - since >= 19 * MINUTE
    assert weft.ask("/api/v1/alerts/rules")["items"] == []
    assert alerts(weft) == []
    for body in ({}, {"rule": {"name": "x", "kind": "planet"}}, {"rule": {"name": "x", "kind": "flow_stopped", "match": {"a": "("}}}):
        assert post(weft, "/api/v1/alerts/rules/preview", body).status_code == 400
    assert post(weft, "/api/v1/alerts/rules/preview?from=-90d", {"rule": {"name": "x", "kind": "flow_stopped"}}).status_code == 400


def otlp_ns(text):
    return test_openapi.nanoseconds(text)


def test_a_rule_names_its_receivers(tmp_path, receiver):
    other = Receiver()
    weft = server(tmp_path / "data", receiver.url, other.url)
    try:
        assert put_rules(weft, {**NEW_EDGE, "receivers": ["hook7"]}).status_code == 400
        saved = put_rules(weft, {**NEW_EDGE, "receivers": ["hook1"]})
        assert saved.status_code == 200 and saved.json()["items"][0]["receivers"] == ["hook1"]
        call(weft, "web", "old.example", time.time_ns() - 20 * MINUTE)
        call(weft, "web", "new.example")
        until(other.bodies)
        let_it_look(weft)
        assert weft.stop() == 0
        weft.start()
        let_it_look(weft)
        assert receiver.got == [] and len(other.got) == 1
        assert "receiver that there is not" not in weft.output()
        assert weft.stop() == 0
        weft = server(tmp_path / "data", receiver.url)  # where hook1 is none
        warning = [line for line in weft.output().splitlines() if "receiver that there is not" in line]
        assert len(warning) == 1 and "new edge" in warning[0] and "hook1" in warning[0]
    finally:
        weft.stop()
        other.close()


def test_secrets_are_sent_to_their_receiver_and_shown_to_nobody(tmp_path, receiver):
    token, password = tmp_path / "token", "pa:ss wörd"
    token.write_text("first-secret\n")
    lines = [f"bearer {receiver.url} bearer_file={token}", f"basic {receiver.url} user=me password_env=HOOK_PASSWORD"]
    os.environ["HOOK_PASSWORD"] = password
    weft = Weft(tmp_path / "data", "--set", "extensions.weft_alerts.receivers=" + "\n".join(lines)).start()
    try:
        def sent(name):
            answer = post(weft, "/api/v1/alerts/test", {"receiver": name}).json()
            assert answer["delivered"], answer
            return receiver.headers[-1].get("Authorization")

        assert sent("bearer") == "Bearer first-secret"
        token.write_text("second-secret")
        assert sent("bearer") == "Bearer second-secret"
        assert sent("basic") == "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
        token.unlink()
        answer = post(weft, "/api/v1/alerts/test", {"receiver": "bearer"}).json()
        assert (answer["delivered"], answer["status"]) == (False, 0) and "secret" in answer["answer"]
        shown = weft.get("/api/v1/alerts/rules").text + weft.get("/api/v1/status").text + weft.output()
        assert "second-secret" not in shown and password not in shown
    finally:
        del os.environ["HOOK_PASSWORD"]
        weft.stop()


def test_rules_are_saved_by_version_and_refused_with_a_reason(tmp_path):
    weft = server(tmp_path / "data", rules=[{"name": "fixed", "kind": "flow_stopped", "window": "1h"}])
    try:
        read = weft.ask("/api/v1/alerts/rules")
        assert [(rule["name"], rule["source"], rule["window"], rule["baseline"]) for rule in read["items"]] == [
            ("fixed", "configuration", "1h", "1h")]
        saved = put_rules(weft, *read["items"], NEW_EDGE, version=read["version"])
        assert saved.status_code == 200, saved.text
        check("AlertRules", saved.json())
        assert [rule["source"] for rule in saved.json()["items"]] == ["configuration", "saved"]
        late = put_rules(weft, version=read["version"])
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
        for rule, part in [({"name": "x", "kind": "planet"}, "kind"), ({"name": "x"}, "kind"),
                           ({"kind": "flow_stopped"}, "name"), ({**NEW_EDGE, "window": "10s"}, "minutes"),
                           ({**NEW_EDGE, "match": {"source": "("}}, "pattern of source"),
                           ({**NEW_EDGE, "name": "fixed"}, "same name"), ({**NEW_EDGE, "wnidow": "5m"}, "field")]:
            answer = put_rules(weft, rule)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_body"), answer.text
            assert part in answer.json()["error"]["message"]
        many = [{**NEW_EDGE, "name": str(n)} for n in range(201)]
        assert put_rules(weft, *many).status_code == 400
        for body in [{"match": {}, "to": "now+1h"}, {"match": {"a": "b"}}, {"match": {"a": "b"}, "to": "now-1h"},
                     {"match": {"a": "("}, "to": "now+1h"}]:
            assert post(weft, "/api/v1/alerts/silences", body).status_code == 400
        weft.stop()
        weft.start()
        assert [rule["name"] for rule in weft.ask("/api/v1/alerts/rules")["items"]] == ["fixed", "new edge"]
    finally:
        weft.stop()
