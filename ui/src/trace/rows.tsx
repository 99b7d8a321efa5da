// SPDX-License-Identifier: Apache-2.0
// One row of the tree, as DOM: the canvas lies above it and only adds pictures.
import { ErrorIcon, LinkIcon } from '../frame/icons'
import type { Row } from './model'
import { ROW, TREE_LEFT } from './paint'
import { exact, duration, shortId } from '../base/format'

interface Props {
  row: Row
  at: number
  indent: number
  selected: boolean
  folded: boolean
  colour: string
  nameWidth: number
  onSelect: (row: Row) => void
  onFold: (row: Row) => void
}

function Fold({ folded }: { folded: boolean }) {
  return (
    <svg
      class={folded ? 'fold folded' : 'fold'}
      width="12"
      height="12"
      viewBox="0 0 12 12"
      aria-hidden="true"
    >
      <path
        d="M2.5 4.5L6 8l3.5-3.5"
        fill="none"
        stroke="currentColor"
        stroke-width="1.3"
        stroke-linecap="round"
      />
    </svg>
  )
}

/** The step that the span is, else the colour of its service; a whole trace has neither. */
function Mark({ row, colour }: { row: Row; colour: string }) {
  if (row.head) return null
  if (!row.step) return <span class="tree-mark" style={{ background: colour }} />
  return (
    <span class={row.step.again ? 'tree-step again' : 'tree-step'} title={`Step ${row.step.name}`}>
      {row.step.number}
    </span>
  )
}

function Icons({ row }: { row: Row }) {
  return (
    <>
      {row.span.links.length > 0 && (
        <span class="tree-icon" title="Has links">
          <LinkIcon />
        </span>
      )}
      {row.error && (
        <span class="tree-icon bad">
          <ErrorIcon />
        </span>
      )}
    </>
  )
}

export function TreeRow({ row, at, indent, selected, folded, colour, nameWidth, onSelect, onFold }: Props) {
  const { span } = row
  const children = row.end - row.index - 1
  const about = [row.error ? 'error' : '', span.orphan ? 'orphan' : '', duration(span.duration)].filter(
    (part) => part !== '',
  )
  return (
    <div
      id={`row-${span.span_id}-${row.index}`}
      role="treeitem"
      class={`tree-row ${selected ? 'selected' : ''} ${row.error ? 'error' : ''} ${row.head ? 'head' : ''}`}
      aria-level={row.depth + 1}
      aria-selected={selected}
      aria-label={`${row.step ? `step ${row.step.number}, ` : ''}${span.service} ${span.name}, ${about.join(', ')}`}
      {...(children > 0 ? { 'aria-expanded': !folded } : {})}
      style={{ transform: `translateY(${at * ROW}px)` }}
      onClick={() => {
        onSelect(row)
      }}
    >
      <div
        class="tree-name"
        style={{ width: `${nameWidth}px`, paddingLeft: `${TREE_LEFT + row.depth * indent}px` }}
      >
        <span
          class="tree-fold"
          onClick={(event) => {
            if (children === 0) return
            event.stopPropagation()
            onFold(row)
          }}
        >
          {children > 0 && <Fold folded={folded} />}
        </span>
        <Mark row={row} colour={colour} />
        <span class="tree-text" title={`${span.service} ${span.name}`}>
          <strong>{span.service}</strong> <span class="tree-operation">{span.name}</span>
          {row.note !== '' && <small> {row.note}</small>}
          {row.head && <small class="mono"> {shortId(span.trace_id)}</small>}
          {folded && children > 0 && <small> {exact(children)} hidden</small>}
          {span.orphan && <small> parent missing</small>}
        </span>
        <Icons row={row} />
      </div>
    </div>
  )
}
