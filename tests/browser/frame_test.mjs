// SPDX-License-Identifier: Apache-2.0
import { check, same, until } from './tools.mjs'

export const tests = [
  {
    name: 'frame: / goes to the search field, which finds services',
    anyServer: true,
    async run(bench) {
      const map = await bench.api('map?from=-15m&to=now')
      const service = map.nodes.find((node) => node.type === 'service')
      await bench.open('')
      await bench.see('.node')
      await bench.page.keyboard.press('/')
      await bench.page.keyboard.type(service.name)
      await bench.see('.results li')
      await bench.page.keyboard.press('Enter')
      await until(() => bench.param('node') === service.id, 'the service was not opened')
    },
  },
  {
    name: 'frame: a pasted trace id or traceparent opens the trace',
    anyServer: true,
    async run(bench) {
      const { items } = await bench.api('traces?limit=1')
      const id = items[0].trace_id
      await bench.open('')
      await bench.see('.search input')
      for (const text of [id, id.toUpperCase(), `00-${id}-00f067aa0ba902b7-01`]) {
        await bench.page.fill('.search input', '')
        await bench.page.fill('.search input', text)
        await bench.page.keyboard.press('Enter')
        await until(() => bench.page.url().includes(`/trace/${id}`), `${text} does not open the trace`)
        await bench.see('.tree-row')
        await bench.page.click('.rail-entry >> nth=0')
      }
    },
  },
  {
    name: 'frame: the window is chosen, pinned and shared by its address',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.click('[aria-label^="Time window"]')
      await bench.page.click('text=Last hour')
      await until(() => bench.param('last') === '1h', 'the window is not in the address')
      await bench.page.click('.live')
      await until(() => bench.param('from') && bench.param('to'), 'live does not stop')
      const shared = bench.page.url()
      await bench.page.goto('about:blank')
      await bench.page.goto(shared)
      await bench.see('.node')
      same(await bench.page.getAttribute('.live', 'aria-pressed'), 'false', 'live after sharing')
    },
  },
  {
    name: 'frame: back and forward go through what was looked at',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.click('[aria-label^="cart,"]')
      await bench.see('.panel')
      await bench.page.click('.rail >> text=Traces')
      await bench.see('.trace-item')
      await bench.page.goBack()
      await bench.see('.panel')
      await bench.page.goBack()
      await bench.see('.panel', { state: 'detached' })
    },
  },
  {
    name: 'frame: the theme follows the system and can be switched',
    dark: true,
    async run(bench) {
      await bench.open('')
      await bench.see('.header')
      const theme = () => bench.page.getAttribute('html', 'data-theme')
      same(await theme(), 'dark', 'the system’s theme')
      await bench.page.click('[aria-label="Use the light theme"]')
      same(await theme(), 'light', 'after the switch')
      await bench.page.reload()
      await bench.see('.header')
      same(await theme(), 'light', 'after a reload')
    },
  },
  {
    name: 'frame: it works below a path and asks no other host',
    async run(bench) {
      const hosts = new Set()
      bench.page.on('request', (request) => hosts.add(new URL(request.url()).host))
      await bench.open('', '/scale')
      await bench.see('.node', { timeout: 20_000 })
      same([...hosts], [new URL(bench.base).host], 'hosts asked')
    },
  },
  {
    name: 'frame: at 390 px nothing is wider than the screen',
    width: 390,
    height: 844,
    async run(bench) {
      const { items } = await bench.api('traces?limit=1')
      for (const hash of [
        '#/map',
        '#/map?view=table',
        '#/traces',
        `#/trace/${items[0].trace_id}`,
        '#/status',
      ]) {
        await bench.open(hash)
        await bench.see('.column')
        await bench.page.waitForTimeout(500)
        const wide = await bench.page.evaluate(() =>
          [
            ...document.querySelectorAll(
              '.header *, .rail *, .dock, .trace-head, .trace-tools, .query, .trace-list',
            ),
          ]
            .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
            .map((element) => element.className),
        )
        same(wide, [], `too wide on ${hash}`)
      }
      check(true, '')
    },
  },
]
