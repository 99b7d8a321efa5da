// SPDX-License-Identifier: Apache-2.0
// The list of mappings while it is edited: what was read, what it has become, what it would change.
import { signal } from '@preact/signals'
import { ApiError, address, get, problemOf, send, type Unreachable } from '../api/client'
import type { Mapping, MappingPreview, MappingsAnswer } from '../api/types'
import { timeWindow, windowParams } from '../base/window'

export interface Draft extends Mapping {
  /** Stays with the row while it moves. */
  key: number
}

export interface Editor {
  version: number
  rows: Draft[]
  changed: boolean
}

export const editor = signal<Editor | null>(null)
export const preview = signal<MappingPreview | null>(null)
export const problem = signal<ApiError | Unreachable | null>(null)
export const saved = signal(false)

const PREVIEW_AFTER_MS = 400
let nextKey = 1
let timer: ReturnType<typeof setTimeout> | undefined

function take(answer: MappingsAnswer): void {
  editor.value = {
    version: answer.version,
    rows: answer.items.map((item) => ({ ...item, key: nextKey++ })),
    changed: false,
  }
}

/** What is sent: rows of the configuration are not ours to save. */
function body(rows: Draft[], version?: number) {
  return {
    ...(version === undefined ? {} : { version }),
    items: rows
      .filter((row) => row.source !== 'configuration' && row.pattern.trim() !== '' && row.name.trim() !== '')
      .map(({ pattern, type, name }) => ({ pattern, type, name })),
  }
}

export async function load(): Promise<void> {
  try {
    const answer = await get<MappingsAnswer>(address('mappings'))
    clearTimeout(timer)
    problem.value = null
    take(answer)
    await look()
  } catch (error) {
    problem.value = problemOf(error)
  }
}

export function isConflict(): boolean {
  const error = problem.value
  return error instanceof ApiError && error.status === 409
}

async function look(): Promise<void> {
  const now = editor.value
  if (!now) return
  try {
    const url = address('mappings/preview', windowParams(timeWindow.value))
    preview.value = await send<MappingPreview>('POST', url, body(now.rows))
    // A preview that works says nothing about a save that did not.
    if (!isConflict()) problem.value = null
  } catch (error) {
    preview.value = null
    problem.value = problemOf(error)
  }
}

function change(rows: Draft[]): void {
  const now = editor.value
  if (!now) return
  editor.value = { ...now, rows, changed: true }
  saved.value = false
  clearTimeout(timer)
  timer = setTimeout(() => void look(), PREVIEW_AFTER_MS)
}

export function edit(key: number, patch: Partial<Mapping>): void {
  change((editor.value?.rows ?? []).map((row) => (row.key === key ? { ...row, ...patch } : row)))
}

export function remove(key: number): void {
  change((editor.value?.rows ?? []).filter((row) => row.key !== key))
}

export function add(pattern = ''): void {
  const row: Draft = { key: nextKey++, pattern, type: 'service', name: '', source: 'saved' }
  change([...(editor.value?.rows ?? []), row])
}

/** The first that matches decides, so order is part of the meaning. */
export function move(key: number, by: -1 | 1): void {
  const rows = [...(editor.value?.rows ?? [])]
  const at = rows.findIndex((row) => row.key === key)
  const other = rows[at + by]
  const row = rows[at]
  if (!row || !other || other.source === 'configuration') return
  rows[at] = other
  rows[at + by] = row
  change(rows)
}

export async function save(): Promise<void> {
  const now = editor.value
  if (!now) return
  clearTimeout(timer)
  try {
    take(await send<MappingsAnswer>('PUT', address('mappings'), body(now.rows, now.version)))
    saved.value = true
    problem.value = null
    await look()
  } catch (error) {
    problem.value = problemOf(error)
  }
}
