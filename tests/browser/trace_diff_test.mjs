// SPDX-License-Identifier: Apache-2.0
// Two traces compared.
import { check, same, Skip, until } from './tools.mjs'

/** Two traces of one operation. */
async function twins(bench) {
  const { items } = await bench.api('traces?limit=100')
  const key = (item) => `${item.root_service} ${item.root_name}`
  const first = items.find(
    (item) => item.spans > 3 && items.some((other) => other !== item && key(other) === key(item)),
  )
  if (!first) throw new Skip('no two traces of one operation')
  return [first, items.find((other) => other !== first && key(other) === key(first))]
}

export const tests = [
  {
    name: 'trace diff: a trace is compared with another of its operation, chosen from a list or by its id',
    anyServer: true,
    async run(bench) {
      const { page } = bench
      const [own, other] = await twins(bench)
      await bench.open(`#/trace/${own.trace_id}`)
      await bench.see('.tree-row')
      await page.keyboard.press('c')
      await bench.see('.panel[aria-label="Compare with"]')
      same(bench.param('compare'), '1', 'the panel in the address')
      await bench.see('.panel-section:has-text("Usual") a')
      await bench.axe('.panel')
      await page.fill('.compare-id input', 'not an id')
      await page.click('.compare-id button')
      await bench.seeText('That is no trace id')
      await page.fill('.compare-id input', other.trace_id)
      await page.click('.compare-id button')
      await bench.see('.diff-step')
      check(page.url().includes(`#/trace/${other.trace_id}/diff/${own.trace_id}`), page.url())
      await page.click('.panel [aria-label="Close"]')
      await bench.see('.tree-row')
      check(page.url().includes(`#/trace/${own.trace_id}`), 'closing does not lead back to the trace')
    },
  },
  {
    name: 'trace diff: every step of both with its difference, and where the time went',
    anyServer: true,
    async run(bench) {
      const { page } = bench
      const [b, a] = await twins(bench)
      const diff = await bench.api(`traces/${a.trace_id}/diff/${b.trace_id}`)
      await bench.open(`#/trace/${a.trace_id}/diff/${b.trace_id}`)
      await bench.see('.diff-step')
      same(
        await page.$$eval('.diff-step .tree-text', (found) => found.map((name) => name.textContent)),
        diff.steps.map((step) => `${step.service} ${step.name}`),
        'steps',
      )
      const differing = diff.steps.flatMap((step, index) => (step.change === 'same' ? [] : [index]))
      const words = await page.$$eval('.diff-word', (found) => found.map((word) => word.textContent))
      same(
        words.flatMap((word, index) => (word === '' ? [] : [index])),
        differing,
        'steps that say a difference',
      )
      const own = (step) => (step.b?.self_time_ns ?? 0) - (step.a?.self_time_ns ?? 0)
      const most = [...diff.steps.keys()].sort(
        (x, y) => Math.abs(own(diff.steps[y])) - Math.abs(own(diff.steps[x])),
      )[0]
      await page.click('.panel-section:has-text("Where the time went") a >> nth=0')
      await bench.see('.diff-step.selected')
      same(bench.param('step'), String(most), 'the step whose own time differs most')
      await bench.axe('main')
      if (differing.length === 0) return
      await page.keyboard.press('Escape')
      await page.keyboard.press('j')
      await until(() => bench.param('step') === String(differing[0]), 'j does not go to the first difference')
      await page.click('text=Differences')
      const kept = await page.locator('.diff-step').count()
      check(
        kept >= differing.length && kept <= diff.steps.length,
        `${kept} steps when only differences are shown`,
      )
    },
  },
  {
    name: 'trace diff: a trace that is not whole says so',
    async run(bench) {
      const [b, a] = await twins(bench)
      await bench.page.route(/\/traces\/\w+\/diff\//, async (route) => {
        const response = await route.fetch()
        const diff = await response.json()
        diff.b.truncated = { reason: 'too_many_spans', message: 'the trace has more than 9 spans' }
        await route.fulfill({ response, json: diff })
      })
      await bench.open(`#/trace/${a.trace_id}/diff/${b.trace_id}`)
      await bench.see('.diff-step')
      same(await bench.page.locator('.diff-cut').count(), 1, 'sides that are not whole')
      const text = await bench.page.innerText('.diff-cut')
      check(/^B is not whole: the trace has more than 9 spans\./.test(text), text)
      await bench.axe('.panel')
    },
  },
  {
    name: 'trace diff: the choice says that it waits, and what went wrong',
    async run(bench) {
      const [own] = await twins(bench)
      let answer
      const held = new Promise((resolve) => (answer = resolve))
      await bench.page.route(/\/traces\?q=/, async (route) => {
        await held
        await route.fulfill({
          status: 503,
          json: { error: { code: 'busy', message: 'too many questions are asked', hint: 'ask again' } },
        })
      })
      await bench.open(`#/trace/${own.trace_id}?compare=1`)
      await bench.see('.panel >> text=Searching for others')
      answer()
      await bench.see('.panel >> text=too many questions are asked')
      same(await bench.page.locator('.panel >> text=Searching for others').count(), 0, 'it waits on')
    },
  },
]
