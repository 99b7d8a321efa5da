# SPDX-License-Identifier: Apache-2.0
"""The database rules of CONTRACT.md §3 in plain Python, written from its text alone."""

import re

READS = set("""select find findone get mget hget hgetall scan read query count aggregate exists search fetch list lookup
getitem batchgetitem getmore""".split())
WRITES = set("""insert update delete upsert merge set write put replace create drop alter truncate incr decr del expire
hset lpush rpush sadd zadd bulk index save remove findandmodify putitem updateitem deleteitem batchwriteitem""".split())
VERBS = READS | WRITES
SUMMARY_FILLERS = {"TABLE", "INTO", "FROM", "INDEX", "VIEW"}
TABLE_MODIFIERS = {"ONLY", "LATERAL", "IGNORE", "LOW_PRIORITY", "IF", "NOT", "EXISTS"}
LIST_ENDS = set("""WHERE SET ORDER GROUP HAVING LIMIT JOIN LEFT RIGHT INNER OUTER CROSS FULL NATURAL ON USING UNION
RETURNING WHEN FOR SELECT VALUES INTO FROM""".split())
QUOTED = r'"[^"]*"|`[^`]*`|\[[^\]]*\]'
TOKEN = re.compile(rf"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:\\.|''|[^'\\])*')
    |(?P<name>(?:{QUOTED}|[A-Za-z_]\w*)(?:\.(?:{QUOTED}|\w+))*)|(?P<other>.)""", re.S | re.X)


def relation(verb):
    verb = (verb or "").lower()
    return "reads" if verb in READS else "writes" if verb in WRITES else "accesses"


def first_verb(words):
    return next((word for word in words if word.lower() in VERBS), None)


def unquoted(name):
    return re.sub(rf"{QUOTED}", lambda match: match.group()[1:-1], name)


def tokens_of(text):
    """(kind, text) of the tokens; a keyword is a name without dots and quotes."""
    found = [(match.lastgroup, match.group()) for match in TOKEN.finditer(text)]
    return [token for token in found if token[0] != "skip"]


def words_of(text):
    return [text for kind, text in tokens_of(text) if kind == "name" and text.isidentifier()]


class Statement:
    """One statement, token by token; a frame is what one parenthesis has opened so far."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.pairs = []
        self.hidden = self.names_of_ctes()

    def word(self, i):
        if not 0 <= i < len(self.tokens) or self.tokens[i][0] != "name":
            return self.tokens[i][1] if 0 <= i < len(self.tokens) else ""
        return self.tokens[i][1].upper()

    def behind_parenthesis(self, i):
        depth = 0
        while i < len(self.tokens):
            depth += {"(": 1, ")": -1}.get(self.tokens[i][1], 0)
            i += 1
            if depth == 0:
                return i
        return i

    def names_of_ctes(self):
        names = set()
        for i in range(len(self.tokens)):
            if self.word(i) != "WITH":
                continue
            i += 2 if self.word(i + 1) == "RECURSIVE" else 1
            while i < len(self.tokens) and self.tokens[i][0] == "name":
                name, i = self.tokens[i][1], i + 1
                if self.word(i) == "(":
                    i = self.behind_parenthesis(i)
                if self.word(i) != "AS":
                    break
                i += 1
                while self.word(i) in ("NOT", "MATERIALIZED"):
                    i += 1
                if self.word(i) != "(":
                    break
                names.add(unquoted(name).lower())
                i = self.behind_parenthesis(i)
                if self.word(i) != ",":
                    break
                i += 1
        return names

    def take(self, i, how, functions):
        """The table that stands at @i, behind modifiers, if one does."""
        while self.word(i) in TABLE_MODIFIERS:
            i += 1
        if i >= len(self.tokens) or self.tokens[i][0] != "name" or (functions and self.word(i + 1) == "("):
            return i
        name = unquoted(self.tokens[i][1])
        if name.lower() not in self.hidden:
            self.pairs.append((how, name))
        return i + 1

    def tables(self):
        frames = [{}]
        i = 0
        while i < len(self.tokens):
            i = self.step(i, frames)
        return self.pairs

    def step(self, i, frames):
        word, before, frame = self.word(i), self.word(i - 1), frames[-1]
        if word == "(":
            frames.append({})
        elif word == ")" and len(frames) > 1:
            frames.pop()
        elif word == "," and frame.get("list"):
            return self.take(i + 1, frame["list"], frame["functions"])
        elif word in ("SELECT", "DELETE", "MERGE"):
            frame["list"] = None
            frame[word] = True
        elif word == "FROM" and before != "DISTINCT" and any(map(frame.get, ("SELECT", "DELETE", "UPDATE"))):
            frame["list"], frame["functions"] = ("writes" if before == "DELETE" else "reads"), True
            return self.take(i + 1, frame["list"], True)
        elif word == "UPDATE" and self.word(i + 1) != "SET" and before not in ("FOR", "KEY", "DO", "ON"):
            frame["UPDATE"], frame["list"], frame["functions"] = True, "writes", False
            return self.take(i + 1, "writes", False)
        elif word == "JOIN":
            frame["list"] = None
            return self.take(i + 1, "reads", True)
        elif word == "USING" and (frame.get("DELETE") or frame.get("MERGE")):
            frame["list"], frame["functions"] = "reads", True
            if self.word(i + 1) == "(":
                frame["list"] = None
                return i + 1
            return self.take(i + 1, "reads", True)
        elif word == "INTO":
            frame["list"] = None
            return self.take(i + 1, "writes", False)
        elif word == "TABLE" and before in ("TRUNCATE", "CREATE", "ALTER", "DROP"):
            frame["list"], frame["functions"] = ("writes" if before in ("DROP", "TRUNCATE") else None), False
            return self.take(i + 1, "writes", False)
        elif word in LIST_ENDS:
            frame["list"] = None
        return i + 1


def tables(text):
    """The (relation, table) pairs that a text names."""
    pairs, statement = [], []
    for token in [*tokens_of(text), ("other", ";")]:
        if token[1] == ";":
            pairs += Statement(statement).tables()
            statement = []
        else:
            statement.append(token)
    return pairs


def summary_pairs(summary):
    pairs, verb, collections = [], None, []

    def close():
        if verb:
            pairs.extend((relation(verb), name) for name in collections or [""])

    for word in summary.split():
        if word.lower() in VERBS:
            close()
            verb, collections = word, []
        elif verb and word.upper() not in SUMMARY_FILLERS:
            collections.append(word.strip("\"'`[]"))
    close()
    return pairs or [("accesses", "")]


def first_word(text):
    rest = [token for token in tokens_of(text) if token[1] != "("]
    return rest[0][1] if rest and rest[0][0] == "name" else ""


def pairs(operation, collections, summary, text, name):
    """(rule, the set of (relation, collection)); a collection of '' is the database itself."""
    verb = first_verb((operation or "").split())
    if collections:
        verb = verb or first_verb((summary or "").split()) or first_verb(words_of(text or "")) or first_verb(name.split())
        return "db.explicit", {(relation(verb), collection) for collection in collections}
    if summary:
        return "db.summary", set(summary_pairs(summary))
    found = tables(text or "")
    if found:
        return "db.text", set(found)
    if verb:
        return "db.name", {(relation(verb), "")}
    if first_word(text or "").lower() in VERBS:
        return "db.name", {(relation(first_word(text)), "")}
    words = name.split()
    if words and words[0].lower() in VERBS:
        return "db.name", {(relation(words[0]), words[1] if len(words) > 1 else "")}
    return "db.name", {("accesses", "")}
