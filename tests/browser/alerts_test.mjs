// SPDX-License-Identifier: Apache-2.0
// Alerts: rules are written, silenced, tested and deleted.
import { check, same, until } from './tools.mjs'

const ALERTS = '#/health?view=alerts'

export const tests = [
  {
    name: 'alerts: a trial that comes late is not told of a rule that was changed meanwhile',
    async run(bench) {
      const { page } = bench
      let answer
      const held = new Promise((resolve) => (answer = resolve))
      await page.route(/\/alerts\/rules\/preview/, async (route) => {
        await held
        await route.continue()
      })
      await bench.post('/mock/clear')
      await bench.open(ALERTS)
      await page.click('text=New rule')
      await page.fill('#rule-name', 'new edge')
      await page.click('text=Try on the last 24 h')
      await bench.see('.rule-trial >> text=Trying…')
      await page.fill('#rule-window', '20m')
      await bench.see('.rule-trial >> text=Try on the last 24 h')
      const late = page.waitForResponse(/\/alerts\/rules\/preview/)
      answer()
      await (await late).finished()
      await page.waitForTimeout(200)
      same(await page.locator('.rule-trial >> text=It would have fired').count(), 0, 'results told')
      await page.click('text=Try on the last 24 h')
      await bench.see('.rule-trial:has-text("It would have fired 2 times")')
    },
  },
  {
    name: 'alerts: a rule is written, fires, is changed and deleted; what is wrong stands in place',
    async run(bench) {
      const { page } = bench
      await bench.post('/mock/clear')
      await bench.open(ALERTS)
      await bench.seeText('Nothing fires')
      await page.click('text=New rule')
      check((await page.innerText('.rule-sentence')).includes('an edge of the map is there'), 'the sentence')
      await page.click('.rule-form >> text=Save')
      await bench.see('.rule-field:has-text("Name") .field-error')
      await page.fill('#rule-name', 'orders stopped')
      await bench.seeText('Another rule has this name.')
      await page.fill('#rule-name', 'new edge')
      await page.fill('#rule-window', '90s')
      await bench.see('.rule-field:has-text("Window") .field-error')
      await page.fill('#rule-window', '10m')
      await page.click('text=Add a condition')
      same(await page.inputValue('[aria-label="Condition 1, label"]'), 'source', 'the label proposed')
      await page.fill('[aria-label="Condition 1, value"]', 'pay(')
      await page.click('.rule-form >> text=Save')
      await bench.see('fieldset .field-error:has-text("at character 3")')
      await bench.axe('.rule-form')
      await page.fill('[aria-label="Condition 1, value"]', 'pay.*')
      await page.click('text=Try on the last 24 h')
      await bench.see('.rule-trial:has-text("It would have fired 2 times")')
      await bench.see('.rule-trial li:has-text("payment calls fraud: appeared")')
      await page.click('.rule-receiver:has-text("pager")')
      await bench.axe('.rule-form')
      await page.click('.rule-form >> text=Save')
      await bench.see('.rule-item:has-text("new edge") >> text=fires')
      await bench.see('.alert-item:has-text("payment calls fraud: appeared")')
      const saved = (await bench.api('alerts/rules')).items.find((rule) => rule.name === 'new edge')
      same(
        [saved.kind, saved.window, saved.match, saved.receivers],
        ['edge_appeared', '10m', { source: 'pay.*' }, ['pager']],
        'what is saved',
      )
      await page.click('.rule-item >> text=new edge')
      await page.fill('#rule-for', '5m')
      await page.click('.rule-form >> text=Save')
      await bench.see('.rule-item:has-text("new edge") >> text=pending')
      await page.click('.rule-item >> text=new edge')
      await page.click('.rule-form >> text=Delete')
      await page.click('text=Delete it for everybody')
      await until(async () => (await bench.api('alerts/rules')).items.length === 1, 'it is not deleted')
      await bench.seeText('Nothing fires')
    },
  },
  {
    name: 'alerts: what somebody else saved meanwhile is not lost, nor what is written here',
    async run(bench) {
      const { page } = bench
      await bench.post('/mock/clear')
      await bench.open(ALERTS)
      await page.click('text=New rule')
      await page.fill('#rule-name', 'mine')
      const theirs = { name: 'theirs', kind: 'node_vanished', match: {} }
      await fetch(`${bench.base}/api/v1/alerts/rules`, {
        method: 'PUT',
        body: JSON.stringify({ version: 1, items: [theirs] }),
      })
      await page.click('.rule-form >> text=Save')
      await page.click('.form-error >> text=Read them')
      await bench.see('.rule-item:has-text("theirs")')
      await page.click('.rule-form >> text=Save')
      await bench.see('.rule-item:has-text("mine")')
      same((await bench.api('alerts/rules')).items.length, 3, 'rules')
    },
  },
  {
    name: 'alerts: an alert is silenced and the silence ended; receivers are tried',
    async run(bench) {
      const { page } = bench
      await bench.post('/mock/clear')
      await fetch(`${bench.base}/api/v1/alerts/rules`, {
        method: 'PUT',
        body: JSON.stringify({ version: 1, items: [{ name: 'failing', kind: 'edge_changed', match: {} }] }),
      })
      await bench.open('#/health')
      await bench.see('.alert-item:has-text("failing")')
      await page.click('text=Rules and silences')
      await page.click('.alert-item >> text=Silence')
      await page.fill('[aria-label="Why"]', 'stripe knows')
      await page.click('.silence-form .primary')
      await bench.see('[aria-label="Silences"] >> text=stripe knows')
      await bench.see('.alert-item >> text=silenced')
      const [{ match }] = (await bench.api('alerts/silences')).items
      check(
        match.alertname === 'failing' && match.target === 'stripe',
        `what it matches: ${JSON.stringify(match)}`,
      )
      await page.click('text=End it')
      await until(async () => (await bench.api('alerts/silences')).items.length === 0, 'it does not end')
      await page.click('[aria-label="Receivers"] .rule-item:has-text("ops") >> text=Send a test')
      await bench.seeText('took the test, 200 in 84 ms')
      await page.click('[aria-label="Receivers"] .rule-item:has-text("pager") >> text=Send a test')
      await bench.seeText('connection refused')
    },
  },
]
