// SPDX-License-Identifier: Apache-2.0
// Changes, Health and Settings.
import { check, same, until } from './tools.mjs'

export const tests = [
  {
    name: 'changes: what happened is listed newest first, and leads to the comparison',
    async run(bench) {
      await bench.open('#/changes')
      const list = await bench.see('.happened')
      check(list, 'nothing is listed')
      const times = await bench.page.$$eval('.happened-when', (cells) => cells.map((cell) => cell.title))
      same([...times].sort().reverse(), times, 'order')
      await bench.page.click('.segments >> text=Deploys')
      await until(
        async () => (await bench.page.locator('.happened:not(.deploy)').count()) === 0,
        'the filter',
      )
      await bench.page.click('.segments >> text=Map')
      await bench.page.click('.happened:has-text("payment calls fraud") >> text=Before and after')
      await bench.see('.change.new')
    },
  },
  {
    name: 'health: each finding says how often, what to change, and shows a trace',
    async run(bench) {
      const { items } = await bench.api('contract?from=-15m&to=now')
      await bench.open('#/health')
      await bench.see('.finding')
      const text = await bench.page.innerText('.reading')
      for (const item of items)
        for (const part of [item.code, item.subject, item.what_to_change])
          check(text.includes(part), `the page lacks ${part}`)
      await bench.page.click('.finding-trace a')
      await bench.see('.tree-row')
    },
  },
  {
    name: 'settings: a mapping is previewed, saved, and told when somebody else saved',
    async run(bench) {
      await bench.post('/mock/clear')
      await bench.open('#/settings')
      await bench.page.click('text=Add a mapping')
      await bench.page.fill('[aria-label="Pattern 1"]', 'api.(')
      await bench.page.fill('[aria-label="Name 1"]', 'cards')
      await bench.see('.form-error')
      await bench.page.fill('[aria-label="Pattern 1"]', 'api[.]stripe[.]com')
      await bench.see('.preview:has-text("cards")')
      check((await bench.page.innerText('.mapping-effect')).includes('api.stripe.com'), 'no names matched')
      await bench.page.click('text=Save')
      await bench.seeText('Saved.')
      same((await bench.api('mappings')).items[0].name, 'cards', 'the saved name')
      await fetch(`${bench.base}/api/v1/mappings`, {
        method: 'PUT',
        body: JSON.stringify({ version: 2, items: [] }),
      })
      await bench.page.fill('[aria-label="Name 1"]', 'card network')
      await bench.page.click('text=Save')
      await bench.seeText('Somebody saved other mappings')
      await bench.page.click('text=Read them')
      await until(async () => (await bench.page.locator('.mapping').count()) === 0, 'theirs are not shown')
    },
  },
]
