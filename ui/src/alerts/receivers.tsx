// SPDX-License-Identifier: Apache-2.0
// Who is told, and whether that works. Receivers have addresses and perhaps secrets: they live in the configuration.
import { useSignal } from '@preact/signals'
import { address, problemOf, send } from '../api/client'
import { duration } from '../base/format'
import { CopyButton } from '../frame/notice'
import type { TestAnswer } from './types'

const EXAMPLE = 'extensions: {weft_alerts: {receivers: "ops https://hooks.example/weft"}}'

interface Result {
  good: boolean
  text: string
}

async function tried(receiver: string): Promise<Result> {
  try {
    const answer = await send<TestAnswer>('POST', address('alerts/test'), { receiver })
    const took = ` in ${duration(answer.duration_ns)}`
    if (answer.delivered) return { good: true, text: `took the test, ${answer.status}${took}` }
    const why = answer.answer.slice(0, 200)
    return { good: false, text: answer.status === 0 ? why : `answered ${answer.status}${took}: ${why}` }
  } catch (error) {
    return { good: false, text: problemOf(error).message }
  }
}

function Receiver({ name }: { name: string }) {
  const result = useSignal<Result | null>(null)
  const busy = useSignal(false)
  const test = async () => {
    busy.value = true
    result.value = await tried(name)
    busy.value = false
  }
  return (
    <li class="rule-item">
      <strong>{name}</strong>
      <span class={result.value?.good === false ? 'bad' : 'muted'} aria-live="polite">
        {busy.value ? 'waiting for its answer…' : (result.value?.text ?? '')}
      </span>
      <button class="link" disabled={busy.value} onClick={() => void test()}>
        Send a test
      </button>
    </li>
  )
}

export function Receivers({ names }: { names: string[] }) {
  return (
    <section class="finding-group" aria-label="Receivers">
      <h2>Receivers</h2>
      {names.length === 0 ? (
        <>
          <p class="muted">
            Nobody is told when a rule fires: it is shown here only. Name a webhook in the configuration:
          </p>
          <p class="receiver-example">
            <code>{EXAMPLE}</code> <CopyButton text={EXAMPLE} label="Copy the line" />
          </p>
        </>
      ) : (
        <ol>
          {names.map((name) => (
            <Receiver key={name} name={name} />
          ))}
        </ol>
      )}
    </section>
  )
}
