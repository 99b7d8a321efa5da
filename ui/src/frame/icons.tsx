// SPDX-License-Identifier: Apache-2.0
// Line icons on a 16 px grid. They stand beside words or a label; none speaks alone.
import type { ComponentChildren } from 'preact'

function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.4"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

export const MapIcon = () => (
  <Icon size={20}>
    <circle cx="3.6" cy="8" r="1.7" />
    <circle cx="12.4" cy="3.6" r="1.7" />
    <circle cx="12.4" cy="12.4" r="1.7" />
    <path d="M5.2 7.3l5.6-2.9M5.2 8.7l5.6 2.9" />
  </Icon>
)
export const TracesIcon = () => (
  <Icon size={20}>
    <path d="M2 3h7M4.5 6.3h7M6.5 9.7h4M9 13h5" />
  </Icon>
)
export const StatusIcon = () => (
  <Icon size={20}>
    <path d="M2 4.5h12M2 11.5h12" />
    <circle cx="10.5" cy="4.5" r="1.6" fill="var(--surface)" />
    <circle cx="5.5" cy="11.5" r="1.6" fill="var(--surface)" />
  </Icon>
)
export const SearchIcon = () => (
  <Icon>
    <circle cx="7" cy="7" r="4.3" />
    <path d="M10.3 10.3L14 14" />
  </Icon>
)
export const ChevronIcon = () => (
  <Icon size={12}>
    <path d="M3.5 6L8 10.5 12.5 6" />
  </Icon>
)
export const CloseIcon = () => (
  <Icon>
    <path d="M3.5 3.5l9 9M12.5 3.5l-9 9" />
  </Icon>
)
export const CopyIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
    <path d="M3 10.5A1.2 1.2 0 0 1 2.5 9.5V4a1.5 1.5 0 0 1 1.5-1.5h5.5a1.2 1.2 0 0 1 1 .5" />
  </Icon>
)
export const CheckIcon = () => (
  <Icon>
    <path d="M3 8.5l3.3 3.3L13 4.5" />
  </Icon>
)
export const ThemeIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" />
  </Icon>
)
export const MinusIcon = () => (
  <Icon>
    <path d="M3.5 8h9" />
  </Icon>
)
export const PlusIcon = () => (
  <Icon>
    <path d="M3.5 8h9M8 3.5v9" />
  </Icon>
)
export const FitIcon = () => (
  <Icon>
    <path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />
  </Icon>
)
export const ErrorIcon = () => (
  <Icon>
    <path d="M8 2.5L14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1" />
  </Icon>
)
export const LinkIcon = () => (
  <Icon>
    <path d="M6.8 9.2l2.4-2.4M7.5 4.8l1.2-1.2a2.6 2.6 0 0 1 3.7 3.7l-1.2 1.2M8.5 11.2l-1.2 1.2a2.6 2.6 0 0 1-3.7-3.7l1.2-1.2" />
  </Icon>
)
export const PreviousIcon = () => (
  <Icon>
    <path d="M12 4L6 8l6 4zM3.5 3.5v9" fill="currentColor" />
  </Icon>
)
export const NextIcon = () => (
  <Icon>
    <path d="M4 4l6 4-6 4zM12.5 3.5v9" fill="currentColor" />
  </Icon>
)
export const PlayIcon = () => (
  <Icon>
    <path d="M5 3.5L12 8l-7 4.5z" fill="currentColor" />
  </Icon>
)
export const PauseIcon = () => (
  <Icon>
    <path d="M5.5 4v8M10.5 4v8" stroke-width="2.2" />
  </Icon>
)
export const PinIcon = () => (
  <Icon>
    <path d="M5.5 2.5h5M6.5 2.5v4l-2 2.5h7l-2-2.5v-4M8 9v4.5" />
  </Icon>
)
export const PathIcon = () => (
  <Icon>
    <circle cx="3.5" cy="12" r="1.6" />
    <circle cx="12.5" cy="4" r="1.6" />
    <path d="M5 11.5c6-.5 1-6.5 6-7.2" />
  </Icon>
)
export const UpIcon = () => (
  <Icon>
    <path d="M4 9.5L8 5.5l4 4" />
  </Icon>
)
export const DownIcon = () => (
  <Icon>
    <path d="M4 6.5l4 4 4-4" />
  </Icon>
)
export const MoveIcon = () => (
  <Icon>
    <path d="M8 2v12M2 8h12M6 4l2-2 2 2M6 12l2 2 2-2M4 6L2 8l2 2M12 6l2 2-2 2" />
  </Icon>
)
export const FlowsIcon = () => (
  <Icon size={20}>
    <circle cx="2.6" cy="8" r="1.3" />
    <rect x="6" y="5.8" width="4.4" height="4.4" rx="1" />
    <circle cx="13.6" cy="8" r="1.3" />
    <path d="M3.9 8h2.1M10.4 8h1.9" />
  </Icon>
)
export const ChangesIcon = () => (
  <Icon size={20}>
    <path d="M8 2.2L13.8 8 8 13.8 2.2 8z" />
  </Icon>
)
export const HealthIcon = () => (
  <Icon size={20}>
    <path d="M1.5 8h3L6.5 3.5l3 9L11.2 8h3.3" />
  </Icon>
)
export const FocusIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="2" />
    <path d="M8 1.5v3M8 11.5v3M1.5 8h3M11.5 8h3" />
  </Icon>
)
export const FilterIcon = () => (
  <Icon>
    <path d="M2.5 4.5h11M4.5 8h7M6.5 11.5h3" />
  </Icon>
)
