// SPDX-License-Identifier: Apache-2.0
// The address of a run's waterfall.
import { hrefTo, param, type Patch } from '../base/route'

export function runHref(flow: string, runId: string, patch: Patch = {}): string {
  const defined = param('defined')
  return hrefTo(['run', flow, runId], { ...(defined === null ? {} : { defined }), ...patch })
}
