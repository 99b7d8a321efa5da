# SPDX-License-Identifier: Apache-2.0
"""An independent model of CONTRACT.md §6: business flows on top of contract_model.Model, as plain as that."""

import collections

import map_lines
from contract_model import MINUTE, first

FLOW = "coordimap.flow."


def own(reading, what):
    return first(reading.span.attributes, [FLOW + what])


class Flows:
    def __init__(self, model):
        self.model = model
        self.runs = collections.defaultdict(list)  # (flow name, scope, environment, run id) → spans with a flow attribute
        self.fallen_back = set()
        self.lost_steps = collections.Counter()
        self.performs = []
        for reading in model.readings:
            self.take(reading)

    # Context.
    def way(self, reading, asked):
        """The span and its parents, each asked once; and the nearest of them that is stitched to a publishing span."""
        found, consumer = [], None
        while reading is not None and reading not in asked:
            asked.add(reading)
            found.append(reading)
            if consumer is None and self.model.publishers.get(reading):
                consumer = reading
            reading = reading.parent
        return found, consumer

    def publishers(self, consumer):
        """By links in their order; a parent is on the way anyway."""
        of_links = [p for p in self.model.publishers[consumer] if p is not consumer.parent]
        return of_links + [p for p in self.model.publishers[consumer] if p is consumer.parent]

    def step_of(self, reading, asked=None):
        asked = set() if asked is None else asked
        way, consumer = self.way(reading, asked)
        for span in way:
            if own(span, "step"):
                return span
        for publisher in self.publishers(consumer) if consumer else []:
            found = self.step_of(publisher, asked)
            if found:
                return found
        return None

    def origin_of(self, reading, asked=None):
        """The spans that give the name and the run id."""
        asked = set() if asked is None else asked
        way, consumer = self.way(reading, asked)
        name = next((span for span in way if own(span, "name")), None)
        run = next((span for span in way if own(span, "run_id")), None)
        if consumer and not (name and run):
            for publisher in self.publishers(consumer):
                far_name, far_run = self.origin_of(publisher, asked)
                if far_name:
                    return name or far_name, run or far_run
        return name, run

    # Runs.
    def take(self, reading):
        if not any(own(reading, what) for what in ("name", "step", "run_id")):
            return
        name, run = self.origin_of(reading)
        if name is None:
            if own(reading, "step"):
                self.lost_steps[reading.node, own(reading, "step")] += 1
            return
        flow = (own(name, "name"), *name.place)
        key = (*flow, own(run, "run_id") if run else name.span.trace.hex())
        self.runs[key].append(reading)
        if run is None and (own(reading, "step") or own(reading, "name")):
            self.fallen_back.add(key)
        if own(reading, "step"):
            self.performs.append((reading, flow))

    @staticmethod
    def sequence(spans):
        return sorted((span for span in spans if own(span, "step")),
                      key=lambda span: (span.start, -max(span.end, span.start), span.span.id, span.span.trace))

    def counts(self, key, spans):
        if self.sequence(spans):
            return True
        if not any(own(span, "name") for span in spans):
            return False
        traces = {span.span.trace for span in spans}
        return not any(span.span.trace in traces and own(span, "step")
                       for other, others in self.runs.items() if other[:3] == key[:3] and other != key
                       for span in others)

    def told(self, window=(0, 2**63)):
        """{flow: what is known of its runs that began in the window}."""
        flows = {}
        for key, spans in self.runs.items():
            sequence = self.sequence(spans)
            begin = sequence[0].start if sequence else min(span.start for span in spans)
            if not self.counts(key, spans) or not window[0] <= begin // MINUTE < window[1]:
                continue
            flow = flows.setdefault(key[0] + map_lines.place(*key[1:3]), {
                "runs": 0, "failures": 0, "without_run_id": 0, "steps": collections.Counter(),
                "follows": collections.Counter(), "starts": collections.Counter(), "ends": collections.Counter(),
                "variants": collections.Counter(), "run_ids": []})
            names = [own(span, "step") for span in sequence]
            flow["runs"] += 1
            flow["failures"] += any(span.error for span in spans)
            flow["without_run_id"] += key in self.fallen_back
            flow["run_ids"].append(key[3])
            flow["steps"].update(names)
            flow["follows"].update(zip(names, names[1:]))
            flow["starts"].update(names[:1])
            flow["ends"].update(names[-1:])
            if names:
                flow["variants"][tuple(names)] += 1
        for flow in flows.values():
            flow["run_ids"].sort()
        return flows

    # Business objects.
    def objects(self):
        """{(type, id): {trace: the runs of it, by name}}; a run without members in the trace is none of it."""
        found = collections.defaultdict(lambda: collections.defaultdict(set))
        for reading in self.model.readings:
            type_, id_ = (first(reading.span.attributes, [f"entity.{what}"]) for what in ("type", "id"))
            if type_ and id_:
                found[type_, id_][reading.span.trace.hex()] |= set()
        for key, spans in self.runs.items():
            for traces in found.values():
                for trace in {span.span.trace.hex() for span in spans} & traces.keys() if self.counts(key, spans) else ():
                    traces[trace].add(key[0] + map_lines.place(*key[1:3]) + "/" + key[3])
        return {key: dict(traces) for key, traces in found.items()}

    # The map.
    def step_name(self, flow, step):
        return f"{flow[0]}#{step}{map_lines.place(*flow[1:3])}"

    def edges(self, window=(0, 2**63)):
        """performs and follows: {(source, relation, target): (count, errors)}, by their own minutes."""
        found = collections.defaultdict(lambda: [0, 0])

        def say(source, relation, target, span):
            if window[0] <= span.start // MINUTE < window[1]:
                found[source, relation, target][0] += 1
                found[source, relation, target][1] += span.error

        for span, flow in self.performs:
            say(span.service + map_lines.place(*span.node[:3]), "performs", self.step_name(flow, own(span, "step")), span)
        for key, spans in self.runs.items():
            sequence = self.sequence(spans)
            for earlier, later in zip(sequence, sequence[1:]):
                say(self.step_name(key, own(earlier, "step")), "follows", self.step_name(key, own(later, "step")), later)
        return {key: tuple(value) for key, value in found.items()}

    def attributions(self, window=(0, 2**63)):
        """{(source, relation, target): {(flow, step): count}}."""
        found = collections.defaultdict(collections.Counter)
        for source, relation, target, rule, span, *_ in self.model.calls:
            if not window[0] <= span.start // MINUTE < window[1]:
                continue
            step = self.step_of(span.parent if rule in ("paired", "paired-async") else span)
            name = self.origin_of(step)[0] if step else None
            if name:
                found[source[3] + map_lines.place(*source[:3]), relation, target][own(name, "name"), own(step, "step")] += 1
        return {key: dict(value) for key, value in found.items()}
