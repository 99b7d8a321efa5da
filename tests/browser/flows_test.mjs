// SPDX-License-Identifier: Apache-2.0
// Flows: list, picture, variants, player, runs, entity.
import { check, same, until } from './tools.mjs'

const FLOW = '#/flows/checkout.place_order'

export const tests = [
  {
    name: 'flows: variants say how they differ from the happy path',
    async run(bench) {
      await bench.open('#/flows/checkout.place_order')
      await bench.see('.variant')
      const said = await bench.page.$$eval('.variant', (found) =>
        found.map((variant) => [
          variant.querySelector('.sequence').textContent,
          variant.querySelector('.variant-words').textContent,
        ]),
      )
      const words = new Map(said)
      same(words.get('1234567'), 'Happy path', 'the commonest that finishes')
      same(words.get('1234657'), 'Other order', 'the same steps in another order')
      same(words.get('12334567'), 'Charge again', 'one step more')
      same(words.get('12'), 'Ends after reserve_stock', 'one that stops')
      same(
        words.get('123338'),
        'Charge 3 times, with release_stock, ends after release_stock',
        'a way of its own',
      )
    },
  },
  {
    name: 'flows: the happy path is the one that the server tells',
    async run(bench) {
      await bench.page.route(/\/flows\/checkout\.place_order\?/, async (route) => {
        const response = await route.fetch()
        const flow = await response.json()
        // Half of the commonest failed, so that more runs went well by the second.
        flow.variants[0].failures = flow.variants[0].runs / 2
        flow.happy_path = flow.variants[1]
        await route.fulfill({ response, json: flow })
      })
      await bench.open(FLOW)
      await bench.see('.variant')
      same(
        await bench.page.$$eval('.variant-words', (found) =>
          found.slice(0, 2).map((words) => words.textContent),
        ),
        ['Other order', 'Happy path'],
        'words of the first two variants',
      )
    },
  },
  {
    name: 'flows: one is defined over spans, previewed, saved, shown as such, and deleted',
    async run(bench) {
      const { page } = bench
      await bench.open('#/flows')
      await page.click('text=Define a flow')
      await page.fill('.definition-head input >> nth=0', 'made in a test')
      await page.fill('[aria-label="Step 1"]', 'begin')
      await page.fill('[aria-label="Filter 1"]', '{ name = ')
      await bench.see('.form-error')
      await page.fill('[aria-label="Filter 1"]', '{ kind = server }')
      await bench.see('.definition-found')
      await page.click('.definition >> text=Save')
      await bench.see('.table >> text=defined here')
      await page.click('.table tr:has-text("defined here") >> text=Show')
      const { items } = await bench.api('flows?from=-15m&to=now')
      check(
        items.some((item) => item.name === 'made in a test' && item.defined),
        'it is not among the flows',
      )
      await page.click('.table >> text=made in a test')
      await bench.see('.step')
      await bench.see('.flow-head >> text=defined here')
      await bench.open('#/flows')
      await page.click('[aria-label="Defined here"] >> text=made in a test')
      await page.click('.definition >> text=Delete')
      await until(async () => (await bench.api('flow-definitions')).items.length === 0, 'it is not deleted')
    },
  },
  {
    name: 'flows: the list tells runs, failures and durations, and leads to a flow',
    async run(bench) {
      const { items } = await bench.api('flows?from=-15m&to=now')
      await bench.open('#/flows')
      const text = await (await bench.see('.table')).innerText()
      for (const item of items) check(text.includes(item.name), `the list lacks ${item.name}`)
      await bench.see('.small-history')
      const history = await bench.page.getAttribute('.small-history', 'aria-label')
      check(/at most \d+ runs at a time, \d+ failed, its shape changed once/.test(history), history)
      await bench.page.click(`text=${items[0].name}`)
      await bench.see('.step')
    },
  },
  {
    name: 'flows: every step is drawn, rare paths are behind the slider',
    async run(bench) {
      const flow = await bench.api('flows/checkout.place_order?from=-15m&to=now')
      await bench.open(FLOW)
      await bench.see('.step')
      same(await bench.page.locator('.step').count(), flow.steps.length, 'steps')
      const ways = await bench.page.locator('.way').count()
      await bench.page.fill('.rare input', '60')
      await until(async () => (await bench.page.locator('.way').count()) < ways, 'rare paths stay')
      check(bench.param('rare'), 'the slider is not in the address')
      await bench.page.fill('.rare input', '0')
      await until(async () => (await bench.page.locator('.way').count()) >= ways, 'they do not come back')
    },
  },
  {
    name: 'flows: steps that come in any order stand side by side',
    async run(bench) {
      await bench.open(FLOW)
      await bench.see('.step')
      same(await bench.page.textContent('.in-parallel'), 'in parallel', 'what is said above them')
      for (const way of ['screen_fraud ship_order', 'ship_order screen_fraud'])
        same(await bench.page.locator(`[data-way="${way}"]`).count(), 0, `a line ${way}`)
      for (const way of ['create_order', 'send_receipt'].flatMap((other) =>
        ['screen_fraud', 'ship_order'].map((step) =>
          other === 'create_order' ? `${other} ${step}` : `${step} ${other}`,
        ),
      ))
        same(await bench.page.locator(`[data-way="${way}"]`).count(), 1, `lines ${way}`)
    },
  },
  {
    name: 'flows: changes of the shape and deploys are marked over its runs',
    async run(bench) {
      const history = await bench.api('flows/checkout.place_order/history?from=-15m&to=now')
      await bench.open(FLOW)
      await bench.see('.flow-history')
      const count = (mark) => bench.page.locator(`.flow-history-${mark}`).count()
      const bars = await bench.page.getAttribute('.flow-history-runs', 'd')
      same(bars.split('M').length - 1, history.points.length, 'points')
      same(await count('shape'), history.versions.length - 1, 'changes')
      same(await count('deploy'), history.deploys.length, 'deploys')
      const told = await bench.page.locator('.flow-history-shape title').first().textContent()
      check(told.includes('+ reserve_stock → charge'), `a change does not say what came: ${told}`)
    },
  },
  {
    name: 'flows: a variant is lit in the picture',
    async run(bench) {
      const flow = await bench.api('flows/checkout.place_order?from=-15m&to=now')
      await bench.open(FLOW)
      await bench.page.click('.variant >> nth=3')
      const { sequence } = flow.variants[3]
      await until(
        async () => (await bench.page.locator('.step.within').count()) === new Set(sequence).size,
        'not exactly its steps are lit',
      )
      check(bench.param('variant'), 'the variant is not in the address')
    },
  },
  {
    name: 'flows: a variant taken as expected tells which runs did otherwise',
    async run(bench) {
      const expected = bench.page.locator('.panel-section:has-text("As expected")')
      await bench.open(FLOW)
      await expected.waitFor()
      const { share } = await bench.api('flows/checkout.place_order/conformance?from=-15m&to=now')
      const percent = Number((share * 100).toPrecision(3))
      check((await expected.innerText()).includes(`${percent} %`), 'the share that conforms')
      await bench.page.click('.variant >> nth=4')
      await until(async () => (await expected.innerText()).includes('the one chosen'), 'not the chosen one')
      check((await expected.innerText()).includes('repeated'), 'no deviation is told')
    },
  },
  {
    name: 'flows: two windows of a flow are compared',
    async run(bench) {
      const at = (minutes) => new Date(Date.now() - minutes * 60e3).toISOString()
      await bench.open(`${FLOW}?from=${at(30)}&to=${at(10)}&vs=${at(60)},${at(40)}`)
      const changed = await bench.see('.flow-changed')
      const text = await changed.innerText()
      check(/charge\s+0\.6 % → 7\.1 % errors/.test(text), `the errors of charge: ${text}`)
      check(text.includes('new'), 'the new variant')
      await bench.axe('.flow-changed')
      await bench.page.click('.flow-changed >> text=Stop comparing')
      await until(() => bench.param('vs') === null, 'it does not stop')
    },
  },
  {
    name: 'flows: a run is played step by step, with its spans',
    async run(bench) {
      await bench.open(`${FLOW}?view=runs`)
      await bench.page.click('.run:nth-child(2) a')
      await bench.see('.player')
      const steps = await bench.page.locator('.player-steps li').count()
      check(steps > 3, 'the player has no steps')
      const name = () => bench.page.innerText('.player-steps .current .player-name')
      const first = await name()
      await bench.page.keyboard.press('ArrowRight')
      await until(async () => (await name()) !== first, 'the key does not go on')
      same(bench.param('step'), '1', 'the step in the address')
      await bench.see('.step.selected')
      await bench.page.click('[aria-label="Play the run"]')
      await until(() => Number(bench.param('step')) >= 3, 'it does not play')
      await bench.page.click('text=Open trace')
      await bench.see('.tree-row')
    },
  },
  {
    name: 'flows: runs can be narrowed to those that failed, older ones come below',
    async run(bench) {
      await bench.open(`${FLOW}?view=runs`)
      await bench.see('.run')
      await bench.page.click('.segments >> text=Failed')
      await until(
        async () =>
          (await bench.page.locator('.run').count()) === (await bench.page.locator('.run .bad').count()),
        'runs that finished are left',
      )
      const before = await bench.page.locator('.run').count()
      await bench.page.click('text=Show older')
      await until(async () => (await bench.page.locator('.run').count()) > before, 'no older runs')
    },
  },
  {
    name: 'flows: on the system map only what the flow does is asked for',
    async run(bench) {
      await bench.open(FLOW)
      await bench.see('.step')
      const asked = bench.page.waitForRequest((request) =>
        /map\/live\?.*flow=checkout.place_order/.test(request.url()),
      )
      await bench.page.click('text=On the system map')
      await asked
      await bench.page.click('text=Whole map')
      await until(() => bench.param('flow') === null, 'the flow stays')
    },
  },
  {
    name: 'flows: an entity’s page lists what touched it',
    async run(bench) {
      await bench.open('#/entity/order/48213')
      const { traces } = await bench.api('entities/order/48213')
      const trace = await bench.api(`traces/${traces[0].trace_id}`)
      const [root] = trace.spans
      await bench.see(`.entity-item:has-text("${root.service} ${root.name}")`)
      await bench.seeText('order 48213')
      await bench.page.click('.entity-runs a')
      await bench.see('.run-step-list')
    },
  },
  {
    name: 'flows: the search field finds a run by its id',
    async run(bench) {
      const { items } = await bench.api('flows/checkout.place_order/runs?from=-15m&to=now')
      await bench.open('#/map')
      await bench.page.fill('.search input', items[0].run_id)
      await bench.page.click('.results >> text=checkout.place_order · ')
      await bench.see('.run-step-list')
      check(bench.page.url().includes(items[0].run_id), 'another run')
    },
  },
  {
    name: 'flows: a run that is found leads to its own environment and flow, whatever the header has chosen',
    async run(bench) {
      await bench.page.route(/\/api\/v1\/runs\//, async (route) => {
        const response = await route.fetch()
        const answer = await response.json()
        const [item] = answer.items
        answer.items = [
          { ...item, environment: 'test', scope: 'shop-us', defined: true },
          { ...item, environment: '', scope: '' },
        ]
        await route.fulfill({ response, json: answer })
      })
      const { items } = await bench.api('flows/checkout.place_order/runs?from=-15m&to=now')
      for (const [nth, place] of [
        ['test', 'shop-us', 'true'],
        ['-', null, 'false'],
      ].entries()) {
        await bench.open('#/map?env=prod&scope=shop-eu')
        await bench.page.fill('.search input', items[0].run_id)
        await bench.page.click(`.results [role=option]:has-text("checkout.place_order · ") >> nth=${nth}`)
        await until(() => bench.page.url().includes('#/run/'), 'it leads nowhere')
        same(
          ['env', 'scope', 'defined'].map((name) => bench.param(name)),
          place,
          'which run',
        )
      }
    },
  },
  {
    name: 'flows: what steps of a defined flow touch is asked for longer, all else goes on',
    async run(bench) {
      let asked = 0
      await bench.page.route(/\/flows\/checkout\.place_order\?/, async (route) => {
        const response = await route.fetch()
        const flow = await response.json()
        if (new URL(route.request().url()).searchParams.get('touches') === 'true') {
          flow.runs = 5
          flow.variants = []
        } else {
          flow.variants[0].runs = 1000 + ++asked
          flow.touches = []
          flow.touches_truncated = true
        }
        await route.fulfill({ response, json: flow })
      })
      await bench.open(FLOW)
      await bench.see('.panel-section:has-text("Touches")')
      await bench.see('.variant-runs:has-text("1,001 runs")')
      await bench.see('.variant-runs:has-text("1,002 runs")')
      await bench.page.unrouteAll({ behavior: 'wait' })
    },
  },
  {
    name: 'flows: the search field finds flows and business objects',
    async run(bench) {
      await bench.open('')
      await bench.see('.node')
      await bench.page.keyboard.press('/')
      await bench.page.keyboard.type('place_ord')
      await bench.see('.results li:has-text("checkout.place_order")')
      await bench.page.keyboard.press('Enter')
      await bench.see('.step')
      await bench.page.keyboard.press('/')
      await bench.page.keyboard.type('order/48213')
      await bench.page.click('.results li:has-text("All that touched")')
      await bench.seeText('order 48213')
    },
  },
]
