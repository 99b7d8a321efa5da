// SPDX-License-Identifier: Apache-2.0
// Which databases the reader has opened or folded: part of the address.
import { param, set } from '../base/route'

export function turnedTables(): string {
  return param('tables') ?? ''
}

export function turnTables(database: string): void {
  const turned = new Set(
    turnedTables()
      .split(',')
      .filter((id) => id !== ''),
  )
  if (!turned.delete(database)) turned.add(database)
  set({ tables: [...turned].join(',') }, true)
}
