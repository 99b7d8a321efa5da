// SPDX-License-Identifier: Apache-2.0
// Browser tests in Debian's Chromium: node tests/browser/run.mjs [PART OF A NAME …]
//
// Without WEFT_URL they run against the mock server of ui/mock; with it, those that hold for any server with
// spans in it run against that one. Prints a line per test and ends with `N passed, N failed`.
import { existsSync } from 'node:fs'
import { startMock } from '../../ui/mock/server.mjs'
import { openBrowser, Skip } from './tools.mjs'
import { tests as access } from './access_test.mjs'
import { tests as alerts } from './alerts_test.mjs'
import { tests as dock } from './dock_test.mjs'
import { tests as flows } from './flows_test.mjs'
import { tests as frame } from './frame_test.mjs'
import { tests as frames } from './frames_test.mjs'
import { tests as map } from './map_test.mjs'
import { tests as pages } from './pages_test.mjs'
import { tests as runs } from './runs_test.mjs'
import { tests as states } from './states_test.mjs'
import { tests as trace } from './trace_test.mjs'
import { tests as traceDiff } from './trace_diff_test.mjs'
import { tests as traces } from './traces_test.mjs'

const TIMEOUT_MS = 90_000
const real = process.env.WEFT_URL
const wanted = process.argv.slice(2)

const chosen = [
  ...map,
  ...dock,
  ...traces,
  ...trace,
  ...traceDiff,
  ...flows,
  ...runs,
  ...pages,
  ...alerts,
  ...states,
  ...frame,
  ...frames,
  ...access,
].filter(
  (test) =>
    (!real || test.anyServer) && (wanted.length === 0 || wanted.some((part) => test.name.includes(part))),
)
if (chosen.length === 0) {
  // Not a failure: tools/run_tests.py asks every suite for the same name.
  console.log('0 passed, 0 failed')
  process.exit(0)
}
if (!real && !existsSync(`${import.meta.dirname}/../../ui/dist/index.html`)) {
  console.log('ui/dist is missing: run `npm run build` in ui first')
  process.exit(1)
}

const mock = real ? null : await startMock()
const base = (real ?? `http://127.0.0.1:${mock.port}`).replace(/\/$/, '')
const browser = await openBrowser()
let passed = 0
let failed = 0

function within(promise, ms) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

for (const test of chosen) {
  const began = performance.now()
  const bench = await browser.bench(base, test)
  try {
    await within(test.run(bench), TIMEOUT_MS)
    if (bench.problems.length > 0) throw new Error(`the page complained: ${bench.problems.join(' | ')}`)
    passed++
    console.log(
      `ok ${test.name} (${Math.round(performance.now() - began)} ms)${bench.reports.map((text) => `: ${text}`).join('')}`,
    )
  } catch (error) {
    if (error instanceof Skip) console.log(`skipped ${test.name}: ${error.message}`)
    else {
      failed++
      console.log(
        `FAILED ${test.name}\n      ${String(error.stack ?? error)
          .split('\n')
          .slice(0, 8)
          .join('\n      ')}`,
      )
      const shot = process.env.WEFT_SHOTS
      if (shot)
        await bench.page.screenshot({ path: `${shot}/${test.name.replace(/\W+/g, '-')}.png` }).catch(() => {})
    }
  }
  await bench.close()
}
await browser.close()
mock?.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
