// SPDX-License-Identifier: Apache-2.0
// How each type of node looks. All in grey ink on paper; only the selected one has colour.
import type { MapNode } from '../api/types'
import { duration, plural } from '../base/format'
import { OPERATION_HEIGHT, OPERATIONS_TOP } from './operations'
import { amount, type Box, type Marks, type Scene } from './scene'
import { cut, fit, textWidth } from './text'

/** Beside a table's name there is room for little: the number, below one with two digits. */
function shortRate(text: string): string {
  const [, number = '', rest = ''] = /^([\d.]+)(.*?)(?:\/min| spans?)$/.exec(text) ?? []
  if (number === '') return text
  return Number(number) < 1 && rest === '' ? String(Number(Number(number).toPrecision(2))) : number + rest
}

export function rateOfNode(scene: Scene, id: string): string {
  const traffic = scene.traffic.get(id)
  return traffic === undefined ? '' : amount(scene, traffic)
}

interface FittedProps {
  class: string
  x: number
  y: number
  width: number
  text: string
  weight: number
}

function Fitted({ class: name, x, y, width, text, weight }: FittedProps) {
  const fitted = fit(text, width, 13, weight)
  return (
    <text
      class={name}
      x={x}
      y={y}
      textLength={fitted.textLength}
      lengthAdjust={fitted.textLength === undefined ? undefined : 'spacingAndGlyphs'}
    >
      {fitted.text}
    </text>
  )
}

function Name({ box, y, text, right = 8 }: { box: Box; y: number; text: string; right?: number }) {
  return (
    <Fitted class="node-name" x={box.x + 12} y={y} width={box.width - 12 - right} text={text} weight={600} />
  )
}

function Sub({ box, y, text }: { box: Box; y: number; text: string }) {
  return (
    <text class="node-sub" x={box.x + 12} y={y}>
      {cut(text, box.width - 20, 11)}
    </text>
  )
}

const EYE = 'M-5 0Q0-5.5 5 0Q0 5.5-5 0ZM-1.6 0a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0-3.2 0'
const PEN = 'M-4.5 4.5l.8-3L2.3-4.5l2.2 2.2-6 6zM.9-3.1l2.2 2.2'

/** Eye: read. Pen: written. Always in the same two columns. */
function MarksAt({ x, y, marks }: { x: number; y: number; marks: Marks | undefined }) {
  if (!marks) return null
  return (
    <g class="node-marks">
      {marks.reads && <path d={EYE} transform={`translate(${x - 17} ${y})`} />}
      {marks.writes && <path d={PEN} transform={`translate(${x} ${y})`} />}
    </g>
  )
}

function OperationRow({ box, scene, at }: { box: Box; scene: Scene; at: number }) {
  const item = box.node.operations?.[at]
  if (!item) return null
  const y = box.y + OPERATIONS_TOP + at * OPERATION_HEIGHT
  const bad = (item.errors ?? 0) / Math.max(1, item.requests ?? 0) >= 0.005
  const sub = amount(scene, item.requests ?? 0).replace(/\/min$/, '')
  return (
    <g class="operation-row">
      <path class="table-line" d={`M${box.x} ${y}h${box.width}`} />
      <text class="node-sub" x={box.x + 12} y={y + 14}>
        {cut(item.name, box.width - 60, 11)}
      </text>
      <text class={bad ? 'node-sub end bad' : 'node-sub end'} x={box.x + box.width - 10} y={y + 14}>
        {sub}
      </text>
      <title>{`${item.name}: ${amount(scene, item.requests ?? 0)}${item.duration ? `, p99 ${duration(item.duration.p99_ns)}` : ''}`}</title>
    </g>
  )
}

function Service({ box, scene }: { box: Box; scene: Scene }) {
  const { operations, more = 0 } = box.node
  const middle = box.y + (operations ? OPERATIONS_TOP / 2 : box.height / 2)
  const last = box.y + OPERATIONS_TOP + (operations?.length ?? 0) * OPERATION_HEIGHT
  return (
    <>
      <rect class="node-shape" x={box.x} y={box.y} width={box.width} height={box.height} rx={6} />
      <Name box={box} y={middle - 3} text={box.node.name} />
      <Sub box={box} y={middle + 13} text={rateOfNode(scene, box.node.id)} />
      {operations?.map((item, at) => (
        <OperationRow key={`${item.name} ${item.kind ?? ''}`} box={box} scene={scene} at={at} />
      ))}
      {more > 0 && (
        <text class="node-sub" x={box.x + 12} y={last + 14}>
          {`and ${more} more`}
        </text>
      )}
    </>
  )
}

function External({ box, scene }: { box: Box; scene: Scene }) {
  const middle = box.y + box.height / 2
  const sub =
    box.node.address !== undefined && box.node.address !== box.node.name
      ? box.node.address
      : rateOfNode(scene, box.node.id)
  return (
    <>
      <rect class="node-shape dashed" x={box.x} y={box.y} width={box.width} height={box.height} rx={6} />
      <Name box={box} y={middle - 3} text={box.node.name} />
      <Sub box={box} y={middle + 13} text={sub} />
    </>
  )
}

function cylinder({ x, y, width, height }: Box): string {
  const cap = Math.min(7, height / 6)
  const r = width / 2
  return `M${x} ${y + cap}A${r} ${cap} 0 0 1 ${x + width} ${y + cap}V${y + height - cap}A${r} ${cap} 0 0 1 ${x} ${y + height - cap}Z`
}

function lid({ x, y, width, height }: Box): string {
  const cap = Math.min(7, height / 6)
  return `M${x} ${y + cap}A${width / 2} ${cap} 0 0 0 ${x + width} ${y + cap}`
}

function TableRow({
  box,
  table,
  scene,
  selected,
}: {
  box: Box
  table: MapNode
  scene: Scene
  selected: boolean
}) {
  const at = table.layout
  if (!at) return null
  const middle = at.y + at.height / 2
  const count = shortRate(rateOfNode(scene, table.id))
  const marksRoom = 44
  return (
    <g class={`table-row ${selected ? 'selected' : ''}`} data-node={table.id}>
      <rect class="table-hit" x={box.x + 0.5} y={at.y} width={box.width - 1} height={at.height} />
      <path class="table-line" d={`M${box.x} ${at.y}h${box.width}`} />
      <Fitted
        class="table-name"
        x={box.x + 12}
        y={middle + 4.5}
        width={box.width - 12 - marksRoom - Math.max(34, textWidth(count, 11) + 9)}
        text={table.name}
        weight={400}
      />
      <text class="node-sub end" x={box.x + box.width - marksRoom - 3} y={middle + 4}>
        {count}
      </text>
      <MarksAt x={box.x + box.width - 17} y={middle} marks={scene.marks.get(table.id)} />
    </g>
  )
}

/** Folds the tables into the box or opens them: a small button in its corner. */
function TablesToggle({ box, y }: { box: Box; y: number }) {
  const open = box.tables.length > 0
  const x = box.x + box.width - 12
  return (
    <g class="tables-toggle" data-tables={box.node.id}>
      <rect class="node-hit" x={x - 12} y={y - 12} width={24} height={24} />
      <path d={open ? 'M-3.5 2L0-1.5L3.5 2' : 'M-3.5-2L0 1.5L3.5-2'} transform={`translate(${x} ${y})`} />
      <title>{open ? 'Fold the tables' : 'Show the tables'}</title>
    </g>
  )
}

function Group({ box, scene }: { box: Box; scene: Scene }) {
  const { x, y, width, height } = box
  const count = box.node.members?.length ?? 0
  return (
    <>
      <rect class="node-shape" x={x + 6} y={y - 6} width={width - 12} height={height} rx={6} />
      <rect class="node-shape" x={x + 3} y={y - 3} width={width - 6} height={height} rx={6} />
      <rect class="node-shape" x={x} y={y} width={width} height={height} rx={6} />
      <Name box={box} y={y + height / 2 - 3} text={box.node.name} />
      <Sub box={box} y={y + height / 2 + 13} text={`${count} nodes · ${rateOfNode(scene, box.node.id)}`} />
    </>
  )
}

function foldedSub(box: Box, scene: Scene): string {
  const traffic = rateOfNode(scene, box.node.id)
  return box.folded > 0 ? `${plural(box.folded, 'table')} · ${traffic}` : traffic
}

function Database({ box, scene, selection }: { box: Box; scene: Scene; selection: string | null }) {
  const listed = box.tables.filter((table) => table.layout)
  const top = listed[0]?.layout?.y
  const system = box.node.system ?? ''
  // Below the lid, and above the first table if there is one.
  const middle = (box.y + 7 + (top ?? box.y + box.height)) / 2
  const title = box.node.name === '' ? system : box.node.name
  return (
    <>
      <path class="node-shape" d={cylinder(box)} />
      <path class="node-lid" d={lid(box)} />
      {top === undefined ? (
        <>
          <Name box={box} y={middle - 3} text={title} right={box.folded > 0 ? 62 : 48} />
          {box.folded > 0 && <TablesToggle box={box} y={middle} />}
          <Sub box={box} y={middle + 13} text={foldedSub(box, scene)} />
          <MarksAt
            x={box.x + box.width - (box.folded > 0 ? 32 : 17)}
            y={middle}
            marks={scene.marks.get(box.node.id)}
          />
        </>
      ) : (
        <>
          <Name box={box} y={middle + 5} text={title} right={82} />
          <TablesToggle box={box} y={middle} />
          {system !== title && (
            <text class="node-sub end" x={box.x + box.width - 25} y={middle + 4.5}>
              {cut(system, 64, 11)}
            </text>
          )}
          {listed.map((table) => (
            <TableRow
              key={table.id}
              box={box}
              table={table}
              scene={scene}
              selected={selection === table.id}
            />
          ))}
        </>
      )}
    </>
  )
}

const PIPE = 22

function Queue({ box, scene }: { box: Box; scene: Scene }) {
  const { x, width } = box
  const middle = box.y + box.height / 2
  const half = PIPE / 2
  const cap = 5
  const pipe = `M${x + cap} ${middle - half}H${x + width - cap}A${cap} ${half} 0 0 1 ${x + width - cap} ${middle + half}H${x + cap}A${cap} ${half} 0 0 1 ${x + cap} ${middle - half}Z`
  const mouth = `M${x + width - cap} ${middle - half}A${cap} ${half} 0 0 0 ${x + width - cap} ${middle + half}`
  const ages = (scene.hops.get(box.node.id) ?? []).map((hop) => hop.age?.p50_ns ?? 0)
  const age = ages.length > 0 ? ` · age ${duration(Math.max(...ages))}` : ''
  return (
    <>
      <rect class="node-hit" x={x} y={middle - 34} width={width} height={66} />
      <path class="node-shape" d={pipe} />
      <path class="line queue" d={`M${x} ${middle}H${x + width - cap * 2}`} />
      <path class="line queue-core" d={`M${x} ${middle}H${x + width - cap * 2}`} />
      <path class="node-shape" d={`${mouth}A${cap} ${half} 0 0 0 ${x + width - cap} ${middle - half}`} />
      <path class="line queue" d={`M${x + width - cap} ${middle}h${cap}`} />
      <path class="line queue-core" d={`M${x + width - cap} ${middle}h${cap}`} />
      <Fitted
        class="node-name"
        x={x + 2}
        y={middle - 18}
        width={width - 46}
        text={box.node.name}
        weight={600}
      />
      <text class="node-sub end" x={x + width - 2} y={middle - 18}>
        {cut(box.node.system ?? '', 44, 11)}
      </text>
      <text class="node-sub" x={x + 2} y={middle + 26}>
        {rateOfNode(scene, box.node.id)}
        {age}
      </text>
    </>
  )
}

export function Shape({ box, scene, selection }: { box: Box; scene: Scene; selection: string | null }) {
  switch (box.node.type) {
    case 'database':
      return <Database box={box} scene={scene} selection={selection} />
    case 'queue':
      return <Queue box={box} scene={scene} />
    case 'group':
      return <Group box={box} scene={scene} />
    case 'external':
      return <External box={box} scene={scene} />
    default:
      return <Service box={box} scene={scene} />
  }
}
