// SPDX-License-Identifier: Apache-2.0
// The shapes of the native API, /api/v1. Times are RFC 3339 with nanoseconds; fields that do not apply are absent.

export interface Quantiles {
  p50_ns: number
  p90_ns: number
  p99_ns: number
}

export interface Layout {
  x: number
  y: number
  width: number
  height: number
  layer: number
}

/** `group` is the page's own: several nodes folded into one box. */
export type NodeType = 'service' | 'database' | 'table' | 'queue' | 'external' | 'flow' | 'step' | 'group'

export interface MapNode {
  id: string
  type: NodeType
  name: string
  scope?: string
  environment?: string
  namespace?: string
  system?: string
  address?: string
  collection?: string
  parent?: string
  service?: string
  labels?: Record<string, string>
  first_seen?: string
  last_seen?: string
  requests?: number
  errors?: number
  duration?: Quantiles
  layout?: Layout
  /** Of a group: the ids of what it folds. */
  members?: string[]
  /** Of a service at the level of operations: its busiest, and how many it has besides. */
  operations?: OperationItem[]
  more?: number
}

export interface Exemplar {
  trace_id: string
  start: string
  duration_ns: number
}

export interface Interval {
  first: string
  last: string
}

export type Relation =
  'calls' | 'reads' | 'writes' | 'accesses' | 'publishes' | 'consumes' | 'performs' | 'follows'

export interface MapEdge {
  id: string
  source: string
  target: string
  relation: Relation
  count: number
  errors: number
  adjusted_count?: number
  duration?: Quantiles
  server_duration?: Quantiles
  rules?: Record<string, number>
  intervals?: Interval[]
  flows?: { flow: string; step: string; count: number }[]
  /** Of an edge between groups: the edges that it sums up. */
  of?: string[]
  exemplars?: { latest?: Exemplar[]; error?: Exemplar[]; slowest?: Exemplar[] }
}

export interface Hop {
  producer: string
  queue: string
  consumer: string
  count: number
  age?: Quantiles
}

export interface MapAnswer {
  from: string
  to: string
  /** The window is wider than was asked for: minutes of long ago are not known any more. */
  widened?: boolean
  nodes: MapNode[]
  edges: MapEdge[]
  hops?: Hop[]
  truncated: { nodes: number; edges: number } | null
  complete_to?: string
  layout?: { width: number; height: number }
}

/** An event of the live map. */
export interface MapUpdate {
  snapshot: boolean
  from: string
  to: string
  complete_to: string
  nodes: MapNode[]
  edges: MapEdge[]
  hops: Hop[]
  removed: {
    nodes: string[]
    edges: string[]
    hops: { producer: string; queue: string; consumer: string }[]
  }
}

export interface DiffAnswer {
  a: { from: string; to: string }
  b: { from: string; to: string }
  widened?: boolean
  added: { nodes: MapNode[]; edges: MapEdge[] }
  removed: { nodes: MapNode[]; edges: MapEdge[] }
  changed: {
    edge: string
    what: 'rate' | 'errors' | 'latency'
    a: number
    b: number
    significance: number
    quantile?: number
    relation: Relation
    source_name: string
    target_name: string
  }[]
  truncated?: boolean
  complete_to?: string
}

export interface SeriesPoint {
  time: string
  count: number
  errors: number
  p50_ns?: number
  p99_ns?: number
}

export interface EdgeAnswer {
  edge: MapEdge
  series?: SeriesPoint[]
  /** Those that an edge to or from a queue is half of. */
  hops?: Hop[]
  /** All that are named. */
  nodes?: MapNode[]
}

export interface NodeAnswer {
  node: MapNode
  series?: SeriesPoint[]
  hops?: Hop[]
  nodes?: MapNode[]
}

export interface List<T> {
  items: T[]
  cursor?: string | null
}

export interface HistoryEdge {
  id: string
  relation: Relation
  source_name: string
  target_name: string
}

export interface HistoryNode {
  id: string
  type: NodeType
  name: string
}

export interface HistoryElements {
  nodes: HistoryNode[]
  edges: HistoryEdge[]
}

/** A step of the past; servers without history of the topology tell only the counts. */
export interface HistoryPoint {
  time: string
  requests: number
  errors: number
  nodes?: number
  edges?: number
  appeared?: HistoryElements
  vanished?: HistoryElements
  deploys?: { service: string; name: string; version: string }[]
}

export interface ServiceItem {
  name: string
  namespace?: string
  environment?: string
  scope?: string
  spans: number
  requests?: number
  errors?: number
  duration?: Quantiles
}

export interface OperationItem {
  name: string
  kind?: string
  spans?: number
  requests?: number
  errors?: number
  duration?: Quantiles
}

/** Of a service in one namespace, environment and scope. */
export interface ServiceOperations {
  name: string
  namespace: string
  environment: string
  scope: string
  /** How many it has. */
  operations: number
  busiest: OperationItem[]
}

export interface TraceItem {
  trace_id: string
  root_service?: string
  root_name?: string
  start: string
  duration_ns: number
  spans: number
  errors: number
  orphans: number
  services: { name: string; spans: number }[]
}

export interface TraceList extends List<TraceItem> {
  truncated?: boolean
  scanned_spans?: number
}

export interface AnyValue {
  stringValue?: string
  boolValue?: boolean
  intValue?: string | number
  doubleValue?: number | string
  bytesValue?: string
  arrayValue?: { values?: AnyValue[] }
  kvlistValue?: { values?: KeyValue[] }
}

export interface KeyValue {
  key: string
  value?: AnyValue
}

export interface SpanEvent {
  time: string
  name: string
  attributes?: KeyValue[]
}

export interface SpanLink {
  trace_id: string
  span_id: string
  trace_state?: string
  attributes?: KeyValue[]
}

export interface OnMap {
  edge: string
  relation: Relation
  source: string
  target: string
  source_name: string
  target_name: string
}

/** A span with all that it came with. */
export interface Span {
  trace_id: string
  span_id: string
  parent_span_id?: string
  name: string
  kind?: string
  start: string
  duration_ns: number
  status?: { code?: string; message?: string }
  trace_state?: string
  flags?: number
  attributes?: KeyValue[]
  resource?: { attributes?: KeyValue[] }
  scope?: { name?: string; version?: string; attributes?: KeyValue[] }
  events?: SpanEvent[]
  links?: SpanLink[]
}

/** What there is to say of a trace besides its spans. */
export interface TraceHead {
  trace_id: string
  start: string
  duration_ns: number
  errors: number
  orphans: number
  truncated?: { reason: string; message: string } | null
  services: { name: string; spans: number; errors: number }[]
}

export interface AttributeItem {
  key: string
  level: 'span' | 'resource'
  count: number
}

export interface ValueItem {
  value: string
  count: number
}

export interface Status {
  version: string
  uptime_ns: number
  now: string
  spans: {
    stored: number
    oldest?: string | null
    newest?: string | null
    received?: number
    rejected?: number
    rate_per_s?: number
  }
  bytes?: { stored?: number; blocks?: number; tables?: number; log?: number; head?: number }
  map?: { nodes?: number; edges?: number; open_traces?: number; complete_to?: string }
  drops?: { reason: string; count: number }[]
  queues?: { name: string; depth: number; max: number }[]
  disk?: { free_bytes: number; total_bytes: number }
  endpoints?: { otlp_grpc?: number; otlp_http?: number; zipkin?: number }
  memory_bytes?: number
  last_service?: { name: string; span?: string; time?: string } | null
  requests?: { metrics?: number; logs?: number }
}

export interface ContractItem {
  code: string
  subject: string
  /** The subject's id on the map. */
  node?: string
  type?: string
  scope?: string
  environment?: string
  count: number
  /** Of so many of the service, where a share matters. */
  spans?: number
  example_trace?: string | null
  what_to_change: string
}

export interface Mapping {
  pattern: string
  type: string
  name: string
  source?: 'configuration' | 'saved'
}

export interface MappingsAnswer {
  version: number
  items: Mapping[]
}

export interface MappingPreview {
  added: { nodes: MapNode[]; edges: MapEdge[] }
  removed: { nodes: MapNode[]; edges: MapEdge[] }
  mappings: (Mapping & { names: string[]; names_total: number; calls: number })[]
}

export interface Position {
  node: string
  /** Null lets the node go where the layout wants it. */
  x: number | null
  y: number | null
}
