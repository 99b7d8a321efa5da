// SPDX-License-Identifier: Apache-2.0
// Measures the page in Debian's Chromium against `weft demo` with 24 h of history and a trace of 100,000 spans:
//
//     node bench/page/measure.mjs build/weft [ROUNDS]
//
// First pictures are told from the navigation to the frame that shows them, in a browser without cache, as the median
// and the best of the rounds, with what does not depend on other work on the machine: requests, bytes, elements,
// and the time that scripts, styles and layout took of the page's main thread. Moves are told as frames a second.
import { spawn } from 'node:child_process'
import { mkdtempSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openBrowser } from '../../tests/browser/tools.mjs'

const [binary = 'build/weft', roundsWanted = '5'] = process.argv.slice(2)
const ROUNDS = Number(roundsWanted)
const SPANS = 100_000
const SPANS_AT_ONCE = 5000
const MOVE_MS = 3000
const TRACE = '00000000000000000000000000100000'

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** The demo with its history in. */
async function startDemo() {
  const directory = mkdtempSync(`${tmpdir()}/weft-page-`)
  const ready = `${directory}/ready.json`
  const demo = spawn(binary, [
    'demo',
    '--no-open',
    '--ports',
    '0',
    '--data',
    `${directory}/data`,
    '--ready-file',
    ready,
  ])
  let said = ''
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (text) => (said += text))
  for (let waited = 0; !(existsSync(ready) && said.includes('history are in')); waited++) {
    if (demo.exitCode !== null || waited > 3000) throw new Error(`the demo did not come up: ${said}`)
    await sleep(100)
  }
  const stop = async () => {
    demo.kill('SIGTERM')
    await new Promise((resolve) => demo.on('exit', resolve))
    rmSync(directory, { recursive: true })
  }
  return { ports: JSON.parse(readFileSync(ready, 'utf8')), stop }
}

const hex = (number, digits) => number.toString(16).padStart(digits, '0')
const text = (key, value) => ({ key, value: { stringValue: value } })

/** Again while the server says that it is behind. */
async function send(port, body) {
  for (let tries = 0; tries < 60; tries++) {
    const response = await fetch(`http://localhost:${port}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    if (response.ok) return
    if (response.status !== 429 && response.status !== 503)
      throw new Error(`sending spans: ${response.status} ${await response.text()}`)
    await sleep(1000)
  }
  throw new Error('the server stays behind')
}

/** A batch job: 100 items, each with its calls, some of which fail. */
async function sendBigTrace(port) {
  const start = BigInt(Date.now() - 60_000) * 1_000_000n
  const services = ['accounting', 'payment', 'cart', 'inventory', 'shipping']
  for (let first = 0; first < SPANS; first += SPANS_AT_ONCE) {
    const byService = new Map(services.map((service) => [service, []]))
    for (let at = first; at < first + SPANS_AT_ONCE; at++) {
      const parent = at === 0 ? '' : hex(at % 1000 === 0 ? 1 : at - (at % 1000) + 1, 16)
      const from = start + BigInt(at) * 500_000n
      byService.get(services[at % services.length]).push({
        traceId: TRACE,
        spanId: hex(at + 1, 16),
        ...(at === 0 ? {} : { parentSpanId: parent }),
        name: at % 1000 === 0 ? `item ${at / 1000}` : `step ${at % 7}`,
        kind: 1,
        startTimeUnixNano: String(from),
        endTimeUnixNano: String(
          from + (at === 0 ? 60_000_000_000n : at % 1000 === 0 ? 500_000_000n : 400_000n),
        ),
        attributes: [text('batch.item', String(at)), text('url.path', `/items/${at}`)],
        status: at % 977 === 3 ? { code: 2, message: 'deadlock detected' } : {},
      })
    }
    const resourceSpans = [...byService].map(([service, spans]) => ({
      resource: { attributes: [text('service.name', service), text('deployment.environment.name', 'prod')] },
      scopeSpans: [{ scope: { name: 'batch' }, spans }],
    }))
    await send(port, JSON.stringify({ resourceSpans }))
  }
}

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
}

/** Notes in the page when the wanted elements are there and the frame with them is out. */
function watch(selector) {
  window.pictured = new Promise((resolve) => {
    const look = () => {
      if (!document.querySelector(selector)) return requestAnimationFrame(look)
      requestAnimationFrame(() => {
        const channel = new MessageChannel()
        channel.port1.onmessage = () => resolve(performance.now())
        channel.port2.postMessage(null)
      })
    }
    requestAnimationFrame(look)
  })
}

async function firstPicture(browser, base, { name, hash, selector }) {
  const rounds = []
  for (let round = 0; round < ROUNDS; round++) {
    const bench = await browser.bench(base, {})
    const { page } = bench
    await page.addInitScript(watch, selector)
    const client = await bench.context.newCDPSession(page)
    await client.send('Performance.enable')
    let requests = 0
    let bytes = 0
    client.on('Network.loadingFinished', (event) => {
      requests++
      bytes += event.encodedDataLength
    })
    await client.send('Network.enable')
    await page.goto(`${base}/${hash}`)
    const ms = await page.evaluate(() => window.pictured)
    const { metrics } = await client.send('Performance.getMetrics')
    const of = (key) => metrics.find((metric) => metric.name === key)?.value ?? 0
    const elements = await page.evaluate(() => document.getElementsByTagName('*').length)
    const asked = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter((entry) => entry.name.includes('/api/'))
        .map((entry) => [
          entry.name.split('/api/v1/')[1].split('?')[0],
          Math.round(entry.startTime),
          Math.round(entry.responseEnd),
        ]),
    )
    rounds.push({
      ms,
      script: of('ScriptDuration') * 1000,
      layout: (of('LayoutDuration') + of('RecalcStyleDuration')) * 1000,
      heap: of('JSHeapUsedSize') / 1e6,
      requests,
      bytes,
      elements,
      asked,
    })
    await bench.close()
  }
  const of = (key) => median(rounds.map((round) => round[key]))
  const best = Math.min(...rounds.map((round) => round.ms))
  console.log(
    `| ${name} | ${of('ms').toFixed(0)} (${best.toFixed(0)}) ms | ${of('script').toFixed(0)} + ${of('layout').toFixed(0)} ms | ${of('requests')}, ${(of('bytes') / 1000).toFixed(0)} kB | ${of('elements')} | ${of('heap').toFixed(0)} MB |`,
  )
  if (process.env.WEFT_REQUESTS)
    console.log(
      rounds
        .at(-1)
        .asked.map(([path, from, to]) => `    ${path} ${from}–${to}`)
        .join('\n'),
    )
}

/** Runs `act` in the page once a frame: frames, and of the page's main thread the time of each. */
async function moved(bench, name, act) {
  const client = await bench.context.newCDPSession(bench.page)
  await client.send('Performance.enable')
  const at = async () => {
    const { metrics } = await client.send('Performance.getMetrics')
    return Object.fromEntries(metrics.map(({ name: key, value }) => [key, value]))
  }
  const before = await at()
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
  const after = await at()
  const spent = (key) => ((after[key] - before[key]) * 1000) / gaps.length
  const sorted = [...gaps].sort((a, b) => a - b)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  console.log(
    `| ${name} | ${(1000 / mean).toFixed(0)} frames/s, 95 % within ${sorted[Math.floor(sorted.length * 0.95)].toFixed(0)} ms | ${spent('ScriptDuration').toFixed(1)} + ${(spent('LayoutDuration') + spent('RecalcStyleDuration')).toFixed(1)} ms a frame | ${spent('TaskDuration').toFixed(1)} ms a frame in all |`,
  )
}

async function scrub(browser, base) {
  const bench = await browser.bench(base, {})
  await bench.open('#/map')
  await bench.see('.node')
  await bench.see('.dock .bar')
  await sleep(1500)
  const box = await bench.page.locator('.dock-svg').boundingBox()
  await bench.page.evaluate(({ x, y, width }) => {
    const svg = document.querySelector('.dock-svg')
    svg.setPointerCapture = () => undefined
    window.fire = (type, part) =>
      svg.dispatchEvent(
        new PointerEvent(type, {
          bubbles: true,
          clientX: x + part * width,
          clientY: y + 40,
          button: 0,
          buttons: 1,
          pointerId: 1,
        }),
      )
    window.fire('pointerdown', 0.3)
  }, box)
  await moved(bench, 'scrubbing in the time dock, the map follows', (at) =>
    window.fire('pointermove', 0.3 + 0.25 * Math.sin(at / 600)),
  )
  await bench.page.evaluate(() => window.fire('pointerup', 0.3))
  await bench.close()
}

async function bigTrace(browser, base) {
  const bench = await browser.bench(base, {})
  await bench.open(`#/trace/${TRACE}`)
  await bench.see('.tree-row', { timeout: 60_000 })
  await sleep(500)
  await moved(bench, 'scrolling a trace of 100,000 spans', (at) => {
    document.querySelector('.wf-scroll').scrollTop = at * 20
  })
  await bench.page.evaluate(() => document.querySelector('.tree-row').click())
  await moved(bench, 'zooming in its time', (at) => {
    document.querySelector('.wf-scroll').dispatchEvent(
      new WheelEvent('wheel', {
        cancelable: true,
        ctrlKey: true,
        clientX: 900,
        clientY: 400,
        deltaY: 10 * Math.sin(at / 500) - 2,
      }),
    )
  })
  await bench.close()
}

const demo = await startDemo()
const browser = await openBrowser()
try {
  await sendBigTrace(demo.ports.otlp_http)
  const base = `http://localhost:${demo.ports.http}`
  await fetch(`${base}/api/v1/traces/${TRACE}?wait=true`)
  console.log(
    `| first picture | median (best) of ${ROUNDS} | scripts + styles and layout | requests | elements | heap |\n|---|---|---|---|---|---|`,
  )
  await firstPicture(browser, base, { name: 'map, last 15 min', hash: '#/map', selector: '.node-shape' })
  await firstPicture(browser, base, {
    name: 'map, last 24 h',
    hash: '#/map?last=24h',
    selector: '.node-shape',
  })
  await firstPicture(browser, base, {
    name: 'flows, last 24 h',
    hash: '#/flows?last=24h',
    selector: '.table tbody tr',
  })
  await firstPicture(browser, base, {
    name: 'flow, last 24 h',
    hash: '#/flows/checkout.place_order?last=24h',
    selector: '.step',
  })
  await firstPicture(browser, base, {
    name: 'trace of 100,000 spans',
    hash: `#/trace/${TRACE}`,
    selector: '.tree-row',
  })
  console.log('\n| move | frames | scripts + styles and layout | main thread |\n|---|---|---|---|')
  await scrub(browser, base)
  await bigTrace(browser, base)
} finally {
  await browser.close()
  await demo.stop()
}
