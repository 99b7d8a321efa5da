// SPDX-License-Identifier: Apache-2.0
// The picture as a file: SVG that stands by itself, or PNG at twice the size.
import { dark, token } from '../base/theme'

const PNG_SCALE = 2
const MOST_PIXELS = 64e6

/** The rules that some element of the picture uses, and the tokens. */
function stylesFor(svg: SVGSVGElement): string {
  const rules: string[] = []
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) {
      if (!(rule instanceof CSSStyleRule)) continue
      const plain = rule.selectorText.replace(/:hover|:focus-visible|:focus/g, '')
      if (plain !== rule.selectorText) continue
      if (rule.selectorText.startsWith(':root')) rules.push(rule.cssText.replaceAll(':root', 'svg'))
      else if (svg.matches(rule.selectorText) || svg.querySelector(rule.selectorText) !== null)
        rules.push(rule.cssText)
    }
  }
  return rules.join('\n')
}

export function svgOf(shown: SVGSVGElement): { text: string; width: number; height: number } {
  const svg = shown.cloneNode(true) as SVGSVGElement
  const { width, height } = shown.viewBox.baseVal
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  svg.setAttribute('width', String(Math.round(width)))
  svg.setAttribute('height', String(Math.round(height)))
  svg.setAttribute('data-theme', dark.peek() ? 'dark' : 'light')
  for (const hit of svg.querySelectorAll('.line-hit, .node-hit, .table-hit')) hit.remove()
  const style = document.createElementNS('http://www.w3.org/2000/svg', 'style')
  style.textContent = stylesFor(shown)
  const paper = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
  const { x, y } = shown.viewBox.baseVal
  for (const [name, value] of Object.entries({ x, y, width, height })) paper.setAttribute(name, String(value))
  paper.setAttribute('fill', token('--paper'))
  svg.prepend(style, paper)
  return { text: new XMLSerializer().serializeToString(svg), width, height }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => {
    URL.revokeObjectURL(link.href)
  }, 10_000)
}

async function pngOf(text: string, width: number, height: number): Promise<Blob | null> {
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`
  await image.decode()
  const scale = Math.min(PNG_SCALE, Math.sqrt(MOST_PIXELS / (width * height)))
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(width * scale)
  canvas.height = Math.round(height * scale)
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise((resolve) => {
    canvas.toBlob(resolve, 'image/png')
  })
}

export async function exportPicture(kind: 'svg' | 'png', name: string): Promise<void> {
  const shown = document.querySelector<SVGSVGElement>('.map-svg')
  if (!shown) return
  const { text, width, height } = svgOf(shown)
  const blob = kind === 'svg' ? new Blob([text], { type: 'image/svg+xml' }) : await pngOf(text, width, height)
  if (blob) save(blob, `${name}.${kind}`)
}
