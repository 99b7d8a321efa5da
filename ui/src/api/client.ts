// SPDX-License-Identifier: Apache-2.0
// Asks the server. Addresses are relative to the page, so that it works below any path of a proxy.
import { signal } from '@preact/signals'

export type Params = Record<string, string | number | boolean | null | undefined>

/** The server answered, and said no. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message)
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('The server does not answer.')
  }
}

/** The answer is larger than was wanted; nothing of it was read. */
export class TooLarge extends Error {}

/** Since when (ms) no request has been answered; null while all is well. */
export const unreachableSince = signal<number | null>(null)

/** Spells an address. Null and undefined are left out; an empty text is a value. */
export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined) query.set(key, String(value))
  }
  const text = query.toString()
  return `api/v1/${path}${text === '' ? '' : `?${text}`}`
}

interface ErrorBody {
  error?: { code?: string; message?: string; hint?: string }
}

async function refusal(response: Response): Promise<ApiError> {
  let body: ErrorBody = {}
  try {
    body = (await response.json()) as ErrorBody
  } catch {
    // A proxy's page, not ours: the status has to do.
  }
  const error = body.error ?? {}
  return new ApiError(
    response.status,
    error.code ?? `http_${response.status}`,
    error.message ?? `The server answered ${response.status}.`,
    error.hint ?? '',
  )
}

async function ask<T>(url: string, init: RequestInit, abort?: AbortSignal, most = Infinity): Promise<T> {
  let response: Response
  try {
    response = await fetch(url, { ...init, ...(abort ? { signal: abort } : {}) })
  } catch (error) {
    if (abort?.aborted) throw error
    unreachableSince.value ??= Date.now()
    throw new Unreachable()
  }
  if (response.status === 502 || response.status === 504) {
    unreachableSince.value ??= Date.now()
    throw new Unreachable()
  }
  unreachableSince.value = null
  if (!response.ok) throw await refusal(response)
  if (Number(response.headers.get('content-length') ?? 0) > most) {
    await response.body?.cancel()
    throw new TooLarge()
  }
  return (await response.json()) as T
}

/** `most`: bytes of the answer beyond which it is not read (TooLarge). */
export function get<T>(url: string, abort?: AbortSignal, most?: number): Promise<T> {
  return ask<T>(url, { headers: { accept: 'application/json' } }, abort, most)
}

/** Saves something (PUT), asks with a body (POST), or takes away (DELETE, without one). */
export function send<T>(method: 'PUT' | 'POST' | 'DELETE', url: string, body?: unknown): Promise<T> {
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  return ask<T>(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}

/** What went wrong, as one of the two kinds that people are told. */
export function problemOf(error: unknown): ApiError | Unreachable {
  if (error instanceof ApiError || error instanceof Unreachable) return error
  return new ApiError(0, 'bad_answer', `The answer could not be read: ${String(error)}`, '')
}
