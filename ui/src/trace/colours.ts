// SPDX-License-Identifier: Apache-2.0
// Colours of services: a fixed set that colour-blind people can tell apart (hue and lightness both change),
// given out in the order in which services appear in the trace. Each has 3 : 1 against its paper.
const LIGHT = [
  '#5B6B7D',
  '#3B73B9',
  '#0F8554',
  '#B07409',
  '#7E8A14',
  '#8A4B9E',
  '#C4588A',
  '#8C6548',
  '#3E8DC9',
  '#7770BF',
  '#17858B',
  '#B3552D',
]
const DARK = [
  '#94A3B5',
  '#6FA3E8',
  '#3DB884',
  '#DDA23A',
  '#B3BF4A',
  '#B98ACB',
  '#E58AB4',
  '#BD9576',
  '#76BBEE',
  '#A6A0E6',
  '#4DBFC4',
  '#E0895F',
]

export function serviceColours(services: string[], dark: boolean): Map<string, string> {
  const set = dark ? DARK : LIGHT
  return new Map(services.map((service, index) => [service, set[index % set.length] ?? '#5B6B7D']))
}
