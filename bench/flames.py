#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where each stage's time goes, as flame graphs: flames.py BUILD [--spans N] [--kind easy] [--out BUILD/flames].

Records the server with perf while spans come in at full speed and blocks are merged, folds the stacks of each kind
of thread, and draws one SVG for each: width is CPU time, callers stand below, a frame's title has its share. Frames
of less than LEAST of their stage are left out, which keeps a picture readable, and small.
"""

import argparse
import html
import pathlib
import re
import subprocess
import tempfile
import time

import run

STAGES = {"loops": r"serve-\d+", "log": "log", "applier": "applier", "writer": "writer", "compactor": "compactor"}
WIDTH, ROW, LEAST, LETTER = 1200, 16, 0.004, 6.2
MERGE_WINDOW_S = 10  # an eighth of the retention's age: blocks are merged when it is over


class Frame:
    def __init__(self):
        self.count, self.callees = 0, {}

    def add(self, stack):
        self.count += 1
        for name in stack:
            self = self.callees.setdefault(name, Frame())
            self.count += 1


def fold(text):
    """{stage: frames} of what `perf script -F comm,ip,sym` prints: a line of the thread, then its stack, innermost first."""
    roots = {stage: Frame() for stage in STAGES}
    for sample in text.split("\n\n"):
        lines = sample.strip().split("\n")
        stage = next((stage for stage, pattern in STAGES.items() if re.fullmatch(pattern, lines[0].strip())), None)
        if stage:
            names = [line.split(maxsplit=1)[1] for line in reversed(lines[1:]) if len(line.split(maxsplit=1)) == 2]
            roots[stage].add([name for name in names if name not in ("[unknown]", "clone3", "__clone3", "start_thread")])
    return roots


def place(frame, x, depth, total, name="", out=None):
    """Rectangles (x, depth, width, name, share), callees of a frame side by side, in the order of their names."""
    out = [] if out is None else out
    if frame.count / total >= LEAST:
        if depth >= 0:
            out.append((x, depth, frame.count / total, name))
        for callee in sorted(frame.callees):
            place(frame.callees[callee], x, depth + 1, total, callee, out)
            x += frame.callees[callee].count / total
    return out


def draw(stage, root, share):
    frames = place(root, 0, -1, max(root.count, 1))
    height = (max((depth for _, depth, _, _ in frames), default=0) + 2) * ROW
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="10">',
           f'<text x="4" y="12">{stage}: {share:.0%} of the server\'s CPU time, {root.count} samples</text>']
    for x, depth, width, name in frames:
        letters = int(width * WIDTH / LETTER) - 1
        y, hue = height - (depth + 1) * ROW, 20 + sum(name.encode()) % 35
        label = name if len(name) <= letters else name[:letters - 1] + "…" if letters > 3 else ""
        out.append(f'<g><title>{html.escape(name)} {width:.1%}</title><rect x="{x * WIDTH:.1f}" y="{y}" width="{width * WIDTH - 0.5:.1f}" '
                   f'height="{ROW - 1}" fill="hsl({hue},80%,68%)"/>'
                   + (f'<text x="{x * WIDTH + 2:.1f}" y="{y + 11}">{html.escape(label)}</text>' if label else "") + "</g>")
    return "\n".join([*out, "</svg>\n"])


def record(arguments, root):
    age = f"exporters.weft.retention.age={8 * MERGE_WINDOW_S}s"
    process, ports, _ = run.start_weft(arguments.build, f"{root}/data", "--set", age)
    perf = subprocess.Popen(["perf", "record", "-q", "-F", "999", "-g", "-p", str(process.pid), "-o", f"{root}/perf.data"])
    run.send(arguments.build, ports["otlp_http"], process.pid, arguments.spans, arguments.kind)
    time.sleep(2 * MERGE_WINDOW_S)
    process.terminate()
    process.wait()
    perf.wait()
    return subprocess.run(["perf", "script", "-i", f"{root}/perf.data", "-F", "comm,ip,sym"], capture_output=True, text=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--kind", default="easy")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out or f"{arguments.build}/flames")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        roots = fold(record(arguments, root))
    all_samples = sum(frame.count for frame in roots.values())
    for stage, frame in roots.items():
        (out / f"{stage}.svg").write_text(draw(stage, frame, frame.count / max(all_samples, 1)))
        print(f"{frame.count / max(all_samples, 1):5.0%} {out}/{stage}.svg")


if __name__ == "__main__":
    main()
