/**
 * Nanoseconds that the strict parser takes for a typical message, one a chunk and sixteen a chunk.
 * `npm run build && node bench/parse.mjs`
 */
import { StreamParser } from '../dist/xml/stream-parser.js'
import { treesOf } from '../dist/xml/inside.js'

const LIMITS = { stanzaBytes: 262144, elements: 5000, depth: 64, attributes: 64, namespaces: 32, nameBytes: 1024 }
const HEADER = Buffer.from("<?xml version='1.0'?><stream:stream to='im.test' version='1.0' xmlns='jabber:client' " +
  "xmlns:stream='http://etherx.jabber.org/streams'>")
const MESSAGES = {
  'chat, 200 bytes': "<message to='juliet@im.test/balcony' id='4f1c9a52-77' type='chat'><body>Wherefore art thou, Romeo? " +
    "Deny thy father.</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>",
  'chat, Cyrillic': "<message to='juliet@im.test/balcony' id='4f1c9a52-77' type='chat'><body>Ромео, как мне жаль, что ты " +
    "Ромео! Отринь отца.</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
  'odd: rewritten': "<message to='juliet@im.test/balcony' id='4f1c9a52-77' type='chat'><body xml:lang='en'>Wherefore art thou, " +
    "Romeo? Deny thy father.</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
}
const ROUNDS = 9

let elements = 0
let last
const sink = {
  header: () => true,
  element(element) {
    elements++
    last = element
    return true
  },
  closed: () => undefined,
  fault(fault) { throw fault }
}

/** Median of some rounds, in nanoseconds of processor time an element. */
function measure(perRound, run) {
  const figures = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    figures.push((user + system) * 1000 / perRound)
  }
  figures.sort((a, b) => a - b)
  return Math.round(figures[ROUNDS >> 1])
}

for (const [name, text] of Object.entries(MESSAGES)) {
  for (const perChunk of [1, 16]) {
    const parser = new StreamParser(LIMITS, sink)
    parser.feed(HEADER)
    const chunk = Buffer.from(text.repeat(perChunk))
    const chunks = 200_000 / perChunk
    const ns = measure(200_000, () => { for (let i = 0; i < chunks; i++) parser.feed(chunk) })
    console.log(`${name} (${Buffer.byteLength(text)} bytes), ${perChunk} a chunk: ${ns} ns`)
  }
  console.log(`  its tree: ${measure(50_000, () => { for (let i = 0; i < 50_000; i++) treesOf(last.inside, 'jabber:client') })} ns`)
}
console.log(`${elements} elements`)
