// SPDX-License-Identifier: Apache-2.0
// axe on every page, light and dark, and what axe cannot see.
import { check, same } from './tools.mjs'

const PAGES = {
  map: async () => ['#/map', '.node'],
  'edge panel': async (bench) => [`#/map?edge=${(await busiest(bench)).id}`, '.panel .series'],
  'node panel': async (bench) => [`#/map?node=${(await busiest(bench)).source}`, '.panel .figures'],
  table: async () => ['#/map?view=table', '.map-table tbody tr'],
  traces: async () => ['#/traces?last=24h', '.trace-item'],
  trace: async (bench) => [await spanWithError(bench), '.panel .attributes'],
  'flame graph': async (bench) => [`${await spanWithError(bench)}&tab=flame`, '.flame-canvas'],
  statistics: async (bench) => [`${await spanWithError(bench)}&tab=statistics`, '.table'],
  'trace map': async (bench) => [`${await spanWithError(bench)}&tab=map`, '.node'],
  events: async (bench) => [`${await spanWithError(bench)}&tab=events`, '.trace-view'],
  flows: async () => ['#/flows?last=24h', '.table, .notice'],
  changes: async () => ['#/changes?range=24h', '.happened, .notice'],
  health: async () => ['#/health', '.finding, .notice'],
  settings: async () => ['#/settings', '.mappings, .setting'],
  status: async () => ['#/status', '.status-groups'],
}

async function busiest(bench) {
  const map = await bench.api('map?from=-15m&to=now')
  return map.edges.sort((a, b) => b.count - a.count)[0]
}

async function spanWithError(bench) {
  const { items } = await bench.api('traces?limit=50')
  const trace = items.find((item) => item.errors > 0) ?? items[0]
  const { spans } = await bench.api(`traces/${trace.trace_id}`)
  const span = spans.find((candidate) => candidate.status?.code === 'error') ?? spans[0]
  return `#/trace/${trace.trace_id}?span=${span.span_id}`
}

const MOCKED = {
  flow: async () => ['#/flows/checkout.place_order?run=ord-800000000', '.player'],
  runs: async () => ['#/flows/checkout.place_order?view=runs', '.run'],
  entity: async () => ['#/entity/order/48213', '.entity-item'],
}

const onPages = Object.entries({ ...PAGES, ...MOCKED }).flatMap(([name, where]) =>
  [false, true].map((dark) => ({
    name: `axe: ${name}, ${dark ? 'dark' : 'light'}`,
    anyServer: name in PAGES,
    dark,
    async run(bench) {
      const [hash, ready] = await where(bench)
      await bench.open(hash)
      await bench.see(ready)
      await bench.axe()
    },
  })),
)

export const tests = [
  ...onPages,
  {
    name: 'axe: empty state and errors',
    async run(bench) {
      await bench.open('', '/empty')
      await bench.see('.copy-line')
      await bench.axe()
      await bench.open('#/traces?q=%7B%20name%20%3D%3D%20%7D')
      await bench.see('.query-error')
      await bench.axe()
    },
  },
  {
    name: 'access: the tab key reaches search, map, panel and dock, and the focus can be seen',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.click('[aria-label^="cart,"]')
      await bench.see('.panel')
      await bench.page.evaluate(() => document.activeElement.blur())
      const seen = new Set()
      for (let step = 0; step < 60; step++) {
        await bench.page.keyboard.press('Tab')
        const where = await bench.page.evaluate(() => {
          const at = document.activeElement
          const mark =
            getComputedStyle(at).outlineStyle !== 'none' ||
            at.closest('.search, .query-box') ||
            at.classList.contains('node')
          return [
            ['.search', '.map-svg', '.panel', '.dock', '.rail'].find((place) => at.closest(place)) ?? '',
            Boolean(mark) || at === document.body,
          ]
        })
        seen.add(where[0])
        check(where[1], `the focus cannot be seen in ${where[0]}`)
      }
      for (const place of ['.rail', '.search', '.map-svg', '.panel', '.dock'])
        check(seen.has(place), `Tab does not reach ${place}`)
    },
  },
  {
    name: 'access: forced colours and reduced motion are honoured',
    forced: true,
    still: true,
    async run(bench) {
      await bench.open('')
      await bench.see('.line-group')
      const state = await bench.page.evaluate(() => ({
        line: getComputedStyle(document.querySelector('.line-group .line')).stroke,
        motion: getComputedStyle(document.querySelector('.control')).transitionDuration,
      }))
      check(state.line !== 'none', 'lines have vanished')
      same(state.motion, '0s', 'motion')
    },
  },
]
