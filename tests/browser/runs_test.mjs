// SPDX-License-Identifier: Apache-2.0
// A run over several traces as one waterfall.
import { check, same, until } from './tools.mjs'

const DAYS = '#/run/checkout.place_order/days'
const LONG = '#/run/checkout.place_order/long'

export const tests = [
  {
    name: 'runs: all traces of a run stand on one axis, steps are marked, waiting is folded',
    async run(bench) {
      const { page } = bench
      const run = await bench.api('flows/checkout.place_order/runs/days')
      const there = []
      for (const id of run.traces) there.push(await bench.api(`traces/${id}`).catch(() => null))
      const spans = there.reduce((sum, trace) => sum + (trace ? trace.spans.length : 1), 0)
      await bench.open(DAYS)
      await until(
        async () => (await page.locator('.tree-row').count()) === spans + run.traces.length,
        'not a row for each span and trace',
      )
      same(await page.locator('.tree-row.head').count(), run.traces.length, 'rows of traces')
      same(
        await page.$$eval('.tree-step', (marks) => marks.map((mark) => mark.textContent)),
        run.steps.map((_, index) => String(index + 1)),
        'the numbers of the steps',
      )
      same(
        await page.$$eval('.wf-gap', (gaps) => gaps.map((gap) => gap.textContent)),
        ['7 h', '19 h', '23 h'],
        'gaps',
      )
      const axis = await page.innerText('.wf-head')
      check(/\+500 ms/.test(axis), `milliseconds can be read between the gaps: ${axis}`)
      await page.click('text=Fold gaps')
      await until(async () => (await page.locator('.wf-gap').count()) === 0, 'gaps stay folded')
      same(bench.param('gaps'), '0', 'the switch in the address')
      check(/\d h/.test(await page.innerText('.wf-head')), 'the axis does not tell hours')
    },
  },
  {
    name: 'runs: what is not shown is said, of a trace that has gone its steps are left',
    async run(bench) {
      await bench.open(DAYS)
      await bench.seeText('The spans of 1 trace are no longer stored.')
      await bench.page.click('.tree-row:has-text("remind")')
      await bench.seeText('The run would not be longer if it took 23 h more.')
      await bench.page.click('.tree-row.head:has-text("no longer stored")')
      await bench.seeText('The run keeps its steps.')
      await bench.axe('main')
    },
  },
  {
    name: 'runs: a link leads to the span in the other trace, and from there to the trace itself',
    async run(bench) {
      await bench.open(DAYS)
      await bench.page.click('.run-step-list >> text=review')
      await bench.page.click('.panel >> text=checkout publish orders')
      await bench.see('.tree-row.selected:has-text("publish orders")')
      await bench.page.click('text=Open its trace')
      await bench.see('.tree-row.selected:has-text("publish orders")')
      check(bench.page.url().includes('#/trace/'), 'it is not the trace')
    },
  },
  {
    name: 'runs: of many traces the first are read, more on demand, each a row until it is opened',
    async run(bench) {
      const { page } = bench
      await bench.open(LONG)
      await bench.seeText('Of 36 traces only the steps are shown.')
      await until(async () => (await page.locator('.tree-row:not(.head)').count()) === 0, 'traces are open')
      await page.click('text=Show the spans of 24 more')
      await bench.seeText('Of 12 traces only the steps are shown.')
      await page.click('.run-step-list li:nth-child(30) button')
      await bench.see('.tree-row.selected .tree-step:has-text("30")')
      await page.keyboard.press('k')
      await page.keyboard.press('k')
      await bench.see('.tree-row.head.selected')
      await page.keyboard.press('h')
      await until(async () => (await page.locator('.tree-row:not(.head)').count()) === 0, 'it does not fold')
    },
  },
  {
    name: 'runs: a step shows its attributes before its trace is read, whatever its kind',
    async run(bench) {
      await bench.page.route(/\/spans\?/, async (route) => {
        const response = await route.fetch()
        const { items } = await response.json()
        await route.fulfill({
          response,
          json: { items: items.map((span) => ({ ...span, kind: 'client' })), cursor: null },
        })
      })
      await bench.open(LONG)
      await bench.seeText('Of 36 traces only the steps are shown.')
      await bench.page.click('.run-step-list li:nth-child(50) button')
      const panel = await bench.see('.panel:has-text("Attributes")')
      check((await panel.innerText()).includes('client span'), 'its kind')
      await bench.page.unrouteAll({ behavior: 'wait' })
    },
  },
  {
    name: 'runs: the list of runs and the entity lead to the waterfall',
    async run(bench) {
      await bench.open('#/flows/checkout.place_order?view=runs')
      await bench.page.click('[aria-label^="Waterfall of run"] >> nth=0')
      await bench.see('.run-step-list')
      await bench.open('#/entity/order/48213')
      await bench.page.click('.entity-runs a')
      await bench.see('.run-step-list')
    },
  },
]
