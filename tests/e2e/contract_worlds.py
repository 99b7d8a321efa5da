# SPDX-License-Identifier: Apache-2.0
"""Random small worlds of spans for the contract's model: vocabularies so small that the rules collide."""

import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contract_model import CLIENT, CONSUMER, DAY, INTERNAL, PRODUCER, SERVER, Span

BASE = 1_760_000_040 * 10**9
ADDRESSES = ["cart", "Cart.", "cart:8080", "db", "db.local:5432", "10.0.0.1", "::1", "127.0.0.1", "localhost:9000",
             "[2001:db8::1]:8443", "2001:DB8::1", "web,proxy", "mail.shop.svc", "web.prod.svc.cluster.local:8080",
             "[::1]", "[::1]:9000", "127.8.9.1:81", "h:abc", "h:0", "h:99999", "h:080", ".", " cart ", "[cart]", "[::1", "a b", ",x", "127.0.0.1.", "127.1", "::ffff:127.0.0.1", "LOCALHOST.", "cart.:8080", "CART:443", "db:80", "a:1, b:2", "z\u00fcrich", "svc"]
PORT_VALUES = [80, 443, 8080, "8080", "5432", "none", 0, 70000, 5432.0]


KINDS = {"mixed": [INTERNAL, SERVER, SERVER, CLIENT, CLIENT, CLIENT, PRODUCER, CONSUMER, 0],
         "queues": [INTERNAL, SERVER, CLIENT, PRODUCER, PRODUCER, CONSUMER, CONSUMER, CONSUMER],
         "calls": [CLIENT, CLIENT, SERVER, SERVER, INTERNAL], "clients": [CLIENT, CLIENT, INTERNAL, PRODUCER],
         "databases": [CLIENT, CLIENT, INTERNAL], "hops": [CONSUMER, PRODUCER, INTERNAL]}


class Sql:
    """Texts from a little grammar."""

    def __init__(self, dice):
        self.dice = dice

    def maybe(self, text, chance=0.3):
        return text if self.dice.random() < chance else ""

    def table(self):
        return self.dice.choice(["a", "b", "c", "Items", "s.orders", '"x"', '"s"."t"', "`m`", "[n]", "db.s.t", '"my table"', '"s".t', "_u1", "\"from\""])

    def space(self):
        return self.dice.choice([" ", " ", " ", "  ", "\n", " /* FROM zz */ ", " -- JOIN zz\n "])

    def literal(self):
        return self.dice.choice(["1", "'x'", "'FROM zz'", "'it''s FROM zz'", r"'a\' FROM zz'", "$1", "?", "now()", "zz"])

    def condition(self, depth):
        return self.dice.choice([
            lambda: f"k = {self.literal()}", lambda: f"k IN ({self.select(depth + 1)})",
            lambda: f"EXISTS ({self.select(depth + 1)})", lambda: f"k IS DISTINCT FROM {self.literal()}",
            lambda: f"extract(year FROM made) = {self.literal()}", lambda: f"x.k = y.k AND x.v > {self.literal()}"])()

    def source(self, depth):
        kind = self.dice.random()
        if kind < 0.15 and depth < 3:
            return f"{self.maybe('LATERAL ')}({self.select(depth + 1)}) AS sub{self.maybe(' (k, v)', 0.2)}"
        if kind < 0.25:
            return f"{self.maybe('LATERAL ')}generate_series(1, 3) g"
        return f"{self.maybe(self.dice.choice(['ONLY ', 'LATERAL ']), 0.1)}{self.table()}{self.maybe(' AS x', 0.3)}"

    def select(self, depth=0):
        if depth > 2:
            return "SELECT 1"
        what = self.dice.choice(["*", "k, v", "count(*)", "DISTINCT k", "x.update, x.from", self.literal(), '"from", "join" j',
                                  "trim(both FROM k)", "substring(k FROM 2)", "(SELECT 1)", "'/* ' , k, ' */'",
                                  "count(*) FILTER (WHERE k = 1)", "'--', k", f"({self.select(depth + 1)}) AS n"])
        text = f"SELECT{self.space()}{what}{self.space()}FROM{self.space()}{self.source(depth)}"
        text += self.maybe(f", {self.source(depth)}")
        text += self.maybe(f" {self.dice.choice(['', 'LEFT ', 'INNER ', 'LEFT OUTER ', 'CROSS '])}JOIN {self.source(depth)} ON x.k = y.k")
        text += self.maybe(f" JOIN {self.table()} USING (k)", 0.1)
        text += self.maybe(f" WHERE {self.condition(depth)}", 0.4)
        text += self.maybe(" GROUP BY k, v HAVING count(*) > 1", 0.1)
        text += self.maybe(" ORDER BY k, v", 0.2) + self.maybe(" FOR UPDATE", 0.1)
        return text + self.maybe(f" UNION ALL {self.select(depth + 1)}", 0.1)

    def change(self, depth=0):
        table = self.table()
        return self.dice.choice([
            lambda: f"INSERT INTO {table} (k, v) VALUES ({self.literal()}, {self.literal()})",
            lambda: f"INSERT INTO {table} {self.select(depth + 1)}",
            lambda: f"INSERT INTO {table} VALUES (1) ON CONFLICT (k) DO UPDATE SET v = 2",
            lambda: f"INSERT INTO {table} VALUES (1) ON DUPLICATE KEY UPDATE v = 2",
            lambda: f"INSERT INTO {table} (k) {self.select(depth + 1)} RETURNING k, v",
            lambda: f"INSERT IGNORE INTO {table} VALUES ('x'), ('y')",
            lambda: f"UPDATE {self.dice.choice(['IGNORE', 'LOW_PRIORITY'])} {table} SET k = 1, v = 2",
            lambda: f"REPLACE INTO {table} VALUES (1)",
            lambda: f"UPDATE {self.maybe('ONLY ')}{table} SET v = ({self.select(depth + 1)})",
            lambda: f"UPDATE {table} SET v = 1 FROM {self.table()}, {self.table()} y WHERE {self.condition(depth)}",
            lambda: f"UPDATE {table} x, {self.table()} y SET x.v = y.v",
            lambda: f"DELETE FROM {table} WHERE {self.condition(depth)}",
            lambda: f"DELETE FROM {table} USING {self.table()}, {self.table()} WHERE {self.condition(depth)}",
            lambda: f"MERGE INTO {table} USING {self.source(3)} ON k = v WHEN MATCHED THEN DELETE",
            lambda: f"MERGE INTO {table} USING ({self.select(depth + 1)}) s ON k = v WHEN MATCHED THEN UPDATE SET v = 1",
            lambda: f"DELETE FROM {table}{self.maybe(' RETURNING *')}"])()

    def definition(self):
        return self.dice.choice([
            lambda: f"CREATE TABLE {self.maybe('IF NOT EXISTS ')}{self.table()} (k int)",
            lambda: f"DROP TABLE {self.maybe('IF EXISTS ')}{self.table()}, {self.table()}",
            lambda: f"TRUNCATE TABLE {self.table()}{self.maybe(', b')}",
            lambda: f"ALTER TABLE {self.table()} ADD k int", lambda: f"CREATE INDEX i ON {self.table()} USING gin (k)",
            lambda: "SHOW TABLES FROM zz", lambda: "BEGIN", lambda: "COPY zz FROM STDIN", lambda: "VACUUM",
            lambda: f"CREATE TABLE {self.table()} AS {self.select(1)}", lambda: f"EXPLAIN {self.select(1)}",
            lambda: f"CREATE TABLE {self.table()} (k int REFERENCES u (k) ON UPDATE CASCADE ON DELETE CASCADE)",
            lambda: f"DROP INDEX {self.table()}", lambda: f"SELECT * INTO {self.table()} FROM {self.table()}",
            lambda: "COMMIT"])()

    def statement(self):
        kind = self.dice.random()
        if kind < 0.15:
            return self.definition()
        body = self.select() if kind < 0.55 else self.change()
        if self.dice.random() < 0.25:
            inner = self.select(1) if self.dice.random() < 0.7 else f"DELETE FROM {self.table()} RETURNING *"
            names = self.dice.sample(["A", "b", "recent"], self.dice.randint(1, 2))
            ctes = ", ".join(f"{name}{self.maybe(' (k)', 0.2)} AS {self.maybe('MATERIALIZED ', 0.1)}{self.maybe('NOT MATERIALIZED ', 0.05)}({inner})" for name in names)
            body = f"WITH {self.maybe('RECURSIVE ', 0.2)}{ctes} {body}"
        return body

    def text(self):
        case = self.dice.choice([str, str, str.lower]) if self.dice.random() < 0.2 else str
        lead = self.dice.choice(["", "", "", "/* note */ ", "-- note\n"])
        text = lead + case("; ".join(self.statement() for _ in range(self.dice.choice([1, 1, 1, 2]))))
        if self.dice.random() < 0.1:  # quotes need no space around them
            text = text.replace('FROM "', 'FROM"').replace('INTO "', 'INTO"').replace('" WHERE', '"WHERE')
        return text


class World:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.things = random.Random(f"things of {seed}")  # apart: the other dice fall as they did
        self.sql = Sql(self.dice)
        self.span_count = 0
        self.theme = ("mixed", "hops", "queues", "calls", "databases", "clients", "mixed")[seed % 7]
        self.far = self.dice.random() < (0.8 if self.theme == "calls" else 0.3)  # over several days
        self.flows = 0.07 if self.theme == "hops" else self.pick(0, 0.05, 0.1, 0.3)
        self.resources = [self.resource() for _ in range(self.dice.randint(2, 5))]
        self.spans = []
        for number in range(self.dice.randint(1, 5) + (4 if self.theme in ("calls", "hops") else 0)):
            self.trace(bytes([0] * 14 + [seed % 256, number + 1]))
        self.link()

    def chance(self, share):
        return self.dice.random() < share

    def pick(self, *values):
        return self.dice.choice(values)

    def resource(self):
        found = {}
        if self.theme in ("queues", "calls", "hops") and self.chance(0.9):
            return {"service.name": self.pick("web", "cart", "mail"), "host.name": self.pick("h1", "h2")}
        if not self.chance(0.15):
            found["service.name"] = self.pick("web", "web", "cart", "cart", "mail", "Web", "unknown_service:java", "", 5, "CART", "cart:8080", "10.0.0.1")
        if self.chance(0.2):
            found[self.pick("deployment.environment.name", "deployment.environment")] = self.pick("prod", "")
        if self.chance(0.2):
            found["service.namespace"] = self.pick("a", "b")
        if self.chance(0.1):
            found[self.pick("coordimap.scope_id", "k8s.cluster.uid", "cloud.account.id")] = self.pick("s1", 7)
        if self.chance(0.3):
            found["host.name"] = self.pick("h1", "h2")
        if self.chance(0.1):  # what is read from spans only
            found[self.pick("peer.service", "db.system", "server.address", "messaging.system")] = "resource"
        return found

    def trace(self, trace_id):
        count = self.dice.randint(1, 10)
        ids = [bytes([0] * 7 + [i + 1]) for i in range(count)]
        day = self.dice.randint(0, 3) * DAY if self.far else 0
        home = self.pick(*self.resources)
        for i, id_ in enumerate(ids):
            draw = self.dice.random()
            parent = b"" if i == 0 and draw < 0.9 else self.pick(*ids[:i]) if i and draw < 0.93 else self.pick(
                *ids, bytes([9] * 8), b"")
            home = home if self.chance(0.5) else self.pick(*self.resources)
            self.spans.append(self.span(trace_id, id_, parent, home, BASE + day))
            last = self.spans[-1]
            if last.kind == CLIENT and self.chance(0.15):
                self.spans.append(self.span(trace_id, id_, parent, self.pick(*self.resources), BASE + day, SERVER))
            if self.chance(0.05):  # a resend, the same or with other content
                again = self.span(trace_id, id_, parent, last.resource, BASE + day, last.kind)
                self.spans.append(again if (again.end, again.start) != (last.end, last.start) else last)

    def span(self, trace_id, id_, parent, resource, base, kind=None):
        self.span_count += 1
        kind = kind or self.pick(*KINDS[self.theme])
        start = base + self.pick(0, 0, 60, 360, 420) * 10**9 + self.dice.randint(0, 50) * 10**6 + self.span_count
        attributes = self.attributes(kind)
        name = self.pick("GET /", "x", "select items", "INSERT", "Delete orders now", "orders process")
        attributes |= self.flow() | self.thing()
        return Span(trace_id, id_, parent, name, kind, start, start + self.dice.randint(-1, 30) * 10**6, attributes,
                    resource, error=self.chance(0.15), tracestate=self.pick(
                        "", "", "", "", "ot=th:8", "v=1,ot=rv:aabbccddeeff00;th:c", "ot=th:xyz", "ot=th:4", "x=th:8", "ot=th:0", "ot=th:80000000000000", "ot=th:", "ot=p:8;th:e",
                        "ot=th:fffffffffffffff", "a=b, ot=th:f"))

    def attributes(self, kind):
        found = {}
        if self.chance(0.07):
            found["service.name"] = self.pick("web", "cart", "inner", "")
        if self.theme == "hops" and self.chance(0.9):
            return found | self.passing(kind)
        if self.theme == "queues" and self.chance(0.75):
            return found | self.busy_queue()
        if self.theme == "calls" and self.chance(0.75):
            return found | {self.pick("server.address", "server.address", "http.host"): self.pick(
                "gw", "gw:8080", "lb.shop", "localhost")}
        if self.theme == "databases" and self.chance(0.8):
            return found | self.database()
        flavour = self.dice.random()
        if kind in (PRODUCER, CONSUMER) and self.chance(0.5) or flavour < 0.12:
            found.update(self.messaging())
        elif flavour < 0.45 and kind != SERVER:
            found.update(self.database())
        if self.chance(0.15):
            found[self.pick("service.peer.name", "peer.service")] = self.pick(
                "cart", "CART", "pay", "", "web", 5, 5.0, True, b"hi", b"", [], ["a", 1], {"a": False}, 1.5, -7, 1e6, -0.25,
                ["q\"\\", [True, 2.5]], {"n": {"l": []}}, "caf\u00e9", "a b")
        if self.chance(0.45):
            found[self.pick("server.address", "server.address", "net.peer.name", "network.peer.address",
                            "net.sock.peer.addr", "net.peer.ip")] = self.pick(*ADDRESSES, "")
        for _ in range(self.pick(0, 0, 1, 2)):
            found[self.pick("server.port", "net.peer.port", "network.peer.port")] = self.pick(*PORT_VALUES)
        if self.chance(0.1):
            found[self.pick("rpc.service", "rpc.method")] = self.pick("shop.Cart", "/shop.Cart/Add", "Add", "web", "/", "/x/")
        if self.chance(0.05):  # what is read from resources only
            found[self.pick("service.namespace", "deployment.environment", "cloud.account.id")] = "span"
        if self.chance(0.15):
            found["http.host"] = self.pick("cart", "CART:8080", "x.example:80", "")
        if self.chance(0.15):
            found[self.pick("url.full", "http.url")] = self.pick(
                "https://u:p@x.example/a?b=c@d", "http://cart:8080/", "http://[2001:db8::1]:8443/x", "/relative",
                "http://localhost:9000/x", "HTTPS://Cart:8443?q", "grpc://u@[::1]:8443", "http://db.local.:5432#f", "http:///x")
        return found

    def thing(self):
        """A business object, or half of one."""
        if self.things.random() > 0.15:
            return {}
        found = {"entity.type": self.things.choice(["order", "order", "cart"]), "entity.id": self.things.choice(["1", 2, "a/b"])}
        if self.things.random() < 0.2:
            found[self.things.choice(list(found))] = ""
        return found

    def flow(self):
        """What gives a business context; in some worlds so rare that it has to come from afar."""
        found = {}
        if self.flows and self.chance(self.flows):
            found["coordimap.flow.name"] = self.pick("order", "order", "ship", "")
        if self.flows and self.chance(self.flows):
            found["coordimap.flow.run_id"] = self.pick("1", "2", 3, "")
        if self.flows and self.chance(0.25):
            found["coordimap.flow.step"] = self.pick("a", "b", "c", "pay it", "")
        return found

    def messaging(self):
        found = {}
        if self.chance(0.9):
            found["messaging.system"] = self.pick("kafka", "kafka", "aws_sqs")
        if self.chance(0.9):
            found[self.pick("messaging.destination.name", "messaging.destination.name", "messaging.destination",
                            "messaging.destination.template")] = self.pick("orders", "orders", "mails")
        if found:
            if self.chance(0.1):
                found[self.pick("messaging.destination.temporary", "messaging.destination.anonymous",
                                "messaging.temp_destination")] = self.pick(True, "true", False)
        if self.chance(0.8):
            found[self.pick("messaging.operation.type", "messaging.operation", "messaging.operation.name")] = self.pick(
                "send", "publish", "create", "create", "receive", "Receive", "process", "PROCESS", "consume", "deliver",
                "settle", "ack")
        return found

    def busy_queue(self):
        """One queue, more or less, on which creates, sends, receives and processes meet."""
        found = {"messaging.system": "kafka", "messaging.destination.name": self.pick("orders", "orders", "orders", "m")}
        if self.chance(0.9):
            found["messaging.operation.type"] = self.pick("create", "send", "receive", "receive", "process", "process")
        return found

    def passing(self, kind):
        """A message that is passed on."""
        operation = {CONSUMER: self.pick("process", "process", "receive"), PRODUCER: "send"}.get(kind)
        return {"messaging.system": "kafka", "messaging.destination.name": "q",
                "messaging.operation.type": operation} if operation else {}

    def database(self):
        found = {self.pick("db.system.name", "db.system"): self.pick(
            "postgresql", "postgresql", "mssql", "h2", "sqlite", "dynamodb")}
        if self.chance(0.6):
            found[self.pick("db.namespace", "db.name", "db.redis.database_index")] = self.pick("shop", "shop", 0, "")
        if self.chance(0.2):
            found[self.pick("db.operation.name", "db.operation")] = self.pick(
                "SELECT", "insert", "BATCH update", "ping", "GetItem", "")
        if self.chance(0.2):
            found[self.pick("db.collection.name", "db.sql.table", "db.mongodb.collection",
                            "aws.dynamodb.table_names")] = self.pick("items", "orders", "")
        elif self.chance(0.1):
            found["aws.dynamodb.table_names"] = self.pick(["items", "orders"], ["items", "items"], [])
        if self.chance(0.15):
            found["db.query.summary"] = self.pick(
                "SELECT items", "INSERT shipping SELECT orders", "SELECT items orders", "select", "BEGIN work",
                'SELECT "select" `x`', "DROP TABLE [items]", "INSERT INTO a SELECT FROM a", "UPDATE a UPDATE a")
        if self.chance(0.5):
            found[self.pick("db.query.text", "db.statement")] = self.sql.text()
        return found

    def link(self):
        for span in self.spans:
            busy = self.theme == "queues"
            if self.theme == "hops" and span.kind == CONSUMER and self.chance(0.9):
                producers = [other for other in self.spans if other.kind == PRODUCER]
                chosen = self.dice.sample(producers, min(len(producers), self.pick(1, 1, 2, 3)))
                span.links = [(other.trace, other.id) for other in chosen]
            elif self.chance(0.6 if busy else 0.5 if span.kind == CONSUMER else 0.12):
                others = self.dice.sample(self.spans, min(len(self.spans), self.pick(1, 1, 2)))
                producers = [other for other in self.spans if other.kind == PRODUCER or busy and other.attributes.get(
                    "messaging.operation.type") in ("create", "send")]
                if producers and self.chance(0.6):
                    others.append(self.dice.choice(producers))
                span.links = [(other.trace, other.id) for other in others]
                if self.chance(0.03):  # only the first 128 links are followed
                    span.links = [(b"n" * 16, b"n" * 8)] * self.pick(127, 128) + span.links

    def requests(self):
        """The spans in random order and batches, some of them sent twice."""
        spans = self.spans + [span for span in self.spans if self.chance(0.05)]
        self.dice.shuffle(spans)
        while spans:
            size = self.dice.randint(1, len(spans))
            yield request(spans[:size])
            spans = spans[size:]


def write_value(entry, value):
    if isinstance(value, list):
        entry.array_value.SetInParent()
        for item in value:
            write_value(entry.array_value.values.add(), item)
    elif isinstance(value, dict):
        entry.kvlist_value.SetInParent()
        for key, item in value.items():
            pair = entry.kvlist_value.values.add(key=key)
            write_value(pair.value, item)
    else:
        field = {str: "string_value", int: "int_value", bool: "bool_value", float: "double_value",
                 bytes: "bytes_value"}[type(value)]
        setattr(entry, field, value)


def request(spans):
    body = ExportTraceServiceRequest()
    for span in spans:
        resource = body.resource_spans.add()
        for key, value in sorted(span.resource.items(), reverse=span.start % 2 == 0):
            write_value(resource.resource.attributes.add(key=key).value, value)
        out = resource.scope_spans.add().spans.add(
            trace_id=span.trace, span_id=span.id, parent_span_id=span.parent_id, name=span.name, kind=span.kind,
            start_time_unix_nano=span.start, end_time_unix_nano=span.end, trace_state=span.tracestate)
        out.status.code = 2 if span.error else 0
        for key, value in span.attributes.items():
            write_value(out.attributes.add(key=key).value, value)
        for trace, id_ in span.links:
            out.links.add(trace_id=trace, span_id=id_)
    return body
