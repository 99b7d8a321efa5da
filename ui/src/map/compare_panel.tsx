// SPDX-License-Identifier: Apache-2.0
// The list beside the comparison: every change, what matters most first, each a link into the picture.
import { exact, plural } from '../base/format'
import { hrefTo, hrefWith, param, set } from '../base/route'
import { span } from '../base/time'
import { pinnedPatch } from '../base/window'
import { Panel, Row, Section } from '../frame/panel'
import {
  deploysBetween,
  stopComparing,
  type Change,
  type ChangeKind,
  type Comparison,
  type Stretch,
} from './compare'

const MARKS: Record<ChangeKind, string> = {
  new: '+',
  gone: '−',
  failing: '▲',
  recovered: '▼',
  slower: '▲',
  faster: '▼',
  busier: '▲',
  quieter: '▼',
}

function Item({ change }: { change: Change }) {
  const chosen = change.edge !== null ? param('edge') === change.edge : param('node') === change.node
  return (
    <li>
      <a
        class={`change ${change.kind} ${chosen ? 'chosen' : ''}`}
        href={hrefWith({ edge: change.edge, node: change.node })}
        aria-current={chosen ? 'true' : undefined}
      >
        <span class="change-mark" aria-hidden="true">
          {MARKS[change.kind]}
        </span>
        <span class="change-title">{change.title}</span>
        <strong class="change-delta">{change.delta}</strong>
        <span class="change-what">
          {change.relation !== null && change.relation !== change.what
            ? `${change.what} · ${change.relation}`
            : change.what}
        </span>
        <span class="change-detail">{change.detail}</span>
      </a>
    </li>
  )
}

function flowsTouched({ changes, before, after }: Comparison): { flow: string; step: string }[] {
  const changed = new Set(changes.map((change) => change.edge))
  const seen = new Map<string, { flow: string; step: string }>()
  for (const edge of [...after.edges, ...before.edges]) {
    if (!changed.has(edge.id)) continue
    for (const { flow, step } of edge.flows ?? []) seen.set(`${flow}\n${step}`, { flow, step })
  }
  return [...seen.values()].slice(0, 12)
}

function Windows({ a, b }: { a: Stretch; b: Stretch }) {
  const swap = () => {
    set({
      vs: `${new Date(b.from).toISOString()},${new Date(b.to).toISOString()}`,
      ...pinnedPatch(a.from, a.to),
    })
  }
  return (
    <Section>
      {(
        [
          ['a', 'A', a],
          ['b', 'B', b],
        ] as const
      ).map(([name, text, stretch]) => (
        <div class="row" key={name}>
          <span class="row-left">
            <span class={`window-mark ${name}`}>{text}</span> {span(stretch.from, stretch.to)}
          </span>
          <a
            class="row-right"
            href={hrefTo(['map'], {
              ...pinnedPatch(stretch.from, stretch.to),
              edge: param('edge'),
              node: param('node'),
            })}
          >
            open
          </a>
        </div>
      ))}
      <div class="panel-actions">
        <button class="control" onClick={swap}>
          Swap
        </button>
        <button class="control" onClick={stopComparing}>
          Stop comparing
        </button>
      </div>
    </Section>
  )
}

export function ComparePanel({ comparison, a, b }: { comparison: Comparison; a: Stretch; b: Stretch }) {
  const { changes, compared } = comparison
  const changedEdges = new Set(changes.map((change) => change.edge)).size
  const deploys = deploysBetween(comparison)
  const flows = flowsTouched(comparison)
  return (
    <Panel
      title={plural(changes.length, 'change')}
      label="Changes between A and B"
      sub={`${plural(compared, 'edge')} compared, ${exact(Math.max(0, compared - changedEdges))} within their usual range`}
      onClose={stopComparing}
    >
      <Windows a={a} b={b} />
      {changes.length === 0 && (
        <Section>
          <p>Nothing that these windows can prove has changed.</p>
          <p class="muted">Longer windows prove smaller changes.</p>
        </Section>
      )}
      <ol class="changes-list">
        {changes.map((change) => (
          <Item key={change.key} change={change} />
        ))}
      </ol>
      {changes.length > 0 && (
        <Section>
          <p class="muted">Shown: what came and went, and differences that the data can prove at 99 %.</p>
        </Section>
      )}
      {flows.length > 0 && (
        <Section title="Flows touched">
          {flows.map(({ flow, step }) => (
            <Row key={`${flow} ${step}`} left={<a href={hrefTo(['flows', flow])}>{flow}</a>} right={step} />
          ))}
        </Section>
      )}
      {deploys.length > 0 && (
        <Section title="Deployed between A and B">
          {deploys.map((deploy) => (
            <Row key={deploy.service} left={deploy.service} right={`${deploy.was} → ${deploy.is}`} />
          ))}
        </Section>
      )}
    </Panel>
  )
}
