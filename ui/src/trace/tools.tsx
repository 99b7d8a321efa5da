// SPDX-License-Identifier: Apache-2.0
// A switch above the waterfall; its state is in the address.
import { set } from '../base/route'

/** Those that are on by default say so when they are off. */
const USUALLY_ON = ['path', 'gaps']

export function Check({
  name,
  text,
  on,
  disabled,
  title,
}: {
  name: string
  text: string
  on: boolean
  disabled?: boolean
  title?: string
}) {
  return (
    <label class={disabled ? 'check disabled' : 'check'} title={title}>
      <input
        type="checkbox"
        checked={on}
        disabled={disabled}
        onChange={(event) => {
          set(
            {
              [name]:
                event.currentTarget.checked === USUALLY_ON.includes(name)
                  ? null
                  : event.currentTarget.checked
                    ? '1'
                    : '0',
            },
            true,
          )
        }}
      />
      {text}
    </label>
  )
}
