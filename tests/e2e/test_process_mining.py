# SPDX-License-Identifier: Apache-2.0
"""Textbook event logs of process mining, written out as spans: what follows from their definitions is what the flows say.

[1] W. van der Aalst, "Process Mining: Data Science in Action", 2nd ed., Springer 2016: the logs L1 to L7 with their footprints
    (chapter 6), the log of the heuristic miner with its table of frequencies (section 7.2), L_full (chapter 8), and the running
    example of compensation requests (tables 2.1 and 2.2).
[2] pm4py, tests/input_data/running-example.csv and running-example.dfg: the same example with its directly-follows graph.

Compared with a source: the footprint of L1 and the cases of the running example [1], its directly-follows graph and times [2].
The other logs are written here as [1] has them as far as we know, and their relations counted by this test's own few lines.

An event is a span, and a trace of its own; a case is a run; an activity is a step.
"""

import collections
import datetime
import random

import otlp
import pytest
import requests

MINUTE = 60 * 10**9
BASE = 1_790_000_040_000_000_000
ALWAYS = {"from": "0", "to": "4102444800", "wait": "true"}

# A case a letter an activity, and how often it was seen.
LOGS = {
    "L1": "abcd*3 acbd*2 aed*1",
    "L2": "abcd*3 acbd*4 abcefbcd*2 abcefcbd*1 acbefbcd*2 acbefbcefcbd*1",
    "L3": "abcdefbdceg*1 abdceg*2 abcdefbcdefbdceg*1",
    "L4": "acd*45 bcd*42 ace*38 bce*22",
    "L5": "abef*2 abecdbf*3 abcedbf*2 abcdebf*4 aebcdbf*3",
    "L6": "aceg*2 aecg*3 bdfg*2 bfdg*4",
    "L7": "ac*2 abc*3 abbc*2 abbbbc*1",
    "L_heur": "ae*5 abce*10 acbe*10 abe*1 ace*1 ade*10 adde*2 addde*1",
    "L_full": "acdeh*455 abdeg*191 adceh*177 abdeh*144 acdeg*111 adceg*82 adbeh*56 acdefdbeh*47 adbeg*38 acdefbdeh*33 "
              "acdefbdeg*14 acdefdbeg*11 adcefcdeh*9 adcefdbeh*8 adcefbdeg*5 acdefbdefdbeg*3 adcefdbeg*2 adcefbdefbdeg*2 "
              "adcefdbefbdeh*1 adbefbdefdbeg*1 adcefdbefcdefdbeg*1",
}

# Footprints [1]: > the column follows the row and never the other way around, < the reverse, | both, # neither.
FOOTPRINTS = {
    "L1": ["#>>#>", "<#|>#", "<|#>#", "#<<#<", "<##>#"],
    "L2": ["#>>###", "<#|>><", "<|#>><", "#<<###", "#<<##>", "#>>#<#"],
    "L3": ["#>#####", "<#>>#<#", "#<#|>##", "#<|#>##", "##<<#>>", "#>##<##", "####<##"],
    "L4": ["##>##", "##>##", "<<#>>", "##<##", "##<##"],
    "L5": ["#>##>#", "<#><|>", "#<#>|#", "#><#|#", "<|||#>", "#<##<#"],
    "L_full": ["#>>>####", "<##|><##", "<##|><##", "<||#><##", "#<<<#>>>", "#>>><###", "####<###", "####<###"],
}

# Directly-follows graphs; of the heuristic miner's log it is the published table of frequencies.
FOLLOWS = {
    "L1": "ab3 ac2 ae1 bc3 bd2 cb2 cd3 ed1",
    "L4": "ac83 bc64 cd87 ce60",
    "L7": "ab6 ac2 bb5 bc6",
    "L_heur": "ab11 ac11 ad13 ae5 bc10 be11 cb10 ce11 dd4 de13",
}


def cases_of(log):
    for part in LOGS[log].split():
        sequence, count = part.split("*")
        yield sequence, int(count)


def event(flow, case, activity, start_ns, end_ns=None, service="desk"):
    body = otlp.request(service, start_ns=start_ns, name=activity, kind=otlp.INTERNAL, attributes={
        "coordimap.flow.name": flow, "coordimap.flow.step": activity, "coordimap.flow.run_id": case})
    otlp.spans(body)[0].end_time_unix_nano = start_ns if end_ns is None else end_ns
    return body.resource_spans[0]


def send(server, events):
    """In any order, some of them twice."""
    events = list(events)
    shuffled = random.Random(7)
    events += shuffled.sample(events, len(events) // 10)
    shuffled.shuffle(events)
    for at in range(0, len(events), 4000):
        body = otlp.ExportTraceServiceRequest()
        body.resource_spans.extend(events[at:at + 4000])
        answer = requests.post(server.url("otlp_http", "/v1/traces"), data=body.SerializeToString(),
                               headers={"Content-Type": "application/x-protobuf"}, timeout=60)
        assert answer.status_code == 200, answer.text


def send_log(server, log):
    case = 0
    events = []
    for sequence, count in cases_of(log):
        for _ in range(count):
            start = BASE + case * MINUTE // 4
            events += [event(log, f"case {case}", step, start + at * 1000) for at, step in enumerate(sequence)]
            case += 1
    send(server, events)


def follows_of(flow):
    return {(item["from"], item["to"]): item["count"] for item in flow["follows"]}


def footprint_of(flow):
    follows = follows_of(flow)
    names = sorted(step["name"] for step in flow["steps"])
    signs = {(False, False): "#", (True, False): ">", (False, True): "<", (True, True): "|"}
    return ["".join(signs[(a, b) in follows, (b, a) in follows] for b in names) for a in names]


def counted(log):
    """What the log itself says, counted case by case."""
    follows, steps, starts, ends = (collections.Counter() for _ in range(4))
    for sequence, count in cases_of(log):
        steps.update(list(sequence) * count)
        follows.update(list(zip(sequence, sequence[1:])) * count)
        starts[sequence[0]] += count
        ends[sequence[-1]] += count
    return follows, steps, starts, ends


@pytest.mark.parametrize("log", LOGS)
def test_a_textbook_log_has_its_graph_footprint_and_variants(weft, log):
    send_log(weft, log)
    flow = weft.ask(f"/api/v1/flows/{log}", **ALWAYS)
    follows, steps, starts, ends = counted(log)
    assert {"".join(item["sequence"]): item["runs"] for item in flow["variants"]} == dict(cases_of(log))
    assert follows_of(flow) == follows
    assert {item["name"]: item["count"] for item in flow["steps"]} == steps
    assert (flow["starts"], flow["ends"]) == (starts, ends)
    if log in FOLLOWS:
        assert sorted("".join(pair) + str(count) for pair, count in follows_of(flow).items()) == FOLLOWS[log].split()
    if log in FOOTPRINTS:
        assert footprint_of(flow) == FOOTPRINTS[log]


def test_the_full_log_is_held_against_its_most_frequent_sequence(weft):
    """[1], chapter 8: 1,391 cases with 7,539 events, of which the sequential model N3 = a, c, d, e, h describes 455."""
    send_log(weft, "L_full")
    flow = weft.ask("/api/v1/flows/L_full", **ALWAYS)
    assert (flow["runs"], sum(step["count"] for step in flow["steps"])) == (1391, 7539)
    assert flow["happy_path"]["sequence"] == list("acdeh")
    found = weft.ask("/api/v1/flows/L_full/conformance", sequence="a>c>d>e>h", **ALWAYS)
    assert (found["conforming"], found["deviating"], found["unchecked"]) == (455, 936, 0)
    told = {"".join(item["sequence"]): [(d["kind"], d["step"]) for d in item["deviations"]] for item in found["variants"]}
    assert told["acdeh"] == []
    assert told["acdeg"] == [("inserted", "g"), ("skipped", "h")]
    assert told["abdeh"] == [("inserted", "b"), ("skipped", "c")]
    assert [kind for kind, _ in told["adceh"]] == ["swapped"]
    # b is no step of N3; f and g neither: whoever has them deviates by them.
    inserted = {d["step"]: d["runs"] for d in found["deviations"] if d["kind"] == "inserted"}
    assert inserted == {step: sum(n for case, n in cases_of("L_full") if step in case) for step in "bfg"}
    skipped = {d["step"]: d["runs"] for d in found["deviations"] if d["kind"] == "skipped"}
    assert skipped == {step: sum(n for case, n in cases_of("L_full") if step not in case) for step in "ch"}


# [1] table 2.1 and [2]: the activities, and of each case when they ended (UTC+1), by whom.
ACTIVITIES = {"a": "register request", "b": "examine thoroughly", "c": "examine casually", "d": "check ticket", "e": "decide",
              "f": "reinitiate request", "g": "pay compensation", "h": "reject request"}
REQUESTS = {
    "1": "a 2010-12-30T11:02 Pete, b 2010-12-31T10:06 Sue, d 2011-01-05T15:12 Mike, e 2011-01-06T11:18 Sara, "
         "h 2011-01-07T14:24 Pete",
    "2": "a 2010-12-30T11:32 Mike, d 2010-12-30T12:12 Mike, c 2010-12-30T14:16 Sean, e 2011-01-05T11:22 Sara, "
         "g 2011-01-08T12:05 Ellen",
    "3": "a 2010-12-30T14:32 Pete, c 2010-12-30T15:06 Mike, d 2010-12-30T16:34 Ellen, e 2011-01-06T09:18 Sara, "
         "f 2011-01-06T12:18 Sara, b 2011-01-06T13:06 Sean, d 2011-01-08T11:43 Pete, e 2011-01-09T09:55 Sara, "
         "g 2011-01-15T10:45 Ellen",
    "4": "a 2011-01-06T15:02 Pete, d 2011-01-07T12:06 Mike, b 2011-01-08T14:43 Sean, e 2011-01-09T12:02 Sara, "
         "h 2011-01-12T15:44 Ellen",
    "5": "a 2011-01-06T09:02 Ellen, c 2011-01-07T10:16 Mike, d 2011-01-08T11:22 Pete, e 2011-01-10T13:28 Sara, "
         "f 2011-01-11T16:18 Sara, d 2011-01-14T14:33 Ellen, c 2011-01-16T15:50 Mike, e 2011-01-19T11:18 Sara, "
         "f 2011-01-20T12:48 Sara, c 2011-01-21T09:06 Sue, d 2011-01-21T11:34 Pete, e 2011-01-23T13:12 Sara, "
         "h 2011-01-24T14:56 Mike",
    "6": "a 2011-01-06T15:02 Mike, c 2011-01-06T16:06 Ellen, d 2011-01-07T16:22 Mike, e 2011-01-07T16:52 Sara, "
         "g 2011-01-16T11:47 Mike",
}
TABLE_2_2 = {"1": "abdeh", "2": "adceg", "3": "acdefbdeg", "4": "adbeh", "5": "acdefdcefcdeh", "6": "acdeg"}
DFG = "ab1 ac3 ad2 bd2 be1 cd4 ce2 db1 dc2 de6 ef3 eg3 eh3 fb1 fc1 fd1"  # [2]


def moment(text):
    local = datetime.datetime.fromisoformat(text + "+01:00")
    return int(local.timestamp()) * 10**9


def requests_sent(server):
    events = []
    for case, line in REQUESTS.items():
        for part in line.split(", "):
            activity, time, person = part.split()
            events.append(event("compensation", case, ACTIVITIES[activity], moment(time), service=person))
    send(server, events)


def test_the_running_example_of_compensation_requests(weft):
    requests_sent(weft)
    letter = {name: key for key, name in ACTIVITIES.items()}
    flow = weft.ask("/api/v1/flows/compensation", **ALWAYS)
    told = sorted(letter[a] + letter[b] + str(count) for (a, b), count in follows_of(flow).items())
    assert told == DFG.split()
    assert flow["starts"] == {"register request": 6}
    assert flow["ends"] == {"reject request": 3, "pay compensation": 3}
    assert {"".join(letter[step] for step in item["sequence"]): item["runs"] for item in flow["variants"]} == \
        dict.fromkeys(TABLE_2_2.values(), 1)
    # Loops: decided again after it was reinitiated, once in case 3, twice in case 5.
    decide = next(step for step in flow["steps"] if step["name"] == "decide")
    assert (decide["count"], decide["runs"], decide["rework"]) == (9, 6, 3)
    for case, sequence in TABLE_2_2.items():
        run = weft.ask(f"/api/v1/flows/compensation/runs/{case}", wait="true")
        assert "".join(letter[step["step"]] for step in run["steps"]) == sequence
        assert len(run["traces"]) == len(sequence)
    # Cases by the moment they began in: those of December and of January.
    december = weft.ask("/api/v1/flows/compensation", wait="true", **{"from": "1293663600", "to": "1293836400"})
    assert december["runs"] == 3 and len(december["variants"]) == 3


def test_the_running_example_is_held_against_a_sequence_of_its_own(weft):
    requests_sent(weft)
    expected = ">".join(ACTIVITIES[key] for key in "acdeg")
    found = weft.ask("/api/v1/flows/compensation/conformance", sequence=expected, **ALWAYS)
    letter = {name: key for key, name in ACTIVITIES.items()}
    told = {"".join(letter[step] for step in item["sequence"]):
            sorted(d["kind"] + " " + letter[d["step"]] for d in item["deviations"]) for item in found["variants"]}
    assert (found["conforming"], found["deviating"]) == (1, 5)
    assert told["acdeg"] == []
    assert told["abdeh"] == ["inserted b", "inserted h", "skipped c", "skipped g"]
    assert len(told["adceg"]) == 1 and told["adceg"][0].startswith("swapped")
    assert told["acdefbdeg"] == ["inserted b", "inserted f", "repeated d", "repeated e"]
    assert told["adbeh"] == ["inserted b", "inserted h", "skipped c", "skipped g"]
    assert told["acdefdcefcdeh"] == ["inserted f", "inserted f", "inserted h", "repeated c", "repeated c", "repeated d",
                                     "repeated d", "repeated e", "repeated e", "skipped g"]
