// SPDX-License-Identifier: Apache-2.0
import { check, same, Skip, until } from './tools.mjs'

async function busiestEdge(bench) {
  const map = await bench.api('map?from=-15m&to=now')
  const edge = [...map.edges].sort((a, b) => b.count - a.count)[0]
  if (!edge) throw new Skip('the map has no edges')
  return {
    map,
    edge,
    name: (id) => map.nodes.find((node) => node.id === id)?.name,
  }
}

/** The rectangles of boxes and the sampled points of lines, in the picture's own pixels. */
function geometry() {
  const boxes = [...document.querySelectorAll('.node[data-box]')].map((node) => {
    const box = (node.querySelector('.node-shape') ?? node).getBBox()
    return {
      id: node.getAttribute('data-box'),
      x: box.x,
      y: box.y,
      width: box.width,
      height: box.height,
    }
  })
  const lines = [...document.querySelectorAll('.line-group')].map((group) => {
    const path = group.querySelector('.line-hit')
    const length = path.getTotalLength()
    const points = Array.from({ length: 80 }, (_, at) => path.getPointAtLength((length * (at + 0.5)) / 80))
    return {
      key: group.getAttribute('data-line'),
      points: points.map(({ x, y }) => [x, y]),
    }
  })
  return { boxes, lines }
}

/** A line's y at x, or null where it is not. */
function yAt(line, x) {
  const at = line.points.findIndex(([px]) => px >= x)
  if (at <= 0) return null
  const [[x0, y0], [x1, y1]] = [line.points[at - 1], line.points[at]]
  return y0 + ((y1 - y0) * (x - x0)) / Math.max(0.01, x1 - x0)
}

const FIRST_GAP = 60

/** Whether two lines from one box change sides within the gap behind it. */
function cross(a, b) {
  const left = Math.max(a.points[0][0], b.points[0][0])
  const sides = new Set()
  for (let x = left + 2; x < left + FIRST_GAP; x += 4) {
    const [ya, yb] = [yAt(a, x), yAt(b, x)]
    if (ya !== null && yb !== null && Math.abs(ya - yb) > 1) sides.add(Math.sign(ya - yb))
  }
  return sides.size > 1
}

export const tests = [
  {
    name: 'map: nothing lies over the field above the table, and it keeps only names that contain its text',
    anyServer: true,
    async run(bench) {
      await bench.open('#/map?view=table')
      const field = await bench.see('.map-table input')
      for (const width of [1440, 768, 390]) {
        await bench.page.setViewportSize({ width, height: 800 })
        await bench.page.waitForTimeout(100)
        const box = await field.boundingBox()
        for (const part of [0.05, 0.5, 0.95]) {
          const there = await bench.page.evaluate(
            ([x, y]) => document.elementFromPoint(x, y)?.tagName,
            [box.x + box.width * part, box.y + box.height / 2],
          )
          same(there, 'INPUT', `at ${part} of the field in a page of ${width}`)
        }
      }
      await field.fill('no such name')
      await until(async () => (await bench.page.locator('.map-table tbody tr').count()) === 0, 'rows stay')
      same(bench.param('find'), 'no such name', 'the text in the address')
    },
  },
  {
    name: 'map: every node of the answer stands at the server’s position',
    anyServer: true,
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      const map = await bench.api('map?from=-15m&to=now')
      const drawn = await bench.page.evaluate(() =>
        [...document.querySelectorAll('[data-box]')].map((node) => node.getAttribute('data-box')),
      )
      const expected = map.nodes.filter((node) => node.type !== 'table' && node.layout)
      for (const node of expected) check(drawn.includes(node.id), `${node.name} is not drawn`)
      const service = expected.find((node) => node.type === 'service')
      const at = await bench.page.evaluate((id) => {
        const box = document.querySelector(`[data-box="${id}"] rect`).getBBox()
        return [box.x, box.y]
      }, service.id)
      same(at, [service.layout.x, service.layout.y], service.name)
    },
  },
  {
    name: 'map: no line runs under a node',
    async run(bench) {
      await bench.open('')
      await bench.see('.line-group')
      const { boxes, lines } = await bench.page.evaluate(geometry)
      const under = []
      for (const line of lines) {
        for (const box of boxes) {
          const inside = line.points.some(
            ([x, y]) =>
              x > box.x + 3 && x < box.x + box.width - 3 && y > box.y + 1 && y < box.y + box.height - 1,
          )
          if (inside && !line.key.includes(box.id)) under.push(`${line.key} under ${box.id}`)
        }
      }
      same(under, [], 'lines under nodes')
    },
  },
  {
    name: 'map: lines from one box do not cross in their first gap',
    async run(bench) {
      await bench.open('')
      await bench.see('.line-group')
      const { lines } = await bench.page.evaluate(geometry)
      const sources = [...new Set(lines.map((line) => line.key.split(' ')[0]))]
      for (const source of sources) {
        const group = lines.filter((line) => line.key.startsWith(source))
        for (const a of group) for (const b of group) check(!cross(a, b), `${a.key} and ${b.key} cross`)
      }
    },
  },
  {
    name: 'map: a click on an edge tells its numbers, why it is there, and example traces',
    anyServer: true,
    async run(bench) {
      const { edge, name } = await busiestEdge(bench)
      await bench.open(`#/map?edge=${edge.id}`)
      const panel = await bench.see('.panel')
      const text = await until(async () => {
        const now = await panel.innerText()
        return now.includes('max ') && now
      }, 'the series did not come')
      for (const part of [name(edge.source), name(edge.target), 'Rate', 'Errors', 'Why', 'Since'])
        check(text.includes(part), `the panel lacks ${part}`)
      for (const rule of Object.keys(edge.rules))
        check(text.includes(rule), `the panel lacks the rule ${rule}`)
      const link = await bench.page.$('.example a')
      check(link, 'no example trace')
      await link.click()
      await bench.see('.tree-row')
    },
  },
  {
    name: 'map: clicking the line itself selects its edge, Escape lets go',
    async run(bench) {
      await bench.open('')
      await bench.see('.line-group')
      const spot = await bench.page.evaluate(() => {
        const path = document.querySelector('.line-group .line-hit')
        const point = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM())
        return { x: point.x, y: point.y }
      })
      await bench.page.mouse.click(spot.x, spot.y)
      await bench.see('.panel')
      check(bench.param('edge'), 'the edge is not in the address')
      await bench.page.keyboard.press('Escape')
      await bench.see('.panel', { state: 'detached' })
    },
  },
  {
    name: 'map: a click on a node tells what it is and who talks to it',
    anyServer: true,
    async run(bench) {
      const { map, edge, name } = await busiestEdge(bench)
      await bench.open('')
      const target = map.nodes.find((node) => node.id === edge.target)
      const box = target.type === 'table' ? target.parent : target.id
      await bench.see(`[data-box="${box}"]`)
      await bench.page.click(`[data-box="${box}"]`, {
        position: { x: 20, y: 20 },
      })
      const panel = await bench.see('.panel')
      const text = await panel.innerText()
      check(text.includes('From') && text.includes(name(edge.source)), 'the panel does not name the caller')
    },
  },
  {
    name: 'map: a double click focuses, hops widen, the breadcrumb leads back',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      const all = await bench.page.locator('.node').count()
      await bench.page.dblclick('[aria-label^="cart,"]')
      await until(
        async () => (await bench.page.locator('.node').count()) < all,
        'the focus did not narrow the map',
      )
      const one = await bench.page.locator('.node').count()
      await bench.page.click('.trail .hops a:nth-child(2)')
      await until(
        async () => (await bench.page.locator('.node').count()) > one,
        'two hops show no more than one',
      )
      await bench.page.click('.trail > a')
      await until(
        async () => (await bench.page.locator('.node').count()) === all,
        'the way back does not show all',
      )
    },
  },
  {
    name: 'map: zoom and place are in the address, and a reload keeps them',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.mouse.move(500, 400)
      await bench.page.mouse.wheel(0, -300)
      await until(() => bench.param('at'), 'no place in the address')
      const zoom = await bench.page.textContent('.zoom output')
      await bench.page.reload()
      await bench.see('.node')
      same(await bench.page.textContent('.zoom output'), zoom, 'zoom after a reload')
    },
  },
  {
    name: 'map: opening the panel moves nothing',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      const place = () =>
        bench.page.$eval('.node[aria-label^="cart,"] .node-name', (text) => [
          text.getBoundingClientRect().x,
          text.getBoundingClientRect().y,
        ])
      const before = await place()
      await bench.page.click('.node[aria-label^="cart,"]')
      await bench.see('.panel')
      same(await place(), before, 'the place of cart')
    },
  },
  {
    name: 'map: arrow keys go from box to box, Enter opens one',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.focus('.node[tabindex="0"]')
      const first = await bench.page.evaluate(() => document.activeElement.getAttribute('data-box'))
      await bench.page.keyboard.press('ArrowRight')
      const second = await bench.page.evaluate(() => document.activeElement.getAttribute('data-box'))
      check(second && second !== first, 'the arrow key did not move')
      await bench.page.keyboard.press('Enter')
      await bench.see('.panel')
      same(bench.param('node'), second, 'the node in the address')
    },
  },
  {
    name: 'map: the table has the same edges and nodes',
    anyServer: true,
    async run(bench) {
      const { map } = await busiestEdge(bench)
      await bench.open('#/map?view=table')
      await bench.see('.map-table tbody tr')
      const [edges, nodes] = await bench.page.$$eval('.map-table caption .muted', (found) =>
        found.map((element) => Number(element.textContent.replace(/\D/g, ''))),
      )
      check(
        Math.abs(edges - map.edges.length) <= 2 && Math.abs(nodes - map.nodes.length) <= 2,
        `${edges} edges and ${nodes} nodes`,
      )
    },
  },
  {
    name: 'map: 1,000 nodes and 4,000 edges are drawn and can be searched',
    async run(bench) {
      const map = await bench.api('map?from=-15m&to=now', '/scale')
      await bench.open('', '/scale')
      await bench.see('.node', { timeout: 20_000 })
      same(await bench.page.locator('.node').count(), map.nodes.length, 'boxes')
      await bench.page.keyboard.press('/')
      await bench.page.keyboard.type(map.nodes[700].name)
      await bench.see('.results li')
      await bench.page.keyboard.press('Enter')
      await bench.see('.panel')
      const box = await bench.page.locator(`[data-box="${map.nodes[700].id}"]`).boundingBox()
      check(box.x > 56 && box.x < 1100 && box.y > 48 && box.y < 800, 'the node found is not in sight')
    },
  },
  {
    name: 'map: live numbers change in place, nothing else does',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      const places = () =>
        bench.page.$$eval('.node-shape', (shapes) =>
          shapes.map(
            (shape) => shape.getAttribute('d') ?? `${shape.getAttribute('x')} ${shape.getAttribute('y')}`,
          ),
        )
      await bench.page.$eval('.node', (node) => (node.dataset.mark = 'kept'))
      const before = await places()
      // Events come once a second.
      await bench.page.waitForTimeout(2500)
      same(await places(), before, 'places')
      check(await bench.page.$('.node[data-mark=kept]'), 'the picture was built anew')
    },
  },
  {
    name: 'map: a database’s tables fold into it and open again, by click and by key',
    async run(bench) {
      await bench.open('')
      await bench.see('.table-row')
      await bench.page.click('.tables-toggle')
      await bench.see('.table-row', { state: 'detached' })
      check((await bench.page.textContent('[aria-label^="shop, database"]')).includes('4 tables'), 'no count')
      check(bench.param('tables'), 'the fold is not in the address')
      await bench.page.focus('[aria-label^="shop, database"]')
      await bench.page.keyboard.press('t')
      await bench.see('.table-row')
    },
  },
  {
    name: 'map: 1,000 nodes fold into groups, one opens, all fold again',
    async run(bench) {
      await bench.open('', '/scale')
      await bench.see('.node', { timeout: 20_000 })
      await bench.page.click('text=Groups')
      await until(async () => (await bench.page.locator('.node').count()) < 60, 'the groups are not folded')
      const folded = await bench.page.locator('.node').count()
      check(bench.param('group'), 'the grouping is not in the address')
      await bench.page.keyboard.press('0')
      await bench.page.waitForTimeout(300)
      await bench.page.focus('.node[aria-label*=", group"]')
      await bench.page.keyboard.press('f')
      await until(async () => (await bench.page.locator('.node').count()) > folded + 5, 'no group opened')
      await bench.page.click('text=Fold all')
      await until(async () => (await bench.page.locator('.node').count()) === folded, 'not folded again')
    },
  },
  {
    name: 'map: paths between two nodes',
    async run(bench) {
      const map = await bench.api('map?from=-15m&to=now')
      const id = (name) => map.nodes.find((node) => node.name === name).id
      await bench.open(`#/map?node=${id('gateway')}`)
      await bench.see('.panel')
      await bench.page.click('.panel-actions >> text=Paths')
      await bench.seeText('Choose where they lead to')
      await bench.page.click('.node[aria-label^="fraud,"]')
      await bench.seeText(/path/)
      same(bench.param('path'), `${id('gateway')}~${id('fraud')}`, 'the address')
      const boxes = await bench.page.$$eval('.node', (nodes) =>
        nodes.map((node) => node.getAttribute('aria-label').split(',')[0]),
      )
      for (const name of ['gateway', 'checkout', 'payment', 'fraud'])
        check(boxes.includes(name), `${name} is not on the path`)
      check(!boxes.includes('mail'), 'mail is not on any path to fraud')
      await bench.page.keyboard.press('Escape')
      await until(() => bench.param('path') === null, 'Escape does not leave')
    },
  },
  {
    name: 'map: saved as SVG it stands by itself, as PNG it is a picture',
    anyServer: true,
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      const { readFileSync } = await import('node:fs')
      for (const kind of ['SVG', 'PNG']) {
        await bench.page.click('[aria-label="Save the picture"]')
        const [download] = await Promise.all([
          bench.page.waitForEvent('download'),
          bench.page.click(`text=As ${kind}`),
        ])
        const bytes = readFileSync(await download.path())
        check(download.suggestedFilename().endsWith(kind.toLowerCase()), 'the name')
        if (kind === 'PNG') same(bytes.subarray(1, 4).toString(), 'PNG', 'the signature')
        else {
          const text = bytes.toString()
          for (const part of ['<svg', '.node-shape', '--paper:', 'node-name'])
            check(text.includes(part), `the SVG lacks ${part}`)
        }
      }
    },
  },
  {
    name: 'map: when events do not come the page asks by itself',
    async run(bench) {
      await bench.page.route('**/map/live*', (route) => route.fulfill({ status: 503, body: '' }))
      await bench.open('')
      await bench.see('.node')
      await bench.page.waitForResponse((response) => response.url().includes('api/v1/map?'))
    },
  },
  {
    name: 'map: a box that is moved stays there, for others too, until it is unpinned',
    async run(bench) {
      await bench.post('/mock/clear')
      await bench.open('')
      await bench.see('.node')
      const place = async (page) => {
        return page.$eval('.node[aria-label^="cart,"] .node-shape', (box) => {
          const { x, y } = box.getBBox()
          return [Math.round(x), Math.round(y)]
        })
      }
      const before = await place(bench.page)
      await bench.page.keyboard.press('m')
      await bench.see('.map-view.arranging')
      const box = await bench.page.locator('.node[aria-label^="cart,"]').boundingBox()
      await bench.page.mouse.move(box.x + 20, box.y + 20)
      await bench.page.mouse.down()
      await bench.page.mouse.move(box.x + 60, box.y - 30, { steps: 5 })
      await bench.page.mouse.up()
      await bench.see('.node.pinned')
      const after = await place(bench.page)
      check(
        Math.abs(after[0] - before[0] - 40) < 3 && Math.abs(after[1] - before[1] + 50) < 3,
        `moved to ${after}`,
      )
      await bench.page.keyboard.press('m')
      const other = await bench.context.newPage()
      await other.goto(`${bench.base}/`)
      await other.waitForSelector('.node.pinned')
      same(await place(other), after, 'the place that others see')
      await bench.page.click('.node[aria-label^="cart,"]')
      await bench.page.click('.panel-actions >> text=Unpin')
      await bench.see('.node.pinned', { state: 'detached' })
      await until(async () => (await bench.api('positions')).items.length === 0, 'the place is still kept')
    },
  },
  {
    name: 'map: at the level of operations they stand inside of their services',
    async run(bench) {
      const { items } = await bench.api('services/gateway/operations?from=-15m&to=now')
      await bench.open('#/map')
      await bench.see('.node-shape')
      const places = () =>
        bench.page.$$eval('[data-node] > .node-name', (names) => names.map((name) => name.textContent))
      const before = (await places()).sort()
      const asked = []
      bench.page.on('request', (request) => {
        if (request.url().includes('/operations?')) asked.push(request.url())
      })
      await bench.page.click('text=Operations')
      await bench.see('.operation-row')
      same(asked.length, 1, 'questions for the operations of all services')
      const text = await bench.page.textContent('.map-svg')
      const shown = items.filter((item) => item.requests > 0).slice(0, 3)
      for (const item of shown) check(text.includes(item.name), `it lacks ${item.name}`)
      same((await places()).sort(), before, 'the nodes')
      same(bench.param('level'), 'operations', 'the level in the address')
      await bench.page.click('text=Services')
      await until(async () => (await bench.page.locator('.operation-row').count()) === 0, 'they stay')
    },
  },
  {
    name: 'map: the tables of a database are listed by use',
    async run(bench) {
      await bench.open('#/map')
      await bench.see('.table-row')
      const counts = await bench.page.$$eval('.table-row', (rows) =>
        rows
          .map((row) => [row.getBoundingClientRect().top, row.querySelector('.node-sub').textContent])
          .sort((a, b) => a[0] - b[0])
          .map(([, text]) => Number(text.replace(' k', 'e3'))),
      )
      check(counts.length > 2, 'there are few tables')
      // Within a factor of two they keep their order, so that the picture is still.
      for (const [at, count] of counts.entries())
        if (at > 0) check(count < counts[at - 1] * 2.1, `${counts.join(', ')} is not by use`)
    },
  },
  {
    name: 'map: a pinned panel stays until it is closed',
    async run(bench) {
      const { page } = bench
      const { nodes } = await bench.api('map?from=-15m&to=now')
      await bench.open(`#/map?node=${nodes.find((node) => node.name === 'checkout').id}`)
      await page.click('[aria-label="Keep the panel open"]')
      await bench.see('[aria-label="Keep the panel open"][aria-pressed="true"]')
      await page.keyboard.press('Escape')
      await page.mouse.click(300, 640)
      await page.waitForTimeout(100)
      check(bench.param('node') !== null, 'it closed')
      await page.click('.panel [aria-label="Close"]')
      await until(() => bench.param('node') === null && bench.param('pin') === null, 'it stays')
    },
  },
]
