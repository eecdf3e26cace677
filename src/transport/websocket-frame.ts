/**
 * One text message as one unmasked, final frame (RFC 6455 §5.2). Receiving and control frames are `ws`'s; our own
 * messages are framed here so that many of them leave in one write a turn.
 */
const FINAL_TEXT = 0x81

/** Frame of the text that the pieces make together. */
export function textFrame(first: string, inside?: Buffer, last?: string): Buffer {
  const firstBytes = Buffer.byteLength(first)
  const lastBytes = last === undefined ? 0 : Buffer.byteLength(last)
  const payload = firstBytes + (inside?.length ?? 0) + lastBytes
  const headBytes = headSize(payload)
  const frame = Buffer.allocUnsafe(headBytes + payload)
  writeHead(frame, payload)
  let at = headBytes + frame.write(first, headBytes)
  if (inside !== undefined) at += inside.copy(frame, at)
  if (last !== undefined) frame.write(last, at)
  return frame
}

function headSize(payload: number): number {
  if (payload < 126) return 2
  return payload < 65_536 ? 4 : 10
}

function writeHead(frame: Buffer, payload: number): void {
  frame[0] = FINAL_TEXT
  if (payload < 126) frame[1] = payload
  else if (payload < 65_536) {
    frame[1] = 126
    frame.writeUInt16BE(payload, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(payload), 2)
  }
}
