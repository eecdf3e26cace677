/** DER (X.690), as much as it takes to walk through a certificate that OpenSSL has read already. */
export interface DerValue {
  /** The identifier octet: class, form and number. */
  readonly tag: number
  readonly content: Buffer
}

export const TAG = { octetString: 0x04, oid: 0x06, utf8String: 0x0c, context0: 0xa0, context3: 0xa3 } as const

/** Longer lengths have no place in a certificate. */
const LENGTH_BYTES_MAX = 4

/** The values that stand one after the other (§8.1.3); of a broken rest nothing. */
export function valuesOf(der: Buffer | undefined): readonly DerValue[] {
  const values: DerValue[] = []
  for (let rest = der; rest !== undefined && rest.length >= 2;) {
    const first = rest.readUInt8(1)
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    if (lengthBytes > LENGTH_BYTES_MAX || rest.length < 2 + lengthBytes) break
    const start = 2 + lengthBytes
    const end = start + (lengthBytes === 0 ? first : rest.readUIntBE(2, lengthBytes))
    if (rest.length < end) break
    values.push({ tag: rest.readUInt8(0), content: rest.subarray(start, end) })
    rest = rest.subarray(end)
  }
  return values
}
