/** Data forms (XEP-0004), as far as single-valued and list fields go. */
import { type Element, xml } from '../xml/element.js'

export const NS_FORM = 'jabber:x:data'

export interface Field {
  readonly name: string
  readonly values: readonly string[]
  readonly type?: 'boolean' | 'fixed' | 'hidden' | 'jid-multi' | 'jid-single' | 'list-multi' | 'list-single' |
    'text-multi' | 'text-private' | 'text-single'
  readonly label?: string
  readonly required?: boolean
}

export function form(type: 'form' | 'result' | 'submit', fields: readonly Field[], title = ''): Element {
  const heading = title === '' ? [] : [xml('title', {}, title)]
  return xml('x', { xmlns: NS_FORM, type }, ...heading, ...fields.map(fieldElement))
}

function fieldElement({ name, values, type, label, required }: Field): Element {
  const attributes = { var: name, ...(type && { type }), ...(label !== undefined && { label }) }
  return xml('field', attributes, ...values.map((value) => xml('value', {}, value)), ...(required === true ? [xml('required')] : []))
}

/** Values by field name of a submitted form; `undefined` if it is none. A name given twice counts once, the last. */
export function readForm(element: Element): ReadonlyMap<string, readonly string[]> | undefined {
  if (!element.is('x', NS_FORM) || element.attrs['type'] !== 'submit') return undefined
  const fields = element.getChildren('field', NS_FORM).filter((field) => typeof field.attrs['var'] === 'string')
  return new Map(fields.map((field) => [String(field.attrs['var']), field.getChildren('value', NS_FORM).map((v) => v.getText())]))
}
