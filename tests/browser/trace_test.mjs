// SPDX-License-Identifier: Apache-2.0
import { check, same, Skip, until } from './tools.mjs'

const BIG = '00000000000000000000000000004e20'

async function anyTrace(bench, fits = () => true) {
  const list = await bench.api('traces?limit=100')
  const item = list.items.find(fits)
  if (!item) throw new Skip('no such trace')
  return bench.api(`traces/${item.trace_id}`)
}

export const tests = [
  {
    name: 'trace: a row for every span, in the server’s order, with its level',
    anyServer: true,
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 3 && item.spans < 40)
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.see('.tree-row')
      const rows = await bench.page.$$eval('[role=treeitem]', (found) =>
        found.map(
          (row) => `${row.getAttribute('aria-level')} ${row.querySelector('.tree-operation').textContent}`,
        ),
      )
      same(rows, trace.spans.map((span) => `${span.depth + 1} ${span.name}`).slice(0, rows.length), 'rows')
      check(rows.length === trace.spans.length, `${rows.length} rows of ${trace.spans.length}`)
    },
  },
  {
    name: 'trace: a span shows its attributes, events, status and place on the map',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.errors > 0)
      const span = trace.spans.find(
        (candidate) => candidate.events.some((event) => event.name === 'exception') && candidate.map,
      )
      await bench.open(`#/trace/${trace.trace_id}?span=${span.span_id}`)
      const panel = await bench.see('.panel')
      const text = await panel.innerText()
      for (const part of [
        span.name,
        span.status.message,
        'exception',
        'RateLimitError',
        'On the map',
        ...span.attributes.map((pair) => pair.key),
      ])
        check(text.includes(part), `the panel lacks ${part}`)
      await bench.page.click('.panel-section:has-text("On the map") a')
      await bench.see('.map-svg')
      same(bench.param('edge'), span.map[0].edge, 'the edge on the map')
    },
  },
  {
    name: 'trace: what spans carry is read when one is opened, its neighbours along with it',
    anyServer: true,
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 4 && item.spans < 40)
      const asked = []
      bench.page.on('request', (request) => {
        const part = request.url().split(`/traces/${trace.trace_id}`)[1]
        if (part !== undefined) asked.push(part.split('?')[0])
      })
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.see('.tree-row')
      same(asked, ['/outline'], 'asked for the rows')
      await bench.page.click('.tree-row >> nth=1')
      for (const [at, span] of trace.spans.slice(1, 4).entries()) {
        const facts = await bench.see(`.panel:has-text("${span.span_id}")`)
        const text = await facts.innerText()
        for (const { key } of span.attributes) check(text.includes(key), `span ${at + 1} lacks ${key}`)
        await bench.page.keyboard.press('j')
      }
      same(asked, ['/outline', '/spans'], 'asked for four spans')
    },
  },
  {
    name: 'trace: a request stands against the last day of its operation',
    anyServer: true,
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 3 && item.spans < 60)
      const known = async (span) => {
        const end = Date.parse(span.start) + span.duration_ns / 1e6
        const to = (Math.floor(end / 60e3) + 1) * 60e3
        const day = `from=${new Date(to - 86_400e3).toISOString()}&to=${new Date(to).toISOString()}`
        const name = encodeURIComponent(span.service)
        const { items } = await bench.api(`operations?service=${name}&${day}&limit=1000`)
        if (items.length > 1) throw new Skip('several services of that name')
        return items[0]?.busiest.find((item) => item.name === span.name && item.requests > 1)?.duration
      }
      const span = trace.spans.find((candidate) => candidate.kind === 'server')
      const of = span && (await known(span))
      if (!of) throw new Skip('no server span of a known operation')
      const ns = span.duration_ns
      const share = ns > of.p99_ns ? '99 %' : ns > of.p90_ns ? '90 %' : 'half'
      await bench.open(`#/trace/${trace.trace_id}?span=${span.span_id}`)
      const section = await bench.see('.panel-section:has-text("Against its last day")')
      const text = await section.innerText()
      check(text.includes(ns > of.p50_ns ? `slower than ${share}` : 'faster than half'), `it says ${text}`)
      const inner = trace.spans.find((candidate) => candidate.kind === 'internal')
      if (!inner) return
      await bench.page.click(`.tree-row >> nth=${trace.spans.indexOf(inner)}`)
      await bench.see(`.panel:has-text("${inner.span_id}")`)
      same(await bench.page.locator('.against').count(), 0, 'scales of a span that is no request')
    },
  },
  {
    name: 'trace: a request is compared within its own environment, and only when it is looked at',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      const asked = []
      await bench.page.route(/\/v1\/operations\?/, async (route) => {
        asked.push(new URL(route.request().url()).searchParams)
        const response = await route.fetch()
        const { items } = await response.json()
        const busy = items.map((item) => ({
          ...item,
          environment: 'test',
          busiest: item.busiest.map((one) => ({
            ...one,
            requests: 9 * one.requests,
            duration: { p50_ns: 1, p90_ns: 2, p99_ns: 3 },
          })),
        }))
        await route.fulfill({ response, json: { items: [...busy, ...items], cursor: null } })
      })
      const at = trace.spans.findIndex((span) => span.kind === 'server')
      const span = trace.spans[at]
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.see('.tree-row')
      for (let press = 0; press <= at; press++) await bench.page.keyboard.press('j')
      const section = await bench.see('.panel-section:has-text("Against its last day")')
      same(bench.param('span'), span.span_id, 'the span')
      check(!(await section.innerText()).includes('p50 1 ns'), 'it is compared with another environment')
      same(
        asked.map((params) => params.get('service')),
        [span.service],
        'services asked for',
      )
      await bench.page.unrouteAll({ behavior: 'wait' })
      for (const end of ['from', 'to']) check(/:00\.000Z$/.test(asked[0].get(end)), asked[0].get(end))
    },
  },
  {
    name: 'trace: a key held down asks for spans once in many rows',
    async run(bench) {
      let asked = 0
      bench.page.on('request', (request) => (asked += /\/spans\?/.test(request.url()) ? 1 : 0))
      await bench.open(`#/trace/${BIG}`)
      await bench.see('.tree-row', { timeout: 20_000 })
      for (let press = 0; press < 60; press++) {
        await bench.page.keyboard.press('j')
        // Slowly enough that each selection is drawn, and what it asks for comes.
        await bench.page.waitForTimeout(30)
      }
      await bench.see('.panel:has-text("batch.item")')
      check(asked >= 2 && asked <= 4, `${asked} requests in 60 rows`)
    },
  },
  {
    name: 'trace: a span whose request failed under another one is asked for again',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      let fail
      let asked = 0
      const held = new Promise((resolve) => (fail = resolve))
      await bench.page.route(/\/spans\?/, async (route) => {
        if (asked++ > 0) return route.continue()
        await held
        return route.fulfill({ status: 500, json: { error: { code: 'internal', message: 'no' } } })
      })
      await bench.open(`#/trace/${trace.trace_id}?span=${trace.spans[0].span_id}`)
      await bench.see('.panel >> text=Reading its attributes')
      await bench.page.keyboard.press('j')
      await until(() => bench.param('span') === trace.spans[1].span_id, 'j does not go on')
      fail()
      await bench.see(`.panel:has-text("${trace.spans[1].span_id}")`)
      same(asked, 2, 'requests')
    },
  },
  {
    name: 'trace: the chosen span stays when very many others were looked at',
    async run(bench) {
      await bench.page.route(/\/outline$/, async (route) => {
        const response = await route.fetch()
        const outline = await response.json()
        outline.events = outline.spans.span_id.slice(0, 5000).map((_, at) => [at, at, 0])
        await route.fulfill({ response, json: outline })
      })
      // A small answer of the mock's instead of thousands of times 20,000 spans.
      await bench.page.route(/\/spans\?/, async (route) => {
        const ids = new URL(route.request().url()).searchParams.get('span_id').split(',')
        const items = ids.map((span_id) => ({
          trace_id: BIG,
          span_id,
          name: 'a',
          kind: Number.parseInt(span_id, 16) % 2 === 0 ? 'client' : 'server',
          start: '2026-01-01T00:00:00Z',
          duration_ns: 1,
          attributes: [],
        }))
        const both = items.flatMap((item) => [
          { ...item, kind: 'client' },
          { ...item, kind: 'server' },
        ])
        await route.fulfill({ json: { items: both, cursor: null } })
      })
      const first = '0000000000000001'
      await bench.open(`#/trace/${BIG}?tab=events&span=${first}`)
      await bench.see(`.panel:has-text("${first}")`)
      for (let shown = 300; shown < 2100; shown += 300) {
        await bench.page.click('.trace-view > .control')
        await until(
          async () => (await bench.page.locator('.events li').count()) === shown + 300,
          `${shown} events stay`,
        )
      }
      // Twice 2,100 are more than are kept: the first ones had to go.
      await bench.page.waitForTimeout(500)
      check((await bench.page.innerText('.panel')).includes(first), 'the panel is empty')
    },
  },
  {
    name: 'trace: events that the outline leaves out are counted, and stand in the span’s panel',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      await bench.page.route(/\/outline$/, async (route) => {
        const response = await route.fetch()
        const outline = await response.json()
        outline.events = [[1, 5, 0]]
        outline.more_events = [[1, 30]]
        await route.fulfill({ response, json: outline })
      })
      await bench.open(`#/trace/${trace.trace_id}?tab=events`)
      await bench.see('.events li')
      same(await bench.page.innerText('.tab-count'), '31', 'events on the tab')
      const { service, name, span_id } = trace.spans[1]
      same(await bench.page.innerText('.events-more'), `30 more events of ${service} ${name}`, 'what is said')
      await bench.page.click('.events-more button')
      same(bench.param('span'), span_id, 'the span that has them')
    },
  },
  {
    name: 'trace: j and k move, h and l fold, Escape closes',
    anyServer: true,
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 3 && item.spans < 60)
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.see('.tree-row')
      await bench.page.keyboard.press('j')
      await until(() => bench.param('span') === trace.spans[0].span_id, 'j selects the first row')
      await bench.page.keyboard.press('j')
      await until(() => bench.param('span') === trace.spans[1].span_id, 'j goes on')
      await bench.page.keyboard.press('k')
      await bench.page.keyboard.press('h')
      await bench.see('.tree-row[aria-expanded=false]')
      check((await bench.page.locator('.tree-row').count()) < trace.spans.length, 'nothing was folded')
      check(bench.param('fold'), 'the fold is not in the address')
      await bench.page.keyboard.press('l')
      await until(
        async () => (await bench.page.locator('.tree-row').count()) === trace.spans.length,
        'l does not unfold',
      )
      await bench.page.keyboard.press('Escape')
      await bench.see('.panel', { state: 'detached' })
    },
  },
  {
    name: 'trace: the waterfall is drawn, and the critical path can be switched off',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.see('.tree-row')
      const ink = () =>
        bench.page.$eval('.wf-canvas', (canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
          let dark = 0
          for (let at = 0; at < data.length; at += 4)
            if (data[at + 3] > 200 && data[at] < 45 && data[at + 1] < 50 && data[at + 2] < 60) dark++
          return dark
        })
      const on = await until(ink, 'no critical path is drawn')
      await bench.page.click('text=Critical path')
      await until(async () => (await ink()) < on / 4, 'the critical path stays')
      same(bench.param('path'), '0', 'the switch in the address')
    },
  },
  {
    name: 'trace: the minimap’s window is in the address and moves with the keyboard',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      await bench.open(`#/trace/${trace.trace_id}`)
      const map = await (await bench.see('.minimap')).boundingBox()
      await bench.page.mouse.move(map.x + 300, map.y + 24)
      await bench.page.mouse.down()
      await bench.page.mouse.move(map.x + 600, map.y + 24, { steps: 4 })
      await bench.page.mouse.up()
      const part = await until(() => bench.param('t'), 'the part is not in the address')
      await bench.page.focus('.minimap-grip[aria-label="Shown to"]')
      await bench.page.keyboard.press('ArrowLeft')
      await until(() => bench.param('t') !== part, 'the key does not move the end')
    },
  },
  {
    name: 'trace: clock skew is shown and can be corrected',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      await bench.open(`#/trace/${trace.trace_id}`)
      await bench.page.click('text=Correct clock skew')
      await until(() => bench.param('skew') === '1', 'the switch is not in the address')
    },
  },
  {
    name: 'trace: a link jumps to the span it names',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      const span = trace.spans.find((candidate) => candidate.links.length > 0)
      await bench.open(`#/trace/${trace.trace_id}?span=${span.span_id}`)
      await bench.page.click('.panel-section:has-text("Links") a')
      await until(() => bench.param('span') === span.links[0].span_id, 'the link leads elsewhere')
    },
  },
  {
    name: 'trace: 20,000 spans keep few rows in the page while scrolling to the end',
    async run(bench) {
      await bench.open(`#/trace/${BIG}`)
      await bench.see('.tree-row', { timeout: 20_000 })
      const seen = await bench.page.evaluate(async () => {
        const scroller = document.querySelector('.wf-scroll')
        let most = 0
        for (let step = 0; step <= 60; step++) {
          scroller.scrollTop = (scroller.scrollHeight * step) / 60
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
          most = Math.max(most, document.querySelectorAll('.tree-row').length)
          // Whatever is in sight has its row: nothing white while scrolling.
          const box = scroller.getBoundingClientRect()
          if (!document.elementFromPoint(box.left + 60, box.top + box.height / 2)?.closest('.tree-row'))
            return { hole: step }
        }
        return {
          most,
          last: [...document.querySelectorAll('.tree-row')].at(-1).id,
        }
      })
      check(seen.hole === undefined, `no row in sight at step ${seen.hole}`)
      check(seen.most < 120, `${seen.most} rows in the page`)
      check(seen.last.endsWith('-19999'), `the last row is ${seen.last}`)
    },
  },
  {
    name: 'trace: the tabs keep the selection: flame graph, statistics, trace map, events',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.errors > 0)
      const span = trace.spans.find((candidate) => candidate.events.some(({ name }) => name === 'exception'))
      await bench.open(`#/trace/${trace.trace_id}?span=${span.span_id}`)
      await bench.see('.tree-row.selected')
      await bench.page.click('.tabs >> text=Statistics')
      const row = await bench.see('.table tr.selected')
      check((await row.innerText()).includes(span.name), 'the operation of the span is not marked')
      await bench.page.click('.tabs >> text=Trace map')
      await bench.see('.node')
      const services = new Set(trace.spans.map((candidate) => candidate.service))
      same(await bench.page.locator('.node[aria-label*=", service"]').count(), services.size, 'services')
      await bench.see('.node.selected, .line-group.selected')
      await bench.page.click('.tabs >> text=Events')
      await bench.see('.events .selected')
      const first = trace.spans
        .flatMap((candidate) => candidate.events.map(({ time }) => ({ time, id: candidate.span_id })))
        .sort((a, b) => (a.time < b.time ? -1 : 1))[0]
      await bench.page.click('.events li:first-child button')
      await until(() => bench.param('span') === first.id, 'the first event does not select its span')
      await bench.page.click('.tabs >> text=Flame graph')
      await bench.see('.flame-canvas')
      check(bench.param('span'), 'the selection is lost')
    },
  },
  {
    name: 'trace: the flame graph selects by click and zooms by double click',
    async run(bench) {
      const trace = await anyTrace(bench, (item) => item.spans > 10)
      await bench.open(`#/trace/${trace.trace_id}?tab=flame`)
      await bench.see('.flame-canvas')
      const box = await bench.page.locator('.flame-canvas').boundingBox()
      await bench.page.mouse.click(box.x + box.width / 2, box.y + 8)
      await until(() => bench.param('span') === trace.spans[0].span_id, 'the root is not selected')
      await bench.page.mouse.dblclick(box.x + box.width / 2, box.y + 2 * 20 + 8)
      await until(() => bench.param('t'), 'the double click does not zoom')
    },
  },
]
