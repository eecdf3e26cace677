/**
 * Between the bytes inside an element and trees: built only when a handler asks (`treesOf`), written by the one
 * serializer (`bytesOf`).
 */
import type { Element } from './element.js'
import type { ChildName } from './raw.js'

/** Trees of the child elements in `inside`, whose default namespace outside is `ns`. The bytes have passed the strict parser. */
export declare function treesOf(inside: Buffer, ns: string): readonly Element[]
/** Safe, self-contained UTF-8 for elements that stand in an element of namespace `jabber:client`. */
export declare function bytesOf(elements: readonly Element[]): Buffer
export declare function namesOf(elements: readonly Element[]): readonly ChildName[]
