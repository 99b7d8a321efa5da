// SPDX-License-Identifier: Apache-2.0
// A pinned panel stays when one clicks beside what it is about, or presses Escape: part of the address.
import { param } from '../base/route'

export function panelPinned(): boolean {
  return param('pin') === '1'
}
