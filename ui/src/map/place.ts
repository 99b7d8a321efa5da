// SPDX-License-Identifier: Apache-2.0
// Environment and scope, as chosen in the header. An empty value in the API means "those without one"; in the
// page's address that is written '-', so that it can be told from no choice.
import { page, param } from '../base/route'

export function placeParams(): Record<string, string> {
  const out: Record<string, string> = {}
  const env = param('env')
  const scope = param('scope')
  if (env !== null) out['environment'] = env === '-' ? '' : env
  if (scope !== null) out['scope'] = scope === '-' ? '' : scope
  // On the map a flow narrows the picture; elsewhere it is a part of the path.
  const flow = param('flow')
  if (flow !== null && page.value !== 'flows') out['flow'] = flow
  return out
}
