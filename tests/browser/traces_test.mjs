// SPDX-License-Identifier: Apache-2.0
import { check, same, Skip, until } from './tools.mjs'

async function newest(bench) {
  const list = await bench.api('traces?limit=20')
  if (list.items.length === 0) throw new Skip('no traces')
  return list.items
}

export const tests = [
  {
    name: 'traces: newest first without naming a service',
    anyServer: true,
    async run(bench) {
      await newest(bench)
      await bench.open('#/traces?last=24h')
      await bench.see('.trace-item')
      const times = await bench.page.$$eval('.trace-when', (cells) => cells.map((cell) => cell.title))
      same([...times].sort().reverse(), times, 'order')
    },
  },
  {
    name: 'traces: a click on a service writes the query, its chip takes it away',
    anyServer: true,
    async run(bench) {
      await newest(bench)
      await bench.open('#/traces?last=24h')
      const chip = await bench.see('.trace-item .chip')
      const service = await chip.textContent()
      await chip.click()
      await until(
        () => bench.param('q') === `{ resource.service.name = "${service}" }`,
        'the query is not in the address',
      )
      same(await bench.page.inputValue('.query input'), bench.param('q'), 'the field')
      await bench.page.click('.query-chips .chip')
      await until(() => bench.param('q') === null, 'the condition stays')
    },
  },
  {
    name: 'traces: filters for errors and duration add up',
    async run(bench) {
      await bench.open('#/traces')
      await bench.see('.trace-item')
      await bench.page.click('.facet:has-text("Error")')
      await bench.page.click('.facet:has-text("500 ms")')
      await until(() => bench.param('q') === '{ status = error && duration > 500ms }', 'the query')
      await until(
        async () =>
          (await bench.page.locator('.trace-item').count()) ===
          (await bench.page.locator('.trace-item .bad').count()),
        'traces without errors are left',
      )
      await bench.page.click('.facet:has-text("5 s")')
      await until(
        () => bench.param('q') === '{ status = error && duration > 5s }',
        'a second duration replaces the first',
      )
    },
  },
  {
    name: 'traces: completion offers attributes, then their values',
    async run(bench) {
      await bench.open('#/traces')
      await bench.page.click('.query input')
      await bench.page.keyboard.type('{ http.route')
      await bench.see('.offers li:has-text("span.http.route")')
      await bench.page.keyboard.press('ArrowDown')
      await bench.page.keyboard.press('Enter')
      await bench.page.keyboard.type('= ')
      await bench.see('.offers li:has-text("/checkout")')
      await bench.page.keyboard.press('ArrowDown')
      await bench.page.keyboard.press('Enter')
      await bench.page.keyboard.type(' }')
      await bench.page.keyboard.press('Enter')
      await until(
        () => /^\{ span\.http\.route = "\/[a-z/]+" \}$/.test(bench.param('q') ?? ''),
        'the query was not sent',
      )
    },
  },
  {
    name: 'traces: dragging over the picture keeps these durations and times',
    async run(bench) {
      await bench.open('#/traces')
      await bench.see('.trace-item')
      const box = await bench.page.locator('.scatter').boundingBox()
      await bench.page.mouse.move(box.x + 120, box.y + 4)
      await bench.page.mouse.down()
      await bench.page.mouse.move(box.x + 600, box.y + 80, { steps: 4 })
      await bench.page.mouse.up()
      await until(
        () => /traceDuration >= .* && traceDuration <= /.test(bench.param('q') ?? '') && bench.param('from'),
        'the brush is not in the address',
      )
    },
  },
  {
    name: 'traces: older ones are added below',
    async run(bench) {
      await bench.open('#/traces')
      await bench.see('.trace-item')
      const before = await bench.page.locator('.trace-item').count()
      await bench.page.click('text=Show older')
      await until(
        async () => (await bench.page.locator('.trace-item').count()) > before + 50,
        'no more traces',
      )
      const times = await bench.page.$$eval('.trace-when', (cells) => cells.map((cell) => cell.title))
      same([...times].sort().reverse(), times, 'order over pages')
      same(new Set(times).size, times.length, 'each once')
    },
  },
  {
    name: 'traces: a wrong query says where it is wrong',
    async run(bench) {
      await bench.open('#/traces')
      await bench.see('.trace-item')
      await bench.page.fill('.query input', '{ name == "x" }')
      await bench.page.keyboard.press('Enter')
      await bench.see('.query-error mark')
      check(/character \d/.test(await bench.page.textContent('.query-error')), 'no position')
      same(await bench.page.getAttribute('.query input', 'aria-invalid'), 'true', 'aria-invalid')
    },
  },
  {
    name: 'traces: a click opens the trace',
    anyServer: true,
    async run(bench) {
      await newest(bench)
      await bench.open('#/traces?last=24h')
      await bench.page.click('.trace-root >> nth=0')
      await bench.see('.tree-row')
    },
  },
  {
    name: 'traces: on a narrow screen the filters are behind a button',
    width: 400,
    height: 800,
    async run(bench) {
      await bench.open('#/traces')
      await bench.see('.trace-item')
      await bench.page.click('.filter-button')
      await bench.see('.sheet')
      await bench.axe('.sheet')
      await bench.page.click('.sheet .facet:has-text("Error")')
      await until(() => bench.param('q') === '{ status = error }', 'the query')
      await bench.page.keyboard.press('Escape')
      await bench.see('.sheet', { state: 'detached' })
      same(await bench.page.textContent('.filter-button .count'), '1', 'conditions on')
    },
  },
]
