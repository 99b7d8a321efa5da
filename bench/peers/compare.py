#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same spans and the same questions for Weft and for databases that people keep spans in.

    make bench-peers [SPANS=10000000] [KINDS="easy hard"] [PEERS="DuckDb ClickHouse RocksDb Sqlite"]

or, with the packages of bench/peers/requirements.txt,

    python3 bench/peers/compare.py BUILD [SPANS] [easy|hard] [PEER…]

Weft gets the spans as its users send them (OTLP over HTTP, durable, everything on). Stopped, it leaves them in Parquet
blocks; from these the peers load the very same spans, in bulk, with one thread, and with the columns that Weft has made:
decoding OTLP, choosing columns, a log and a map are not in their cost. Peers are asked in their own process, Weft over
HTTP with whole traces as JSON. CPU is user + system time of all threads; where the machine is busy it tells more than
the clock. A peer whose package is absent is left out and named. What is going on is told on standard error; a peer's
files go when it has answered, so that the disk needs room for one of them (10 M hard spans: 12 GB).
"""

import json
import marshal
import multiprocessing
import os
import pathlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
SPANS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
KIND = sys.argv[3] if len(sys.argv) > 3 else "easy"
PEERS = sys.argv[4:] or ["DuckDb", "ClickHouse", "RocksDb", "Sqlite"]
BATCH = 10_000
ASKED, LIMIT = 40, 20
QUESTIONS = ("by id", "customer", "errors", "slow")


STARTED = time.monotonic()


def tell(text):
    print(f"[{time.monotonic() - STARTED:6.0f} s] {text}", file=sys.stderr, flush=True)


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def size_of(path):
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def timed(ask, questions, cpu):
    """p50 in ms, CPU in ms, and rows of the first answer; after one question to warm up."""
    found = ask(questions[0])
    samples, before = [], cpu()
    for question in questions:
        start = time.perf_counter()
        ask(question)
        samples.append((time.perf_counter() - start) * 1000)
    return statistics.median(samples), (cpu() - before) / len(questions) * 1000, found


def customer(i):
    return f"c-{(i * 7919 + 17) % 100000:06d}"


# Weft

def get(port, path, **parameters):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
        return json.load(answer)


def start_weft(data, ready):
    ready.unlink(missing_ok=True)
    process = subprocess.Popen([f"{BUILD}/weft", "serve", "--data", data, "--ports", "0", "--ready-file", ready],
                               stderr=subprocess.DEVNULL)
    while not ready.exists() or not ready.read_text():
        time.sleep(0.01)
    return process, json.loads(ready.read_text())


def sample_ids(port):
    items, cursor = [], None
    while len(items) < 5000:
        page = get(port, "/api/v1/traces", limit=1000, **({"cursor": cursor} if cursor else {}))
        items, cursor = items + page["items"], page["cursor"]
        if cursor is None:
            break
    return [item["trace_id"] for item in random.Random(1).sample(items, ASKED)]


def measure_weft(root):
    data, ready = root / "weft", root / "ready.json"
    process, ports = start_weft(data, ready)
    tell(f"Weft: sending {SPANS:,} {KIND} spans")
    sent = json.loads(subprocess.run([f"{BUILD}/bench/ingest_bench", str(ports["otlp_http"]), str(process.pid), str(SPANS), KIND],
                                     capture_output=True, text=True, check=True).stdout)
    process.terminate()
    process.wait()
    figures = {"ingest": sent["cpu_s_per_million"], "bytes": size_of(data) / sent["spans"]}
    process, ports = start_weft(data, ready)
    port, pid = ports["http"], process.pid
    tell("Weft: asking")
    ids = sample_ids(port)

    def cpu():
        return cpu_of(pid)

    def search(q):
        return len(get(port, "/api/v1/traces", limit=LIMIT, q=q)["items"])

    figures["by id"] = timed(lambda key: len(get(port, f"/api/v1/traces/{key}")["spans"]), ids * 5, cpu)
    figures["customer"] = timed(search, [f'{{ span.customer.id = "{customer(i)}" }}' for i in range(ASKED)], cpu)
    figures["errors"] = timed(search, ['{ span.http.response.status_code = 500 && resource.service.name = "cart" }'] * ASKED, cpu)
    figures["slow"] = timed(search, ["{ duration > 52800us }"] * ASKED, cpu)
    process.terminate()
    process.wait()
    return figures, ids, sorted(str(path) for path in (data / "blocks").glob("*.parquet"))


# Peers

ERRORS = "\"http.response.status_code\" = 500 AND service_name = 'cart'"
SLOW_NS = 52800000
SLOW = f"duration_ns > {SLOW_NS}"
BY_START = f"GROUP BY trace_id ORDER BY 2 DESC LIMIT {LIMIT}"


class DuckDb:
    """A table with an index over the trace ids."""

    def __init__(self, root):
        import duckdb
        self.path = root / "spans.duckdb"
        self.db = duckdb.connect(str(self.path), config={"threads": 1})
        self.name = f"DuckDB {duckdb.__version__}"

    def load(self, files):
        self.db.execute(f"CREATE TABLE spans AS SELECT * FROM read_parquet({files!r}, union_by_name = true) LIMIT 0")
        for number, file in enumerate(files):
            self.db.execute(f"INSERT INTO spans BY NAME SELECT * FROM read_parquet({file!r})")
            tell(f"DuckDB: {number + 1} of {len(files)} files")
        self.db.execute("CREATE INDEX by_trace ON spans (trace_id)")
        self.db.execute("CHECKPOINT")
        return size_of(self.path)

    def rows(self, sql, *values):
        return len(self.db.execute(sql, values).fetchall())

    def by_id(self, key):
        return self.rows("SELECT * FROM spans WHERE trace_id = ?", bytes.fromhex(key))

    def customer(self, value):
        return self.rows(f'SELECT trace_id, min(start_time_unix_nano) FROM spans WHERE "customer.id" = ? {BY_START}', value)

    def where(self, condition):
        return self.rows(f"SELECT trace_id, min(start_time_unix_nano) FROM spans WHERE {condition} {BY_START}")


class ClickHouse:
    """Ordered and indexed as the Collector's otel_traces table is, with a Bloom filter for the customer, too."""

    def __init__(self, root):
        import chdb
        from chdb import session
        self.path = root / "chdb"
        self.db = session.Session(str(self.path))
        self.name = f"chdb {getattr(chdb, '__version__', '')}"
        self.db.query("CREATE DATABASE IF NOT EXISTS t ENGINE = Atomic")

    def load(self, files):
        pattern = str(pathlib.Path(files[0]).parent) + "/*.parquet"
        self.db.query(f"""CREATE TABLE t.spans ENGINE = MergeTree ORDER BY (service_name, name, start_time_unix_nano)
            SETTINGS allow_nullable_key = 1 AS SELECT * FROM file('{pattern}', 'Parquet')
            SETTINGS schema_inference_mode = 'union', max_threads = 1, max_insert_threads = 1""")
        for name, index in (("by_trace", "trace_id TYPE bloom_filter(0.001)"), ("by_customer", '"customer.id" TYPE bloom_filter(0.01)')):
            self.db.query(f"ALTER TABLE t.spans ADD INDEX {name} {index} GRANULARITY 1")
            self.db.query(f"ALTER TABLE t.spans MATERIALIZE INDEX {name} SETTINGS mutations_sync = 2")
        self.db.query("OPTIMIZE TABLE t.spans FINAL")
        size = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 't'"
        return int(self.db.query(size, "TabSeparated").bytes())

    def rows(self, sql):
        return self.db.query(sql + " SETTINGS max_threads = 1", "JSONEachRow").bytes().count(b"\n")

    def by_id(self, key):
        return self.rows(f"SELECT * FROM t.spans WHERE trace_id = unhex('{key}')")

    def customer(self, value):
        return self.where(f"\"customer.id\" = '{value}'")

    def where(self, condition):
        return self.rows(f"SELECT trace_id, min(start_time_unix_nano) FROM (SELECT hex(trace_id) AS trace_id, start_time_unix_nano "
                         f"FROM t.spans WHERE {condition}) {BY_START}")


def plain(value):
    """What every database takes."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else value


def read_rows(files, name):
    """The column names, then lists of rows, of all files; DuckDB reads them."""
    import duckdb
    cursor = duckdb.connect(config={"threads": 1}).execute(f"SELECT * FROM read_parquet({files!r}, union_by_name = true)")
    yield [column[0] for column in cursor.description]
    done = 0
    while rows := cursor.fetchmany(BATCH):
        yield rows
        done += len(rows)
        if done % (BATCH * 50) == 0:
            tell(f"{name}: {done:,} rows")


class RocksDb:
    """Spans by (trace, start, span); for each search an index as Jaeger keeps them in such stores. zstd, Bloom filters."""

    def __init__(self, root):
        import importlib.metadata
        import rocksdict
        self.module = rocksdict
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(rocksdict.DBCompressionType.zstd())
        options.set_write_buffer_size(64 << 20)
        table = rocksdict.BlockBasedOptions()
        table.set_bloom_filter(10, False)
        table.set_block_size(16 << 10)
        options.set_block_based_table_factory(table)
        self.path = root / "rocksdb"
        self.db = rocksdict.Rdict(str(self.path), options)
        self.name = f"rocksdict {importlib.metadata.version('rocksdict')}"

    def load(self, files):
        rows = read_rows(files, "RocksDB")
        names = next(rows)
        trace, span, start, duration, service, customer_id, status = (
            names.index(name) for name in ("trace_id", "span_id", "start_time_unix_nano", "duration_ns", "service_name",
                                           "customer.id", "http.response.status_code"))
        for some in rows:
            batch = self.module.WriteBatch(raw_mode=True)
            for row in some:
                begin = row[start].to_bytes(8, "big")
                place = row[trace] + begin + row[span]
                batch.put(b"s" + place, marshal.dumps([plain(value) for value in row]))
                batch.put(b"d" + row[duration].to_bytes(8, "big") + place, b"")
                if row[customer_id] is not None:
                    batch.put(b"c" + row[customer_id].encode() + b"\0" + place, b"")
                if row[status] is not None:
                    batch.put(f"e{row[service]}\0{row[status]}\0".encode() + begin + place, b"")
            self.db.write(batch)
        self.db.flush()
        self.db.compact_range(None, None)
        return size_of(self.path)

    def scan(self, prefix, start=None):
        cursor = self.db.iter()
        cursor.seek(start or prefix)
        while cursor.valid() and cursor.key().startswith(prefix):
            yield cursor.key(), cursor.value()
            cursor.next()

    @staticmethod
    def newest(places):
        """The newest traces of keys that end with trace, start and span."""
        starts = {}
        for place in places:
            trace, start = place[-32:-16], place[-16:-8]
            starts[trace] = min(starts.get(trace, start), start)
        return len(sorted(starts.items(), key=lambda item: item[1], reverse=True)[:LIMIT])

    def by_id(self, key):
        return len([marshal.loads(value) for _, value in self.scan(b"s" + bytes.fromhex(key))])

    def customer(self, value):
        return self.newest(key for key, _ in self.scan(b"c" + value.encode() + b"\0"))

    def where(self, condition):
        if condition == SLOW:
            return self.newest(key for key, _ in self.scan(b"d", b"d" + (SLOW_NS + 1).to_bytes(8, "big")))
        prefix, traces = b"ecart\x00500\0", set()
        cursor = self.db.iter()
        cursor.seek_for_prev(prefix + b"\xff" * 8)
        while cursor.valid() and cursor.key().startswith(prefix) and len(traces) < LIMIT:
            traces.add(cursor.key()[-32:-16])
            cursor.prev()
        return len(traces)


class Sqlite:
    """A row per span, a column per attribute, indexes for the two look-ups. DuckDB reads the Parquet files for it."""

    def __init__(self, root):
        self.path = root / "spans.sqlite"
        self.db = sqlite3.connect(self.path)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.name = f"SQLite {sqlite3.sqlite_version}"

    def load(self, files):
        all_rows = read_rows(files, "SQLite")
        names = [f'"{name}"' for name in next(all_rows)]
        self.db.execute(f"CREATE TABLE spans ({', '.join(names)})")
        self.db.execute("CREATE INDEX by_trace ON spans (trace_id)")
        self.db.execute('CREATE INDEX by_customer ON spans ("customer.id")')
        for rows in all_rows:
            self.db.executemany(f"INSERT INTO spans VALUES ({', '.join('?' * len(names))})",
                                [[plain(value) for value in row] for row in rows])
            self.db.commit()
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return size_of(self.path)

    rows, by_id, customer, where = DuckDb.rows, DuckDb.by_id, DuckDb.customer, DuckDb.where


def measure_peer(peer_type, root, files, ids, results):
    """In a process of its own, so that its CPU is its own."""
    try:
        peer = peer_type(pathlib.Path(root))
    except ImportError as error:
        results.put((peer_type.__name__, str(error)))
        return
    tell(f"{peer.name}: loading")
    before = time.process_time()
    size = peer.load(files)
    tell(f"{peer.name}: asking")
    figures = {"ingest": (time.process_time() - before) / (SPANS / 1e6), "bytes": size / SPANS}
    figures["by id"] = timed(peer.by_id, ids, time.process_time)
    figures["customer"] = timed(peer.customer, [customer(i) for i in range(ASKED)], time.process_time)
    figures["errors"] = timed(peer.where, [ERRORS] * 5, time.process_time)
    figures["slow"] = timed(peer.where, [SLOW] * 5, time.process_time)
    results.put((peer.name, figures))


def show(name, figures, weft):
    cells = []
    for question in QUESTIONS:
        p50, cpu, found = figures[question]
        cells.append(f"{p50:9.2f} {cpu:9.2f} {cpu / max(weft[question][1], 0.01):7.1f} {found:5d}")
    print(f"{name:16} {figures['ingest']:9.2f} {figures['bytes']:9.1f} | " + " | ".join(cells), flush=True)


def main():
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        weft, ids, files = measure_weft(root)
        print(f"{SPANS:,} {KIND} spans. Loading: CPU-s per million, bytes per span. Questions: p50 ms, CPU ms, CPU as many times "
              "Weft's, rows found.")
        print(f"{'':16} {'CPU-s/M':>9} {'B/span':>9} | " + " | ".join(f"{question:^33}" for question in QUESTIONS))
        show("Weft over HTTP", weft, weft)
        for peer_type in (globals()[name] for name in PEERS):
            place = root / peer_type.__name__
            place.mkdir()
            results = context.SimpleQueue()
            process = context.Process(target=measure_peer, args=(peer_type, str(place), files, ids, results))
            process.start()
            process.join()
            shutil.rmtree(place)
            if results.empty():
                print(f"{peer_type.__name__:16} failed", flush=True)
                continue
            name, figures = results.get()
            print(f"{name:16} left out: {figures}") if isinstance(figures, str) else show(name, figures, weft)


if __name__ == "__main__":
    main()
