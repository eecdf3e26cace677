/** How much is done in one turn of the event loop. */

/**
 * The most bytes that were noted in one turn, when `count` notes have come.
 * @param listen gets what notes so many bytes now
 */
export function largestTurn(count: number, listen: (note: (bytes: number) => void) => void): Promise<number> {
  let [largest, thisTurn, came] = [0, 0, 0]
  const turn = (): void => {
    largest = Math.max(largest, thisTurn)
    thisTurn = 0
    if (came < count) setImmediate(turn)
  }
  setImmediate(turn)
  return new Promise((resolve) => {
    listen((bytes) => {
      thisTurn += bytes
      if (++came === count) resolve(Math.max(largest, thisTurn))
    })
  })
}
