// SPDX-License-Identifier: Apache-2.0
// Which of the services of a name sent a span, by the span's resource, as the map tells them apart.
import type { KeyValue } from '../api/types'
import { valueText } from './values'

const ENVIRONMENT = ['deployment.environment.name', 'deployment.environment']
const SCOPE = [
  'coordimap.scope_id',
  'k8s.cluster.uid',
  'cloud.account.id',
  'cloud.project.number',
  'db.postgresql.system_identifier',
]
const NO_SCOPE = 'default'

export interface Place {
  namespace: string
  environment: string
  scope: string
}

export function placeOf(resource: KeyValue[]): Place {
  const first = (keys: string[]) =>
    keys
      .map((key) => valueText(resource.find((pair) => pair.key === key)?.value))
      .find((text) => text !== '') ?? ''
  const scope = first(SCOPE)
  return {
    namespace: first(['service.namespace']),
    environment: first(ENVIRONMENT),
    scope: scope === '' ? NO_SCOPE : scope,
  }
}
