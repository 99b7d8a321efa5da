// SPDX-License-Identifier: Apache-2.0
// Which runs did otherwise than expected, where and how: the variant chosen is what is expected, else the commonest.
import { address } from '../api/client'
import { useAnswer } from '../api/use'
import { exact, plural, share } from '../base/format'
import { param } from '../base/route'
import { timeWindow, windowParams } from '../base/window'
import { Row, Section } from '../frame/panel'
import { placeParams } from '../map/place'
import type { Conformance } from './types'

const LIVE_MS = 10_000
const SHOWN = 8

export function Expected({ name, runs }: { name: string; runs: number }) {
  const window = timeWindow.value
  const variant = param('variant')
  const answer = useAnswer<Conformance>(
    address(`flows/${encodeURIComponent(name)}/conformance`, {
      ...windowParams(window),
      ...placeParams(),
      variant,
    }),
    window.live ? LIVE_MS : null,
  )
  const found = answer.data.value
  if (!found || found.conforming + found.deviating === 0) return null
  const checked = found.conforming + found.deviating
  return (
    <Section title="As expected" note={variant === null ? 'against the commonest' : 'against the one chosen'}>
      <Row
        left={`${plural(found.conforming, 'run')} of ${exact(checked)}`}
        right={share(found.conforming, checked)}
        title={found.expected.join(' › ')}
      />
      {(found.parallel ?? []).length > 0 && (
        <p class="muted">
          In any order: {(found.parallel ?? []).map((pair) => pair.join(' and ')).join(', ')}
        </p>
      )}
      {found.deviations.slice(0, SHOWN).map((deviation) => (
        <Row
          key={`${deviation.kind} ${deviation.step}`}
          left={
            <>
              {deviation.step} <span class="muted">{deviation.kind}</span>
            </>
          }
          right={share(deviation.runs, Math.max(runs, checked))}
          title={`${plural(deviation.runs, 'run')} in ${plural(deviation.variants, 'variant')}`}
        />
      ))}
      {found.unchecked > 0 && (
        <p class="muted">{plural(found.unchecked, 'run')} of rare variants not checked</p>
      )}
    </Section>
  )
}
