/** A flame graph as one SVG, from the CPU profiles that Node has written: open it in a browser, hold the pointer over a box. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const WIDTH = 1600
const ROW = 17
const LEAST = 0.001

/** Time in which nothing ran is no part of the picture. */
const ASLEEP = ['(idle)', '(program)']

/** Reads the busiest profile of the folder (each thread of the server has written one); returns the file that was written. */
export function flameGraph(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile')).map((name) => join(folder, name))
  const [root] = files.map((file) => weigh(JSON.parse(readFileSync(file, 'utf8')))).sort((a, b) => b.weight - a.weight)
  const boxes = []
  draw(root, { x: 0, depth: 0, scale: WIDTH / root.weight }, boxes)
  const depth = Math.max(...boxes.map((box) => box.depth)) + 1
  const file = join(folder, 'flame.svg')
  writeFileSync(file, `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${depth * ROW}" font-family="monospace" font-size="11">` +
    `${boxes.map(boxText).join('')}</svg>\n`)
  return file
}

/** Milliseconds of each node with all that it called. */
function weigh({ nodes, samples, timeDeltas }) {
  const own = new Map()
  const byId = new Map(nodes.map((node) => [node.id, node]))
  samples.forEach((id, i) => {
    if (!ASLEEP.includes(byId.get(id).callFrame.functionName)) own.set(id, (own.get(id) ?? 0) + timeDeltas[i] / 1000)
  })
  const total = (node) => {
    const children = (node.children ?? []).map((id) => total(byId.get(id)))
    const { functionName, url, lineNumber } = node.callFrame
    const name = `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}${url === '' ? '' : `:${lineNumber + 1}`}`
    return { name, children, weight: (own.get(node.id) ?? 0) + children.reduce((sum, child) => sum + child.weight, 0) }
  }
  return total(nodes[0])
}

function draw(node, { x, depth, scale }, boxes) {
  const width = node.weight * scale
  if (width < LEAST * WIDTH) return
  boxes.push({ x, depth, width, name: node.name, weight: node.weight })
  let at = x
  for (const child of [...node.children].sort((a, b) => b.weight - a.weight)) {
    draw(child, { x: at, depth: depth + 1, scale }, boxes)
    at += child.weight * scale
  }
}

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)

function boxText({ x, depth, width, name, weight }) {
  const hue = 20 + [...name].reduce((sum, sign) => sum + sign.charCodeAt(0), 0) % 40
  const shown = escaped(name.slice(0, Math.floor(width / 6.7)))
  return `<g><title>${escaped(name)}: ${weight.toFixed(1)} ms</title><rect x="${x.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" ` +
    `height="${ROW - 1}" fill="hsl(${hue},80%,65%)"/><text x="${(x + 2).toFixed(1)}" y="${depth * ROW + 12}">${shown}</text></g>`
}
