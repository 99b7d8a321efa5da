# SPDX-License-Identifier: Apache-2.0
"""An independent model of CONTRACT.md §1–§5: a set of spans in, edges, hops and entries out.

Plain and slow on purpose, and written from the contract's text alone, so that it can be wrong only in other ways than
the program. Names of nodes are written as in map_lines.py."""

import base64
import collections
import dataclasses
import functools
import json
import re

import contract_sql
import map_lines

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
MINUTE = 60 * 10**9
DAY = 86400 * 10**9
PRESENCE_GAP = 5
MAX_LINKS = 128
SCOPES = ["coordimap.scope_id", "k8s.cluster.uid", "cloud.account.id", "cloud.project.number",
          "db.postgresql.system_identifier"]
RENAMED = {"mssql": "microsoft.sql_server", "dynamodb": "aws.dynamodb", "redshift": "aws.redshift",
           "cosmosdb": "azure.cosmosdb", "spanner": "gcp.spanner", "oracle": "oracle.db", "db2": "ibm.db2",
           "hanadb": "sap.hana", "h2": "h2database"}
EMBEDDED = {"sqlite", "h2database", "hsqldb", "derby", "duckdb"}
NAMES = {
    "db.system": ["db.system.name", "db.system"],
    "db.namespace": ["db.namespace", "db.name", "db.elasticsearch.cluster.name", "db.redis.database_index"],
    "db.operation": ["db.operation.name", "db.operation"],
    "db.summary": ["db.query.summary"],
    "db.text": ["db.query.text", "db.statement"],
    "msg.system": ["messaging.system"],
    "msg.operation": ["messaging.operation.type", "messaging.operation", "messaging.operation.name"],
    "msg.destination": ["messaging.destination.template", "messaging.destination.name", "messaging.destination"],
    "peer.service": ["service.peer.name", "peer.service"],
    "address": ["server.address", "net.peer.name", "network.peer.address", "net.sock.peer.addr", "net.peer.ip"],
}
COLLECTIONS = ["db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table",
               "db.cosmosdb.container", "aws.dynamodb.table_names"]
PORTS = ["server.port", "net.peer.port", "network.peer.port", "net.sock.peer.port"]
TEMPORARY = ["messaging.destination.temporary", "messaging.destination.anonymous", "messaging.temp_destination"]


@dataclasses.dataclass(eq=False)
class Span:
    trace: bytes
    id: bytes
    parent_id: bytes
    name: str
    kind: int
    start: int
    end: int
    attributes: dict
    resource: dict
    error: bool = False
    tracestate: str = ""
    links: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Edge:
    count: int = 0
    errors: int = 0
    adjusted: float = 0.0
    rules: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    minutes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    duration: bool = False
    server_duration: bool = False

    def intervals(self):
        runs = []
        for minute in sorted(self.minutes):
            if runs and minute - runs[-1][1] <= PRESENCE_GAP + 1:
                runs[-1][1] = minute
            else:
                runs.append([minute, minute])
        return runs


def as_text(value):
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (list, dict)):
        return json.dumps(whole(value), separators=(",", ":"), ensure_ascii=False)
    return str(value)


def whole(value):
    """5.0 as 5 in lists and maps too, on which the text is silent."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value == int(value) else value


def first(attributes, names):
    return next((text for text in (as_text(attributes.get(name)) for name in names) if text), "")


def typed(value):
    if isinstance(value, list):
        return ("list", tuple(map(typed, value)))
    if isinstance(value, dict):
        return ("map", tuple((key, typed(item)) for key, item in value.items()))
    return (type(value).__name__, value)


def split_port(text):
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d+))?", text)
    if bracketed:
        return bracketed.group(1), bracketed.group(2) or ""
    if text.count(":") == 1 and re.fullmatch(r"\d+", text.split(":")[1]):
        return tuple(text.split(":"))
    return text, ""


def host_of(text, port=""):
    """The host as the contract writes it, or '' when there is none."""
    host, own = split_port(text.split(",")[0].strip().lower())
    host = host.removesuffix(".")
    # The text is silent on a port inside a host that can be none: it is taken for absent.
    port = port or (str(int(own)) if own and 1 <= int(own) <= 65535 else "")
    if host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host):
        host = "localhost"
    if not host or port in ("", "80", "443"):
        return host
    return f"[{host}]:{port}" if host.count(":") > 1 else f"{host}:{port}"


def is_loopback(name):
    return split_port(name)[0] == "localhost"


def authority(url):
    match = re.match(r"[A-Za-z][\w+.-]*://([^/?#]*)", url)
    return match.group(1).split("@")[-1] if match else ""


def weight(tracestate):
    for member in tracestate.split(","):
        key, _, value = member.strip().partition("=")
        for field in value.split(";") if key == "ot" else []:
            if re.fullmatch(r"th:[0-9a-f]{1,14}", field):
                return 2**56 / (2**56 - int(field[3:].ljust(14, "0"), 16))
    return 1.0


class Reading:
    """A span as the contract reads it."""

    def __init__(self, span):
        self.span = span
        self.kind = span.kind
        self.start, self.end, self.error = span.start, span.end, span.error
        self.resource = frozenset((key, typed(value)) for key, value in span.resource.items())
        self.scope = first(span.resource, SCOPES) or "default"
        self.environment = first(span.resource, ["deployment.environment.name", "deployment.environment"])
        self.namespace = first(span.resource, ["service.namespace"])
        self.service = first(span.attributes, ["service.name"]) or first(span.resource, ["service.name"])
        self.values = {key: first(span.attributes, names) for key, names in NAMES.items()}
        self.parent, self.children, self.orphan = None, [], False
        self.kind_of_span = self.classify()
        self.operation = self.messaging_operation()

    def has(self, key):
        return self.values[key]

    def classify(self):
        if self.kind == SERVER:
            return "server"
        if self.has("msg.system") or self.has("msg.destination"):
            return "messaging"
        if self.has("db.system") and self.kind != CONSUMER:
            return "db"
        return "outbound" if self.kind in (CLIENT, PRODUCER) or self.has("peer.service") else "inner"

    def messaging_operation(self):
        """create, publish, receive, process or nothing."""
        if self.kind_of_span != "messaging":
            return ""
        known = {"send": "publish", "publish": "publish", "create": "create", "receive": "receive", "settle": "",
                 "process": "process", "consume": "process", "deliver": "process"}
        word = self.has("msg.operation").lower()
        return known.get(word, {PRODUCER: "publish", CONSUMER: "process"}.get(self.kind, ""))

    @property
    def publishes(self):
        return self.operation in ("create", "publish")

    @property
    def consumes(self):
        return self.operation in ("receive", "process")

    @functools.cached_property
    def node(self):
        return (self.scope, self.environment, self.namespace, self.service)

    @functools.cached_property
    def place(self):
        return (self.scope, self.environment)

    @functools.cached_property
    def queue(self):
        destination = self.has("msg.destination") or "(unknown)"
        if any(as_text(self.span.attributes.get(name)) == "true" for name in TEMPORARY):
            destination = "(temporary)"
        return f"{self.has('msg.system')}>{destination}{map_lines.place(*self.place)}"

    @functools.cached_property
    def port(self):
        texts = (as_text(self.span.attributes.get(name)) for name in PORTS)
        return next((text for text in texts if re.fullmatch(r"\d{1,5}", text) and 1 <= int(text) <= 65535), "")

    @functools.cached_property
    def address(self):
        return host_of(self.has("address"), self.port) if self.has("address") else ""

    @functools.cached_property
    def http_host(self):
        text = first(self.span.attributes, ["http.host"])
        urls = (authority(as_text(self.span.attributes.get(name))) for name in ("url.full", "http.url"))
        return host_of(text or next((host for host in urls if host), ""))

    @functools.cached_property
    def rpc_service(self):
        method = first(self.span.attributes, ["rpc.method"]).removeprefix("/")
        return first(self.span.attributes, ["rpc.service"]) or (method.rsplit("/", 1)[0])

    def database(self):
        system = RENAMED.get(self.has("db.system"), self.has("db.system"))
        owner = self.service + "!" if system in EMBEDDED and not self.address else ""
        return f"{owner}{system}@{self.address}/{self.has('db.namespace')}"

    def collections(self):
        for name in COLLECTIONS:
            value = self.span.attributes.get(name)
            if name == "aws.dynamodb.table_names" and isinstance(value, list):
                return [as_text(item) for item in value if as_text(item)]
            if as_text(value):
                return [as_text(value)]
        return []

    def descendants(self):
        for child in self.children:
            yield child
            yield from child.descendants()


def distinct(spans):
    """Resends fall together: the later end counts, then the later start."""
    kept = {}
    for span in spans:
        key = (span.trace, span.id, span.kind == CLIENT)
        if key not in kept or (span.end, span.start) > (kept[key].end, kept[key].start):
            kept[key] = span
    return kept


def adopt(readings):
    """Within one trace: resources without a name of their own take the only one that their spans carry."""
    groups = collections.defaultdict(list)
    for reading in readings:
        groups[reading.resource].append(reading)
    for group in groups.values():
        own = first(group[0].span.resource, ["service.name"])
        carried = {first(reading.span.attributes, ["service.name"]) for reading in group} - {""}
        for reading in group:
            if (not own or own.startswith("unknown_service")) and len(carried) == 1:
                reading.service = next(iter(carried))
            reading.service = reading.service or "unknown_service"


def cut_rings(readings):
    for reading in readings:
        seen, at = [], reading
        while at is not None and at not in seen:
            seen.append(at)
            at = at.parent
        if at is not None:
            ring = seen[seen.index(at):]
            cut = min(ring, key=lambda r: (r.start, r.span.id))
            cut.parent, cut.orphan = None, True


def connect(by_identity):
    """Parents within each trace."""
    for (trace, id_, is_client), reading in by_identity.items():
        if not is_client and reading.kind == SERVER and (trace, id_, True) in by_identity:
            reading.parent = by_identity[trace, id_, True]
            continue
        wanted = reading.span.parent_id
        if not wanted:
            continue
        found = by_identity.get((trace, wanted, False)) or by_identity.get((trace, wanted, True))
        if found is None or wanted == id_:
            reading.orphan = True
        else:
            reading.parent = found
    cut_rings(by_identity.values())
    for reading in by_identity.values():
        if reading.parent:
            reading.parent.children.append(reading)


class Model:
    def __init__(self, spans):
        self.by_identity = {key: Reading(span) for key, span in distinct(spans).items()}
        traces = collections.defaultdict(list)
        for key, reading in self.by_identity.items():
            traces[key[0]].append(reading)
        for readings in traces.values():
            adopt(readings)
        connect(self.by_identity)
        self.readings = list(self.by_identity.values())
        self.known = {reading.node for reading in self.readings}
        self.calls = []  # (source node, relation, target name, rule, speaking span, error, durations, adjusted span)
        self.hops = []   # (producer, queue, consumer, minute, age)
        self.named = []  # unpaired calls, not yet resolved
        self.proofs = collections.defaultdict(lambda: collections.defaultdict(set))
        self.unresolved = []
        self.stitch()
        self.relate()

    def stitch(self):
        self.consumers = collections.defaultdict(list)  # publishing span → consuming spans
        self.publishers = collections.defaultdict(list)
        for reading in self.readings:
            if not reading.consumes:
                continue
            named = [reading.parent] if reading.parent else []
            for trace, id_ in reading.span.links[:MAX_LINKS]:
                named += filter(None, (self.by_identity.get((trace, id_, side)) for side in (False, True)))
            for publisher in dict.fromkeys(named):
                if publisher.publishes:
                    self.consumers[publisher].append(reading)
                    self.publishers[reading].append(publisher)

    def relate(self):
        for reading in self.readings:
            self.pair_with_parent(reading)
        for reading in self.readings:
            if reading.kind_of_span == "db":
                self.relate_db(reading)
            elif reading.kind_of_span == "messaging":
                self.relate_messaging(reading)
            elif reading.kind_of_span == "outbound":
                self.relate_outbound(reading)
        for publisher, consumers in self.consumers.items():
            self.relate_hops(publisher, consumers)
        for call in self.named:
            self.resolve(*call)

    def say(self, source, relation, target, rule, span, error=None, duration=True, server=False):
        error = span.error if error is None else error
        self.calls.append((source, relation, target, rule, span, error, duration, server))

    # §3
    def relate_db(self, span):
        system = RENAMED.get(span.has("db.system"), span.has("db.system"))
        for below in span.descendants():
            if (below.kind_of_span == "db" and below.node == span.node
                    and RENAMED.get(below.has("db.system"), below.has("db.system")) == system):
                return
        rule, pairs = contract_sql.pairs(span.has("db.operation"), span.collections(), span.has("db.summary"),
                                         span.has("db.text"), span.span.name)
        suffix = map_lines.place(*span.place)
        for relation, collection in pairs:
            target = span.database() + (f":{collection}" if collection else "") + suffix
            self.say(span.node, relation, target, rule, span)

    def is_process(self, span, node, queue):
        return span.operation == "process" and span.node == node and span.queue == queue

    def receive_counts(self, span):
        if any(self.is_process(below, span.node, span.queue) for below in span.descendants()):
            return False
        publishers = self.publishers[span]
        return not publishers or not all(
            any(self.is_process(other, span.node, span.queue) for other in self.consumers[publisher])
            for publisher in publishers)

    def create_counts(self, span):
        def sends(other):
            return other and other.operation == "publish" and (other.node, other.queue) == (span.node, span.queue)
        identity = (span.span.trace, span.span.id)
        linking = (other for other in self.readings if identity in other.span.links[:MAX_LINKS])
        return not (sends(span.parent) or any(map(sends, span.children)) or any(map(sends, linking)))

    def relate_messaging(self, span):
        if span.publishes:
            if span.operation != "create" or self.create_counts(span):
                self.say(span.node, "publishes", span.queue, "messaging", span)
            for child in span.children:
                self.infer_consumer(span, child)
        elif span.consumes and (span.operation == "process" or self.receive_counts(span)):
            self.say(span.node, "consumes", span.queue, "messaging", span)

    def infer_consumer(self, publisher, child):
        if child.kind_of_span == "messaging" or child.node == publisher.node:
            return
        others = [*child.descendants(), *self.consumers[publisher]]
        if any(self.is_process(other, child.node, publisher.queue) for other in others):
            return
        self.say(child.node, "consumes", publisher.queue, "inferred-consumer", child)
        self.add_hop(publisher, child)

    def relate_hops(self, publisher, consumers):
        by_service = collections.defaultdict(list)
        for consumer in consumers:
            by_service[consumer.node].append(consumer)
        for group in by_service.values():
            processes = [span for span in group if span.operation == "process"]
            for span in processes or group:
                self.add_hop(publisher, span)

    def add_hop(self, publisher, consumer):
        age = max(0, consumer.start - publisher.end)
        self.hops.append((publisher.node, publisher.queue, consumer.node, consumer.start // MINUTE, age))

    # §4
    def pairing(self, child):
        """The rule by which a span pairs with its parent, or ''."""
        parent = child.parent
        if parent is None:
            return ""
        differ = child.node != parent.node
        if child.kind != CONSUMER and child.kind_of_span != "messaging":
            if parent.kind_of_span not in ("db", "messaging"):
                if differ and (child.kind == SERVER or child.resource != parent.resource):
                    return "paired"
                if not differ and parent.kind == CLIENT and child.kind == SERVER:
                    return "paired"
        named = any(span.has(key) for span in (child, parent) for key in ("msg.destination", "msg.system"))
        if child.kind == CONSUMER and parent.kind == PRODUCER and differ and not named:
            return "paired-async"
        return ""

    def pair_with_parent(self, child):
        rule = self.pairing(child)
        if not rule:
            return
        parent = child.parent
        error = child.error or (parent.error and parent.kind in (CLIENT, PRODUCER))
        target = child.service + map_lines.place(*child.node[:3])
        self.say(parent.node, "calls", target, rule, child, error, parent.kind == CLIENT, True)
        name = parent.address or parent.http_host
        if rule == "paired" and parent.kind_of_span == "outbound" and name and not is_loopback(name):
            self.proofs[parent.place, name][child.start // DAY].add(child.node)

    def is_transport(self, span):
        parent = span.parent
        if span.kind_of_span != "outbound" or parent is None or parent.node != span.node:
            return False
        return parent.kind_of_span in ("db", "messaging") or self.is_transport(parent)

    def peer_service(self, span):
        """Its own, else that of the nearest wrapper above it."""
        while span is not None and not span.has("peer.service"):
            above = span.parent
            wrapped = above is not None and above.kind_of_span == "outbound" and above.node == span.node
            span = above if wrapped else None
        return span.has("peer.service") if span else ""

    def relate_outbound(self, span):
        if any(self.pairing(child) for child in span.children) or self.is_transport(span):
            return
        if any(child.kind_of_span == "outbound" and child.node == span.node for child in span.children):
            return
        names = [("peer.service", self.peer_service(span)), ("server.address", span.address),
                 ("rpc.service", span.rpc_service), ("http.host", span.http_host)]
        rule, name = next(((rule, name) for rule, name in names if name), ("", ""))
        if name:
            self.named.append((span, rule, name))
        else:
            self.unresolved.append(span)

    def known_service(self, span, name):
        there = [node for node in self.known if node[:2] == span.place]
        for match in ([node for node in there if node[3] == name],
                      [node for node in there if node[3].lower() == name.lower()]):
            mine = [node for node in match if node[2] == span.namespace]
            if len(mine) == 1 or len(match) == 1:
                return (mine or match)[0]
            if match:
                return None
        return None

    def resolve(self, span, rule, name):
        names = [name]
        if rule in ("server.address", "http.host"):
            host = split_port(name)[0]
            names.append(host)
            if host.endswith((".svc", ".svc.cluster.local")):
                names.append(host.split(".")[0])
        found = next(filter(None, (self.known_service(span, candidate) for candidate in names)), None)
        if not found and rule in ("server.address", "http.host"):
            found = self.proven(span, name)
        target = (found[3] + map_lines.place(*found[:3])) if found else f"ext({name}){map_lines.place(*span.place)}"
        self.say(span.node, "calls", target, rule, span)

    def proven(self, span, name):
        days = self.proofs.get((span.place, name))
        if not days:
            return None
        today = span.start // DAY
        day = max((day for day in days if day <= today), default=None)
        services = days[min(days) if day is None else day]
        return next(iter(services)) if len(services) == 1 else None

    # What is asked for.
    def edges(self, window=(0, 2**63)):
        """The edges with calls in the window of minutes; their intervals are those of all time."""
        every = collections.defaultdict(Edge)
        for source, relation, target, rule, span, error, duration, server in self.calls:
            key = (source[3] + map_lines.place(*source[:3]), relation, target)
            minute = span.start // MINUTE
            edge = every[key]
            edge.minutes[minute] += 1
            if window[0] <= minute < window[1]:
                edge.count += 1
                edge.errors += error
                edge.adjusted += weight(span.span.tracestate)
                edge.rules[rule] += 1
                edge.duration |= duration
                edge.server_duration |= server
        return {key: edge for key, edge in every.items() if edge.count}

    def hop_counts(self, window=(0, 2**63)):
        return collections.Counter(
            (a[3] + map_lines.place(*a[:3]), queue, b[3] + map_lines.place(*b[:3]))
            for a, queue, b, minute, _ in self.hops if window[0] <= minute < window[1])

    def entries(self, window=(0, 2**63)):
        requests, errors = collections.Counter(), collections.Counter()
        for reading in self.readings:
            root = reading.parent is None or reading.parent.node != reading.node
            if (reading.kind in (SERVER, CONSUMER) or root) and window[0] <= reading.start // MINUTE < window[1]:
                name = reading.service + map_lines.place(*reading.node[:3])
                requests[name] += 1
                errors[name] += reading.error
        return {name: (count, errors[name]) for name, count in requests.items()}

    def same_host(self, a, b):
        for key in ("host.id", "k8s.node.name", "k8s.pod.uid", "host.name"):
            if key in a.span.resource and key in b.span.resource:
                return a.span.resource[key] == b.span.resource[key]
        return a.resource == b.resource

    def has_linked_relative(self, span):
        """Whether the span, or a consuming ancestor or descendant of its queue, has a publisher."""
        at, line = span, [span, *span.descendants()]
        while at.parent is not None:
            at = at.parent
            line.append(at)
        return any(other.consumes and other.queue == span.queue and self.publishers[other] for other in line)

    def findings(self, window=(0, 2**63)):
        """{(code, subject): count} of the codes of §7 that need no flows."""
        inside = [reading for reading in self.readings if window[0] <= reading.start // MINUTE < window[1]]
        counts, spans = collections.Counter(), collections.Counter(reading.node for reading in inside)
        environments = collections.defaultdict(set)
        published = {reading.queue for reading in self.readings if reading.publishes}
        for reading in inside:
            node, parent = reading.node, reading.parent
            environments[node[0], node[2], node[3]].add(node[1])
            counts["orphans", node] += reading.orphan
            counts["unresolved_peer", node] += reading in self.unresolved
            counts["unknown_service", node] += reading.service.startswith("unknown_service")
            counts["over_spanning", node] += reading.kind_of_span == "inner" and reading.end - reading.start < 100_000
            counts["clock_skew", node] += (parent is not None and parent.start - reading.start > 1_000_000
                                           and not self.same_host(reading, parent))
            if reading.consumes and reading.queue in published and not self.has_linked_relative(reading):
                counts["broken_queue_context", reading.queue] += 1
        for scope, namespace, service in environments:
            if len(environments[scope, namespace, service]) > 1 and "" in environments[scope, namespace, service]:
                node = (scope, "", namespace, service)
                counts["missing_environment", node] = spans[node]
        enough = {"orphans": 0.01, "over_spanning": 0.5}
        return {(code, node if isinstance(node, str) else node[3] + map_lines.place(*node[:3])): count
                for (code, node), count in counts.items()
                if count > 0 and count > enough.get(code, 0) * spans.get(node, 0)}
