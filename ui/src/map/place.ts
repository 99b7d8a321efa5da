// SPDX-License-Identifier: Apache-2.0
// Environment and scope, as chosen in the header. An empty value in the API means "those without one"; in the
// page's address that is written '-', so that it can be told from no choice.
import { param } from '../base/route'

export function placeParams(): Record<string, string> {
  const out: Record<string, string> = {}
  const env = param('env')
  const scope = param('scope')
  if (env !== null) out['environment'] = env === '-' ? '' : env
  if (scope !== null) out['scope'] = scope === '-' ? '' : scope
  return out
}

/** What the map is asked for besides: a flow narrows it to what was done for that flow, in the system's own nodes. */
export function mapParams(): Record<string, string> {
  const flow = param('flow')
  const narrowed = flow === null ? {} : { flow, type: 'service,database,table,queue,external' }
  return { ...placeParams(), ...narrowed }
}
