// SPDX-License-Identifier: Apache-2.0
// The time dock and the comparison that it starts.
import { check, same, until } from './tools.mjs'

async function dockOf(bench) {
  await bench.see('.dock .bar')
  await until(async () => (await bench.page.getAttribute('.dock .bar', 'd')).length > 100, 'no bars')
  return bench.page.locator('.dock-svg').boundingBox()
}

function ago(minutes) {
  return new Date(Math.floor(Date.now() / 60e3) * 60e3 - minutes * 60e3).toISOString().replace('.000', '')
}

/** The window after the mock's change against the one before it. */
const COMPARISON = () => `#/map?from=${ago(30)}&to=${ago(2)}&vs=${ago(90)},${ago(50)}`

export const tests = [
  {
    name: 'dock: a burst is cut, and does not flatten what is usual',
    async run(bench) {
      await bench.page.route(/\/map\/history/, async (route) => {
        const response = await route.fetch()
        const answer = await response.json()
        const middle = answer.items[Math.floor(answer.items.length / 2)]
        if (answer.items.length > 8) middle.requests *= 400
        await route.fulfill({ response, json: answer })
      })
      await bench.open('')
      await dockOf(bench)
      const d = await bench.page.getAttribute('.dock .bar', 'd')
      const tops = [...d.matchAll(/V([\d.]+)h/g)].map(([, top]) => Number(top)).sort((a, b) => a - b)
      check(tops[0] >= 0, `a bar begins at ${tops[0]}`)
      check(tops[Math.floor(tops.length / 2)] < 25, 'the usual bars are flat')
      const cut = await bench.page.getAttribute('.dock .bar-cut', 'd')
      same((cut.match(/M/g) ?? []).length, 1, 'bars that are marked as cut')
    },
  },
  {
    name: 'dock: dragging over it moves the window, and the map follows',
    async run(bench) {
      await bench.open('')
      await bench.see('.dock .bar')
      await until(async () => (await bench.page.getAttribute('.dock .bar', 'd')).length > 100, 'no bars')
      const dock = await bench.page.locator('.dock-svg').boundingBox()
      await bench.page.mouse.move(dock.x + 200, dock.y + 50)
      await bench.page.mouse.down()
      await bench.page.mouse.move(dock.x + 260, dock.y + 50, { steps: 5 })
      await bench.page.mouse.up()
      await until(() => bench.param('from') && bench.param('to'), 'the window is not in the address')
      same(await bench.page.getAttribute('.live', 'aria-pressed'), 'false', 'live')
      await bench.page.click('.live')
      await until(() => bench.param('from') === null, 'Live does not lead back')
    },
  },
  {
    name: 'dock: deploys and changes are marked, the bracket keys go from one to the next',
    async run(bench) {
      await bench.open('')
      await dockOf(bench)
      await bench.see('.dock-mark.deploy')
      const change = await bench.see('.dock-mark.new')
      const title = await change.textContent()
      check(title.includes('payment calls fraud'), `the mark tells only ${title}`)
      const moments = await bench.page.$$eval('.dock-mark', (marks) =>
        marks.map((mark) => Number(mark.getAttribute('data-mark'))),
      )
      // From the window shown, the last 15 minutes, the key goes to what is before it.
      const shown = Date.now() - 16 * 60e3
      const sorted = [...new Set(moments)].filter((at) => at < shown).sort((a, b) => a - b)
      await bench.page.keyboard.press('[')
      await until(() => Date.parse(bench.param('from') ?? '') === sorted.at(-1), 'not at the last change')
      await bench.page.keyboard.press('[')
      await until(() => Date.parse(bench.param('from')) === sorted.at(-2), 'not at the change before')
      await bench.page.keyboard.press(']')
      await until(() => Date.parse(bench.param('from')) === sorted.at(-1), 'not back')
    },
  },
  {
    name: 'dock: space plays from window to window and stops',
    async run(bench) {
      await bench.open(`#/map?from=${ago(240)}&to=${ago(225)}`)
      await dockOf(bench)
      const began = bench.param('from')
      await bench.page.keyboard.press(' ')
      await bench.see('[aria-label="Pause"]')
      await until(() => Date.parse(bench.param('from')) >= Date.parse(began) + 3 * 240e3, 'it does not play')
      await bench.page.keyboard.press(' ')
      const stopped = bench.param('from')
      await bench.page.waitForTimeout(700)
      same(bench.param('from'), stopped, 'it plays on')
    },
  },
  {
    name: 'dock: shift and drag draws a second window and compares',
    async run(bench) {
      await bench.open('')
      const dock = await dockOf(bench)
      await bench.page.keyboard.down('Shift')
      await bench.page.mouse.move(dock.x + 300, dock.y + 50)
      await bench.page.mouse.down()
      await bench.page.mouse.move(dock.x + 500, dock.y + 50, { steps: 5 })
      await bench.page.mouse.up()
      await bench.page.keyboard.up('Shift')
      await until(() => bench.param('vs'), 'the second window is not in the address')
      await bench.see('.change')
      same(await bench.page.locator('.dock-letter').count(), 2, 'windows with letters')
      await bench.page.keyboard.press('c')
      await until(() => bench.param('vs') === null, 'c does not end the comparison')
    },
  },
  {
    name: 'compare: new, gone and slower are on the picture and in the list, the rest fades',
    async run(bench) {
      await bench.open(COMPARISON())
      const list = await bench.see('.changes-list')
      const text = await list.innerText()
      for (const part of ['payment → fraud', 'orders → fraud', 'checkout → payment', '+38 %'])
        check(text.includes(part), `the list lacks ${part}`)
      same(await bench.page.locator('.map-svg .line-group.new').count(), 1, 'new lines')
      same(await bench.page.locator('.map-svg .line-group.gone').count(), 1, 'gone lines')
      same(await bench.page.locator('.map-svg .line-group.slower').count(), 2, 'slower lines')
      check((await bench.page.locator('.map-svg .line-group.faded').count()) > 10, 'the rest does not fade')
      check((await bench.page.locator('.node.faded').count()) > 5, 'the boxes do not fade')
      await bench.page.click('.change:has-text("orders → fraud")')
      await bench.see('.change.chosen')
      check(bench.param('edge'), 'the change is not in the address')
      await bench.axe()
    },
  },
  {
    name: 'compare: before and after stand at the same places',
    async run(bench) {
      await bench.open(COMPARISON())
      await bench.see('.change')
      const places = () =>
        bench.page.$$eval('.node[data-box]', (nodes) =>
          Object.fromEntries(
            nodes.map((node) => {
              const { x, y } = node.querySelector('.node-shape').getBBox()
              return [node.dataset.box, [x, y]]
            }),
          ),
        )
      const both = await places()
      for (const side of ['A before', 'B after']) {
        await bench.page.click(`text=${side}`)
        await bench.see('.change-chip', { state: 'detached' })
        for (const [id, place] of Object.entries(await places())) same(place, both[id], `${side}: ${id}`)
      }
    },
  },
  {
    name: 'dock: the times of a pinned window stand where no mark and no other word does',
    async run(bench) {
      await bench.open('#/map')
      await bench.see('.dock-mark')
      const at = Number(await bench.page.getAttribute('.dock-mark', 'data-mark'))
      const iso = (ms) => new Date(ms).toISOString()
      await bench.open(`#/map?from=${iso(at - 300e3)}&to=${iso(at + 300e3)}`)
      await bench.see('.dock-label')
      const overlap = await bench.page.evaluate(() => {
        const box = (element) => element.getBoundingClientRect()
        const own = box(document.querySelector('.dock-label'))
        const others = [...document.querySelectorAll('.dock-mark-shape, .dock-mark text')].map(box)
        return others.filter((other) => other.left < own.right && other.right > own.left).length
      })
      same(overlap, 0, 'words or marks that it covers')
    },
  },
]
