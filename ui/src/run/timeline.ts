// SPDX-License-Identifier: Apache-2.0
// The time axis of a run. Where nothing begins or ends for long, time is folded into a narrow band, so that a run
// over days still shows its milliseconds. Elsewhere a nanosecond is a nanosecond.
import { duration } from '../base/format'
import { clockSeconds, day } from '../base/time'
import { axisTicks, type Gap, type Part, type Tick } from '../trace/model'

/** A gap is folded when it takes more than this part of what is left. */
const TOO_MUCH = 1 / 3
/** Nobody minds waits that are shorter. */
const SHORTEST_NS = 5e9
const GAPS_MAX = 200
/** What a folded gap takes of what is left, and what all of them take at most. */
const BAND = 0.07
const BANDS = 0.5

export interface Timeline {
  length: number
  foldable: boolean
  gaps: Gap[]
  /** From nanoseconds since the start to what is drawn. */
  shown: (ns: number) => number
  ticks: (part: Part, count: number) => Tick[]
}

interface Stretch {
  from: number
  to: number
}

/** The gaps to fold: the largest, until none of the others takes too much. */
function foldedOf(moments: number[], length: number): Stretch[] {
  const sorted = [...moments].sort((a, b) => a - b)
  const gaps: Stretch[] = []
  for (let at = 1; at < sorted.length; at++) {
    const [from, to] = [sorted[at - 1] ?? 0, sorted[at] ?? 0]
    if (to - from >= SHORTEST_NS) gaps.push({ from, to })
  }
  gaps.sort((a, b) => b.to - b.from - (a.to - a.from))
  const out: Stretch[] = []
  let left = length
  for (const gap of gaps.slice(0, GAPS_MAX)) {
    const size = gap.to - gap.from
    if (size <= left * TOO_MUCH) break
    left -= size
    out.push(gap)
  }
  return out.sort((a, b) => a.from - b.from)
}

function straight(length: number, foldable: boolean): Timeline {
  return {
    length,
    foldable,
    gaps: [],
    shown: (ns) => ns,
    ticks: (part, count) =>
      axisTicks(part, count).map((at) => ({ at, text: at === 0 ? '0' : duration(at), strong: false })),
  }
}

/** Of what lies between two gaps: where it begins by the clock, then times from there. */
function ticksOf(stretch: Stretch, text: string, part: Part, count: number): Tick[] {
  const from = Math.max(stretch.from, part.from)
  const to = Math.min(stretch.to, part.to)
  if (from > to) return []
  const room = Math.max(1, Math.floor((count * (to - from)) / (part.to - part.from)))
  const inner = axisTicks({ from: from - stretch.from, to: to - stretch.from }, room)
  const offsets = inner
    .filter((at) => at > 0)
    .map((at) => ({ at: at + stretch.from, text: `+${duration(at)}`, strong: false }))
  return [...(from === stretch.from ? [{ at: from, text, strong: true }] : []), ...offsets]
}

/** `moments`: where spans begin and end, in nanoseconds since `startMs`. */
export function timelineOf(moments: number[], length: number, startMs: number, fold: boolean): Timeline {
  const folded = foldedOf(moments, length)
  if (!fold || folded.length === 0) return straight(length, folded.length > 0)
  const rest = length - folded.reduce((sum, gap) => sum + gap.to - gap.from, 0)
  const band = rest * Math.min(BAND, BANDS / folded.length)
  const gaps: Gap[] = []
  const stretches: (Stretch & { text: string })[] = []
  let saved = 0
  let begin = 0
  let dayBefore = ''
  const stretch = (real: number, to: number) => {
    const at = startMs + real / 1e6
    const text = day(at) === dayBefore ? clockSeconds(at) : `${day(at)}, ${clockSeconds(at)}`
    dayBefore = day(at)
    stretches.push({ from: begin, to, text })
  }
  let real = 0
  for (const gap of folded) {
    const from = gap.from - saved
    stretch(real, from)
    gaps.push({ from, to: from + band, ns: gap.to - gap.from })
    saved += gap.to - gap.from - band
    begin = from + band
    real = gap.to
  }
  stretch(real, length - saved)
  const shown = (ns: number) => {
    let less = 0
    for (const gap of folded) {
      if (ns <= gap.from) break
      const size = gap.to - gap.from
      if (ns < gap.to) return gap.from - less + ((ns - gap.from) / size) * band
      less += size - band
    }
    return ns - less
  }
  return {
    length: length - saved,
    foldable: true,
    gaps,
    shown,
    ticks: (part, count) => stretches.flatMap((one) => ticksOf(one, one.text, part, count)),
  }
}
