// SPDX-License-Identifier: Apache-2.0
// What the whole frame knows of the server: its status, its services, the last map that was shown.
import { signal } from '@preact/signals'
import type { MapAnswer, ServiceItem, Status } from '../api/types'

export const status = signal<Status | null>(null)
export const services = signal<ServiceItem[]>([])
export const shownMap = signal<MapAnswer | null>(null)

/** The service whose first span came while the page was waiting for it. */
export const greeted = signal<{ name: string; span: string; at: number } | null>(null)
