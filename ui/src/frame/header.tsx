// SPDX-License-Identifier: Apache-2.0
import { useSignal } from '@preact/signals'
import { page, param, set } from '../base/route'
import { dark, toggleTheme } from '../base/theme'
import { clock, iso } from '../base/time'
import { DEFAULT_LAST, livePatch, pin, timeWindow, windowText } from '../base/window'
import { ThemeIcon } from './icons'
import { Menu, type Choice } from './menu'
import { Search } from './search'
import { services, shownMap, status } from './state'

/** Pages of one thing, or of the server as it is. */
const NO_WINDOW = new Set(['status', 'trace'])

const LENGTHS: Choice[] = [
  { value: '5m', text: 'Last 5 min' },
  { value: '15m', text: 'Last 15 min' },
  { value: '30m', text: 'Last 30 min' },
  { value: '1h', text: 'Last hour' },
  { value: '6h', text: 'Last 6 h' },
  { value: '24h', text: 'Last 24 h' },
  { value: '7d', text: 'Last 7 days' },
]

/** Choosing nothing (null) means all; an empty value is the API's "those without one". */
function Chooser({ name, title, values }: { name: 'env' | 'scope'; title: string; values: string[] }) {
  const chosen = param(name)
  const only = values.length === 1 ? values[0] : undefined
  const all = name === 'env' ? 'All environments' : 'All scopes'
  const text = (value: string) => (value === '' ? `No ${title.toLowerCase()}` : value)
  const choices = [
    { value: '*', text: all },
    ...values.map((value) => ({ value: value === '' ? '-' : value, text: text(value) })),
  ]
  const shown = chosen === null ? (only === undefined ? all : text(only)) : text(chosen === '-' ? '' : chosen)
  return (
    <Menu
      label={`${title}: ${shown}`}
      shown={shown}
      value={chosen ?? '*'}
      choices={
        only === undefined || chosen !== null
          ? choices
          : choices.slice(1).map((choice) => ({ ...choice, value: '*' }))
      }
      onChoose={(value) => {
        set({ [name]: value === '*' ? null : value })
      }}
    />
  )
}

function unique(values: (string | undefined)[]): string[] {
  return [...new Set(values.map((value) => value ?? ''))].sort()
}

function Place() {
  const here = page.value
  if (NO_WINDOW.has(here)) return null
  if (services.value.length === 0) {
    if (status.value?.spans.stored !== 0) return null
    return <span class="control passive">No environment yet</span>
  }
  const environments = unique(services.value.map((service) => service.environment))
  const scopes = unique(services.value.map((service) => service.scope))
  const plain = scopes.length === 1 && (scopes[0] === 'default' || scopes[0] === '')
  return (
    <>
      {!(environments.length === 1 && environments[0] === '') && (
        <Chooser name="env" title="Environment" values={environments} />
      )}
      {!plain && <Chooser name="scope" title="Scope" values={scopes} />}
    </>
  )
}

function local(at: number): string {
  return iso(at - new Date(at).getTimezoneOffset() * 60e3).slice(0, 16)
}

/** From and to, typed. */
function Between() {
  const window = timeWindow.value
  const now = Date.now()
  const from = useSignal(local(window.live ? now - window.lengthMs : window.from))
  const to = useSignal(local(window.live ? now : window.to))
  const wrong = !(Date.parse(from.value) < Date.parse(to.value))
  return (
    <form
      class="between"
      onSubmit={(event) => {
        event.preventDefault()
        if (!wrong) pin(Date.parse(from.value), Date.parse(to.value))
      }}
    >
      <label>
        From
        <input
          type="datetime-local"
          value={from.value}
          onInput={(event) => (from.value = event.currentTarget.value)}
        />
      </label>
      <label>
        To
        <input
          type="datetime-local"
          value={to.value}
          onInput={(event) => (to.value = event.currentTarget.value)}
        />
      </label>
      {wrong && <p class="between-wrong">The end is not after the start.</p>}
      <button class="control" type="submit" disabled={wrong}>
        Show
      </button>
    </form>
  )
}

function TimeWindow() {
  const window = timeWindow.value
  const text = windowText(window)
  return (
    <Menu
      label={`Time window: ${text}`}
      shown={text}
      value={window.live ? window.last : ''}
      choices={LENGTHS}
      align="right"
      onChoose={(last) => {
        set(livePatch(last))
      }}
    >
      <Between />
    </Menu>
  )
}

/** Off pins the window where it is; on goes back to now. */
function Live() {
  const window = timeWindow.value
  const flip = () => {
    if (!window.live) {
      set(livePatch(DEFAULT_LAST))
      return
    }
    const shown = shownMap.value
    const to = shown ? Date.parse(shown.to) : Date.now()
    pin(to - window.lengthMs, to)
  }
  return (
    <button
      class={`control live ${window.live ? 'on' : ''}`}
      aria-pressed={window.live}
      title={
        window.live
          ? 'Follows the present. Press to stop here.'
          : `Stopped at ${clock(window.to)}. Press to follow the present.`
      }
      onClick={flip}
    >
      <span class="live-dot" aria-hidden="true" />
      <span class="live-text">Live</span>
    </button>
  )
}

export function Header() {
  return (
    <header class="header">
      <div class="header-place">
        <Place />
      </div>
      <Search />
      <div class="header-end">
        {!NO_WINDOW.has(page.value) && (
          <>
            <TimeWindow />
            <Live />
          </>
        )}
        <button
          class="plain theme"
          aria-label={dark.value ? 'Use the light theme' : 'Use the dark theme'}
          onClick={toggleTheme}
        >
          <ThemeIcon />
        </button>
      </div>
    </header>
  )
}
