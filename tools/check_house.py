#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House-keeping that runs as a test: layers, lengths, banned words, dead files, SPDX lines.

The floors are read from the table in docs/ARCHITECTURE.md, so that the page and the code cannot disagree.
Prints one line per finding and exits 1 when there is any."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
MODULES_MAX = 15
PARAMETERS_MAX = 5
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|strtok_r|atoi|atol|atof|gets|alloca)\s*\(")
BANNED_OUTSIDE_BASE = re.compile(r"(?<![_\w])(strlen|memcpy|memmove|memset|memcmp)\s*\(")
PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX)\b")

findings = []


def report(path, line, text):
    findings.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def floors():
    """folder -> the set of folders that it may include, from ARCHITECTURE.md's table."""
    rows = {}
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    for floor, folder, uses in re.findall(r"^\| (\d) \| `src/(\w+)` \|.*\| ([^|]*) \|$", text, re.M):
        rows[folder] = (int(floor), set(re.findall(r"\w+", uses)))
    return rows


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in out.split("\n") if name and (ROOT / name).is_file()]


def strip_comments(text):
    """Blanks comments and literals, keeping line numbers."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def check_layers(path, text, allowed):
    room = path.relative_to(ROOT / "src").parts[0]
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'#include "(\w+)/', line)
        if match and match.group(1) != room and match.group(1) not in allowed[room][1]:
            report(path, number, f"{room} may not include {match.group(1)}")
        if re.match(r'#include "[^/"]+"', line):
            report(path, number, "an include spells its folder")


def check_words(path, text, code):
    in_base = path.is_relative_to(ROOT / "src/base") or path.name.endswith(("_test.c", "_fuzz.c"))
    for number, line in enumerate(code.split("\n"), 1):
        for pattern in [BANNED] if in_base else [BANNED, BANNED_OUTSIDE_BASE]:
            match = pattern.search(line)
            if match:
                report(path, number, f"{match.group(1)} is banned")
    for number, line in enumerate(text.split("\n"), 1):
        if PLACEHOLDER.search(line):
            report(path, number, "finish it or write it down in docs/ROADMAP.md")


def check_functions(path, code):
    lines = code.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            length = number - start - 1
            body = "\n".join(lines[start:number])
            if length > FUNCTION_LINES_MAX and "switch (" not in body:
                report(path, start, f"a function of {length} lines (at most {FUNCTION_LINES_MAX})")
            start = None


def check_parameters(path, code):
    for match in re.finditer(r"^[A-Za-z_][\w \*]*\b(\w+)\(([^;{}()]*)\)\n\{", code, re.M):
        count = match.group(2).count(",") + 1
        if count > PARAMETERS_MAX + 2:
            report(path, code[: match.start()].count("\n") + 1,
                   f"{match.group(1)} takes {count} parameters; make a struct")


def check_modules(paths):
    """A module is a header with what stands behind it."""
    folders = {}
    for path in paths:
        if path.suffix == ".h":
            folders.setdefault(path.parent, []).append(path)
    for folder, headers in folders.items():
        if len(headers) > MODULES_MAX:
            report(folder, 0, f"{len(headers)} modules in one folder (at most {MODULES_MAX})")


def check_dead(paths):
    everything = "\n".join(path.read_text() for path in tracked("src", "bench", "tests/*.c", "meson.build", "*/meson.build"))
    for path in paths:
        if path.suffix == ".h" and f'"{path.relative_to(ROOT / "src")}"' not in everything:
            report(path, 0, "nobody includes this header")
        if path.suffix == ".c" and not path.name.endswith(("_test.c", "_fuzz.c")):
            room = ROOT / "src" / path.relative_to(ROOT / "src").parts[0]
            if f"'{path.relative_to(room)}'" not in (room / "meson.build").read_text() and path.name != "main.c":
                report(path, 0, "not built")


def main():
    allowed = floors()
    if len(allowed) < 10:
        sys.exit("check_house: the table of floors in docs/ARCHITECTURE.md could not be read")
    paths = [path for path in tracked("src") if path.suffix in (".c", ".h")]
    for folder, (floor, uses) in allowed.items():
        for use in uses & set(allowed):
            if allowed[use][0] > floor or (allowed[use][0] == floor and folder in allowed[use][1]):
                report(ROOT / "docs/ARCHITECTURE.md", 0, f"{folder} may not stand on {use}")
    for path in paths:
        text = path.read_text()
        code = strip_comments(text)
        count = text.count("\n")
        if count > FILE_LINES_MAX:
            report(path, 0, f"{count} lines (at most {FILE_LINES_MAX})")
        if "SPDX-License-Identifier: Apache-2.0" not in text.split("\n")[0]:
            report(path, 1, "no SPDX line")
        check_layers(path, text, allowed)
        check_words(path, text, code)
        if path.suffix == ".c":
            check_functions(path, code)
            check_parameters(path, code)
    check_modules(paths)
    check_dead(paths)
    for finding in findings:
        print(finding)
    print(f"house-keeping: {len(paths)} files, {len(findings)} findings")
    sys.exit(1 if findings else 0)


main()
