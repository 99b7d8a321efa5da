// SPDX-License-Identifier: Apache-2.0
// Bundles the page into dist/: index.html by name, everything else by name and content hash, so that it
// may be cached for ever. Fails when the page outgrows its budget.
import { build, context } from 'esbuild'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { brotliCompressSync } from 'node:zlib'

const BUDGET_BYTES = 250_000
const here = import.meta.dirname
const watch = process.argv.includes('--watch')

function hashed(name, bytes) {
  const dot = name.lastIndexOf('.')
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10)
  return `${name.slice(0, dot)}-${hash}${name.slice(dot)}`
}

function publish(result) {
  const files = new Map(result.outputFiles.map((file) => [file.path.split('/').pop(), file.contents]))
  files.set('favicon.svg', readFileSync(`${here}/favicon.svg`))
  let page = readFileSync(`${here}/index.html`, 'utf8')
  let total = 0
  rmSync(`${here}/dist`, { recursive: true, force: true })
  mkdirSync(`${here}/dist`, { recursive: true })
  for (const [name, bytes] of files) {
    if (name.endsWith('.map')) continue
    const final = hashed(name, bytes)
    page = page.replaceAll(`"${name}"`, `"${final}"`)
    writeFileSync(`${here}/dist/${final}`, bytes)
    const packed = brotliCompressSync(bytes).length
    total += packed
    console.log(`${final.padEnd(28)} ${bytes.length} B, ${packed} B brotli`)
  }
  writeFileSync(`${here}/dist/index.html`, page)
  console.log(`total ${total} B brotli of ${BUDGET_BYTES} B`)
  if (total > BUDGET_BYTES) throw new Error('the page is over its budget')
}

const options = {
  entryPoints: { app: `${here}/src/main.tsx` },
  bundle: true,
  write: false,
  outdir: `${here}/dist`,
  format: 'esm',
  target: ['es2022'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: !watch,
  legalComments: 'none',
  logLevel: 'warning',
}

if (watch) {
  const plugin = {
    name: 'publish',
    setup: (setup) => setup.onEnd((result) => result.errors.length === 0 && publish(result)),
  }
  await (await context({ ...options, plugins: [plugin] })).watch()
} else {
  publish(await build(options))
}
