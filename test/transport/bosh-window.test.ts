/** The numbers of BOSH's requests (XEP-0124 §14). */
import { expect, test } from '@jest/globals'
import { RidWindow } from '../../src/transport/bosh-window.js'

test('the highest number counts requests that came early, so that one they overtook is not taken for the last (§11)', () => {
  const window = new RidWindow<string, string>(10, 2)
  window.add(10, 'first')
  expect([window.takeNext(), window.last, window.highest]).toEqual(['first', 10, 10])
  window.answered(10, '')
  window.add(12, 'sent later, here sooner')
  expect([window.takeNext(), window.last, window.highest]).toEqual([undefined, 10, 12])
  window.add(11, 'overtaken')
  expect([window.takeNext(), window.highest]).toEqual(['overtaken', 12])
})
