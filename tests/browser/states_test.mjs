// SPDX-License-Identifier: Apache-2.0
import { check, same, until } from './tools.mjs'

export const tests = [
  {
    name: 'empty: the line to copy has this server’s endpoint, and the button copies it',
    async run(bench) {
      await bench.open('', '/empty')
      await bench.seeText('No spans yet')
      const line = (await bench.page.textContent('.copy-line code')).trim()
      same(line, 'export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318', 'the line')
      await bench.page.click('.copy-line button')
      await bench.seeText('Copied')
      same(await bench.page.evaluate(() => navigator.clipboard.readText()), line, 'the clipboard')
    },
  },
  {
    name: 'empty: the first span is greeted by its service',
    async run(bench) {
      await bench.post('/first/mock/clear')
      await bench.open('', '/first')
      await bench.seeText('No spans yet')
      await bench.post('/first/mock/span')
      // The map has nodes at once here, so greeting and map come together; either way the wait is over.
      await until(() => bench.page.$('.listening strong, .node'), 'nothing happened')
      await bench.see('.node')
    },
  },
  {
    name: 'states: no spans in this window leads to the newest',
    async run(bench) {
      await bench.open('', '/old')
      await bench.seeText('No spans in this window')
      await bench.page.click('text=Go there.')
      await bench.see('.node')
    },
  },
  {
    name: 'states: an unreachable server is said, and the page goes on by itself',
    async run(bench) {
      await bench.post('/down/mock/down')
      await bench.open('', '/down')
      await bench.seeText('The server does not answer')
      await bench.post('/down/mock/up')
      await bench.see('.node', { timeout: 12_000 })
      await bench.post('/down/mock/down')
      await bench.see('.bar-error', { timeout: 12_000 })
      check(await bench.page.$('.node'), 'the map that was there is gone')
    },
  },
  {
    name: 'states: an unknown trace says so',
    anyServer: true,
    async run(bench) {
      await bench.open('#/trace/00000000000000000000000000000001')
      await bench.seeText('There is no such trace')
    },
  },
  {
    name: 'states: status tells what is stored and where to send',
    anyServer: true,
    async run(bench) {
      await bench.open('#/status')
      const text = await (await bench.see('.status-groups')).innerText()
      for (const part of ['Stored', 'Newest', 'OTLP/HTTP', 'Dropped'])
        check(text.includes(part), `status lacks ${part}`)
    },
  },
  {
    name: 'states: an unknown page leads back to the map',
    anyServer: true,
    async run(bench) {
      await bench.open('#/nowhere')
      await bench.page.click('text=To the map')
      await bench.see('.map')
    },
  },
]
