// SPDX-License-Identifier: Apache-2.0
// How many frames a second the page draws while it is moved. Reported, never asserted: the machine decides. What
// is asserted is that the move moves, and that it does not draw the picture anew.
import { check } from './tools.mjs'

const MOVE_MS = 2000

/** Runs `act` (in the page) once a frame for a while and tells the frames that came. */
async function frames(bench, act) {
  const gaps = await bench.page.evaluate(
    ([source, ms]) =>
      new Promise((resolve) => {
        const step = new Function(`return (${source})`)()
        const began = performance.now()
        const times = []
        const tick = (now) => {
          times.push(now)
          step(now - began)
          if (now - began < ms) requestAnimationFrame(tick)
          else resolve(times.slice(1).map((time, index) => time - times[index]))
        }
        requestAnimationFrame(tick)
      }),
    [act.toString(), MOVE_MS],
  )
  const sorted = [...gaps].sort((a, b) => a - b)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const slow = sorted[Math.floor(sorted.length * 0.95)]
  bench.report(`${(1000 / mean).toFixed(0)} frames/s, 95 % within ${slow.toFixed(0)} ms`)
}

export const tests = [
  {
    name: 'frames: panning 1,000 nodes and 4,000 edges',
    async run(bench) {
      await bench.open('', '/scale')
      await bench.see('.node', { timeout: 20_000 })
      const before = await bench.page.$eval('.map-layer', (layer) => layer.style.transform)
      await bench.page.$eval('.node', (node) => (node.dataset.mark = 'kept'))
      const size = await bench.page.getAttribute('.map-svg', 'width')
      await bench.page.evaluate(() => {
        const view = document.querySelector('.map-view')
        window.fire = (type, x, y) =>
          view.dispatchEvent(
            new PointerEvent(type, { bubbles: true, clientX: x, clientY: y, button: 0, pointerId: 1 }),
          )
        window.fire('pointerdown', 600, 400)
      })
      await frames(bench, (at) => window.fire('pointermove', 600 + 200 * Math.sin(at / 300), 400 - at * 0.2))
      await bench.page.evaluate(() => window.fire('pointerup', 600, 0))
      const after = await bench.page.$eval('.map-layer', (layer) => layer.style.transform)
      check(after !== before, 'the layer did not move')
      check(size === (await bench.page.getAttribute('.map-svg', 'width')), 'panning changed the drawing')
      check(await bench.page.$('.node[data-mark=kept]'), 'panning drew the boxes anew')
    },
  },
  {
    name: 'frames: zooming 1,000 nodes and 4,000 edges',
    async run(bench) {
      await bench.open('', '/scale')
      await bench.see('.node', { timeout: 20_000 })
      const before = await bench.page.textContent('.zoom output')
      await frames(bench, (at) =>
        document.querySelector('.map-view').dispatchEvent(
          new WheelEvent('wheel', {
            cancelable: true,
            clientX: 600,
            clientY: 400,
            deltaY: 12 * Math.sin(at / 500) - 1,
          }),
        ),
      )
      check((await bench.page.textContent('.zoom output')) !== before, 'the zoom did not change')
    },
  },
  {
    name: 'frames: scrolling a trace of 20,000 spans',
    async run(bench) {
      await bench.open('#/trace/00000000000000000000000000004e20')
      await bench.see('.tree-row', { timeout: 20_000 })
      await frames(bench, (at) => {
        document.querySelector('.wf-scroll').scrollTop = at * 6
      })
      check((await bench.page.$eval('.wf-scroll', (wf) => wf.scrollTop)) > 5000, 'it did not scroll')
    },
  },
]
