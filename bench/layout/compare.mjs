// SPDX-License-Identifier: Apache-2.0
// Lays the maps of layout_bench out with dagre and measures both pictures the same way:
//
//     ninja -C build bench/layout_bench && (cd bench/layout && npm install) &&
//         build/bench/layout_bench | node bench/layout/compare.mjs
//
// Edges are measured as straight lines from the right side of the source to the left side of the target (or the other
// way round where the target stands left of it): that is what an eye follows, whatever bends a renderer adds.
// Movement: how far a node that was there the hour before moved, its median shift of the whole picture taken off.

import { createInterface } from "node:readline";
import dagre from "@dagrejs/dagre";

function layoutWithDagre(map) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 36, ranksep: 100 });
  graph.setDefaultEdgeLabel(() => ({}));
  map.nodes.forEach(([, , width, height], i) => graph.setNode(String(i), { width, height }));
  for (const [from, to] of map.edges) graph.setEdge(String(from), String(to));
  const before = process.cpuUsage();
  dagre.layout(graph);
  const spent = process.cpuUsage(before);
  const nodes = map.nodes.map(([, , width, height], i) => {
    const node = graph.node(String(i));
    return [node.x - width / 2, node.y - height / 2, width, height];
  });
  return { ms: (spent.user + spent.system) / 1000, nodes };
}

function segments(nodes, edges) {
  return edges
    .filter(([from, to]) => from !== to)
    .map(([from, to]) => {
      const [a, b] = [nodes[from], nodes[to]];
      const forward = a[0] <= b[0];
      return { from, to, x1: forward ? a[0] + a[2] : a[0], y1: a[1] + a[3] / 2, x2: forward ? b[0] : b[0] + b[2], y2: b[1] + b[3] / 2 };
    });
}

function side(ax, ay, bx, by, cx, cy) {
  return Math.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));
}

function crosses(a, b) {
  if (a.from === b.from || a.to === b.to || a.from === b.to || a.to === b.from) return false;
  return (
    side(a.x1, a.y1, a.x2, a.y2, b.x1, b.y1) * side(a.x1, a.y1, a.x2, a.y2, b.x2, b.y2) < 0 &&
    side(b.x1, b.y1, b.x2, b.y2, a.x1, a.y1) * side(b.x1, b.y1, b.x2, b.y2, a.x2, a.y2) < 0
  );
}

function measure(nodes, edges) {
  const lines = segments(nodes, edges);
  let crossings = 0;
  for (let i = 0; i < lines.length; i++) for (let j = 0; j < i; j++) crossings += crosses(lines[i], lines[j]);
  const length = lines.reduce((sum, line) => sum + Math.hypot(line.x2 - line.x1, line.y2 - line.y1), 0) / Math.max(1, lines.length);
  const width = Math.max(...nodes.map((node) => node[0] + node[2])), height = Math.max(...nodes.map((node) => node[1] + node[3]));
  return { crossings, length, area: (width * height) / 1e6 };
}

const median = (values) => (values.length ? values.sort((a, b) => a - b)[values.length >> 1] : 0);

function movement(before, after) {
  const n = Math.min(before.length, after.length);
  const dx = [], dy = [];
  for (let i = 0; i < n; i++) (dx.push(after[i][0] - before[i][0]), dy.push(after[i][1] - before[i][1]));
  const mx = median([...dx]), my = median([...dy]);
  return dx.reduce((sum, x, i) => sum + Math.hypot(x - mx, dy[i] - my), 0) / Math.max(1, n);
}

const rows = new Map();
function add(size, who, numbers) {
  const key = `${size} ${who}`;
  const row = rows.get(key) ?? { size, who, n: 0, crossings: 0, length: 0, area: 0, ms: 0, moved: 0 };
  for (const [name, value] of Object.entries(numbers)) row[name] += value;
  row.n++;
  rows.set(key, row);
}

const last = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const map = JSON.parse(line);
  for (const [who, picture] of Object.entries({ weft: { ms: map.ms, nodes: map.nodes }, dagre: layoutWithDagre(map) })) {
    const key = `${map.size} ${who}`;
    const moved = last.has(key) ? movement(last.get(key), picture.nodes) : 0;
    last.set(key, picture.nodes);
    add(map.size, who, { ...measure(picture.nodes, map.edges), ms: picture.ms, moved });
  }
}
console.log("| nodes | | crossings | edge length, px | area, Mpx | moved per hour, px | CPU, ms |\n|---|---|---|---|---|---|---|");
for (const row of rows.values()) {
  const mean = (name, n = row.n) => (row[name] / Math.max(1, n)).toPrecision(3);
  console.log(`| ${row.size} | ${row.who} | ${mean("crossings")} | ${mean("length")} | ${mean("area")} | ${mean("moved", row.n - 1)} | ${mean("ms")} |`);
}
