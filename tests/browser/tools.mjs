// SPDX-License-Identifier: Apache-2.0
// What every browser test uses. The packages are those of ui/.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../ui/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const { default: AxeBuilder } = require('@axe-core/playwright')

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const EXPECT_MS = 15_000

/** Thrown by a test that has nothing to test on this server. */
export class Skip extends Error {}

export function check(condition, message) {
  if (!condition) throw new Error(message)
}

export function same(actual, expected, message) {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${message}: expected ${right}, got ${left}`)
}

/** Waits until `read` gives something truthy. */
export async function until(read, message, ms = EXPECT_MS) {
  const end = performance.now() + ms
  for (;;) {
    const value = await read()
    if (value) return value
    if (performance.now() > end) throw new Error(message)
    await new Promise((resolve) => setTimeout(resolve, 40))
  }
}

/** A page of its own for one test, with what it may ask the server. */
class Bench {
  problems = []
  reports = []
  constructor(base, context, page) {
    Object.assign(this, { base, context, page })
    page.on('pageerror', (error) => this.problems.push(error.message))
    page.on('console', (message) => {
      // Refusals that a test provokes show up as failed resources; the page's own errors do not.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        this.problems.push(message.text())
    })
  }
  /** A measurement, printed beside the test's name. */
  report(text) {
    this.reports.push(text)
  }
  async open(hash, world = '') {
    await this.page.goto(`${this.base}${world}/${hash}`)
    return this.page
  }
  async api(path, world = '') {
    const response = await fetch(`${this.base}${world}/api/v1/${path}`)
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response.json()
  }
  post(path) {
    return fetch(`${this.base}${path}`, { method: 'POST' })
  }
  see(selector, options = {}) {
    return this.page.waitForSelector(selector, {
      timeout: EXPECT_MS,
      ...options,
    })
  }
  seeText(text) {
    return this.page.getByText(text).first().waitFor({ timeout: EXPECT_MS })
  }
  param(name) {
    const query = new URL(this.page.url()).hash.split('?')[1] ?? ''
    return new URLSearchParams(query).get(name)
  }
  async axe(include) {
    let builder = new AxeBuilder({ page: this.page })
    if (include) builder = builder.include(include)
    const { violations } = await builder.analyze()
    const texts = violations.map(
      (found) =>
        `${found.id}: ${found.help} (${found.nodes
          .map((node) => node.target.join(' '))
          .slice(0, 3)
          .join('; ')})`,
    )
    same(texts, [], 'axe found')
  }
  close() {
    return this.context.close()
  }
}

export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  })
  return {
    async bench(base, { width = 1440, height = 900, ...options }) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: options.dark ? 'dark' : 'light',
        reducedMotion: options.still ? 'reduce' : 'no-preference',
        forcedColors: options.forced ? 'active' : 'none',
        permissions: ['clipboard-read', 'clipboard-write'],
      })
      return new Bench(base, context, await context.newPage())
    },
    close: () => browser.close(),
  }
}
