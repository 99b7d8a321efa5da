// SPDX-License-Identifier: Apache-2.0
// The address of a run's waterfall.
import { hrefTo, param, type Patch } from '../base/route'

/** What tells the flow of something found from others of its name, whatever the header has chosen. */
export function flowPlace(of: { environment: string; scope: string; defined?: boolean }): Patch {
  return {
    env: of.environment === '' ? '-' : of.environment,
    scope: of.scope === '' ? null : of.scope,
    defined: String(of.defined === true),
  }
}

export function runHref(flow: string, runId: string, patch: Patch = {}): string {
  const defined = param('defined')
  return hrefTo(['run', flow, runId], { ...(defined === null ? {} : { defined }), ...patch })
}
