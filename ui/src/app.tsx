// SPDX-License-Identifier: Apache-2.0
// The frame around every page, and what every page needs to know of the server.
import { useEffect } from 'preact/hooks'
import { address } from './api/client'
import type { List, ServiceItem, Status } from './api/types'
import { useAnswer } from './api/use'
import { ChangesPage } from './changes/changes_page'
import { page, route } from './base/route'
import { EntityPage } from './flows/entity_page'
import { FlowPage } from './flows/flow_page'
import { FlowsPage } from './flows/flows_page'
import { Header } from './frame/header'
import { Notice, UnreachableBar } from './frame/notice'
import { Rail } from './frame/rail'
import { greeted, services, status } from './frame/state'
import { HealthPage } from './health/health_page'
import { MapPage } from './map/map_page'
import { RunPage } from './run/run_page'
import { SettingsPage } from './settings/settings_page'
import { StatusPage } from './status/status_page'
import { TracePage } from './trace/trace_page'
import { TraceDiffPage } from './trace_diff/diff_page'
import { TracesPage } from './traces/traces_page'
import { hrefTo } from './base/route'

/** The first span is to be named within a second of its coming. */
const WAITING_MS = 500
const STATUS_MS = 5000
const SERVICES_MS = 30_000
const GREETING_MS = 20_000

function useStatus(): void {
  const known = status.value
  const waiting = known !== null && known.spans.stored === 0
  const answer = useAnswer<Status>(address('status'), waiting || greeted.value ? WAITING_MS : STATUS_MS)
  const fresh = answer.data.value
  useEffect(() => {
    if (!fresh) return
    const last = fresh.last_service
    if (status.peek()?.spans.stored === 0 && fresh.spans.stored > 0) {
      greeted.value = { name: last?.name ?? 'A service', span: last?.span ?? '', at: Date.now() }
      setTimeout(() => (greeted.value = null), GREETING_MS)
    }
    status.value = fresh
  }, [fresh])
}

function useServices(): void {
  const stored = status.value?.spans.stored ?? 0
  const answer = useAnswer<List<ServiceItem>>(
    stored > 0 ? address('services', { from: '-24h', to: 'now' }) : null,
    SERVICES_MS,
  )
  const items = answer.data.value?.items
  useEffect(() => {
    if (items) services.value = items
  }, [items])
}

const TITLES: Record<string, string> = {
  map: 'Map',
  flows: 'Flows',
  entity: 'Entity',
  run: 'Run',
  traces: 'Traces',
  trace: 'Trace',
  changes: 'Changes',
  health: 'Health',
  settings: 'Settings',
  status: 'Status',
}

/** A trace, or two of them. */
function OneTrace() {
  const [id = '', verb, other = ''] = route.value.path.slice(1)
  if (verb === 'diff') return <TraceDiffPage key={`${id} ${other}`} a={id} b={other} />
  return <TracePage key={id} id={id} />
}

function Page() {
  switch (page.value) {
    case '':
    case 'map':
      return <MapPage />
    case 'traces':
      return <TracesPage />
    case 'trace':
      return <OneTrace />
    case 'flows': {
      const name = route.value.path[1]
      return name === undefined ? <FlowsPage /> : <FlowPage key={name} name={name} />
    }
    case 'run': {
      const [flow = '', id = ''] = route.value.path.slice(1)
      return <RunPage key={`${flow}\n${id}`} flow={flow} id={id} />
    }
    case 'entity':
      return <EntityPage type={route.value.path[1] ?? ''} id={route.value.path[2] ?? ''} />
    case 'changes':
      return <ChangesPage />
    case 'health':
      return <HealthPage />
    case 'settings':
      return <SettingsPage />
    case 'status':
      return <StatusPage />
    default:
      return (
        <div class="page">
          <main class="column">
            <Notice title="There is no such page">
              <p>
                <a href={hrefTo(['map'])}>To the map</a>
              </p>
            </Notice>
          </main>
        </div>
      )
  }
}

export function App() {
  useStatus()
  useServices()
  const here = page.value
  useEffect(() => {
    document.title = `${TITLES[here] ?? 'Map'} · Weft`
  }, [here])
  return (
    <div class="app">
      <Rail />
      <Header />
      <div class="body">
        <UnreachableBar />
        <Page />
      </div>
    </div>
  )
}
