/**
 * Loaded into a node under test before its program (`node --require`): on SIGUSR2 it collects garbage and writes what it
 * holds to the file LEVERS, and the wall clock, not the monotonic one, is moved by the milliseconds that stand in LEVERS.clock.
 */
const { readFileSync, renameSync, writeFileSync } = require('node:fs')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc')
const file = `${process.env.LEVERS}.${process.pid}`
let told = 0
let ahead = 0

function shift() {
  try {
    ahead = Number(readFileSync(`${process.env.LEVERS}.clock`, 'utf8'))
  } catch {
    ahead = 0
  }
}

const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [RealDate.now() + ahead] : parts))
  }

  static now() {
    return RealDate.now() + ahead
  }
}

function tell() {
  shift()
  collect()
  const resources = process.getActiveResourcesInfo()
  const timers = resources.filter((name) => name === 'Timeout').length
  const { rss, heapUsed } = process.memoryUsage()
  writeFileSync(`${file}.new`, JSON.stringify({ told: ++told, rss, heapUsed, timers, others: resources.length - timers }))
  renameSync(`${file}.new`, file)
}

shift()
process.on('SIGUSR2', () => setTimeout(tell, 1))
