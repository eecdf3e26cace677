/** `--cluster-notify-admins` (cluster.md §1): one chat message to each admin, said by one node. */
import { describe, expect, test } from '@jest/globals'
import type { Member, MemberChange } from '../../src/cluster/settings.js'
import type { Delivery } from '../../src/pipeline/api.js'
import { tellAdmins } from '../../src/tell-admins.js'

const ADMINS = { admins: ['romeo@im.test', 'nurse@im.test'], virtualHosts: [{ domain: 'im.test' }] }

const member = (name: string, state: Member['state'] = 'up'): Member => ({
  name, state, incarnation: 1, address: `${name}:5777`, self: false, linked: true, roundTripMs: undefined, services: {}, version: ''
})

const change = (reason: MemberChange['reason'], node: string, members: readonly Member[]): MemberChange =>
  ({ reason, node, address: `${node}:5777`, members })

/** What node `self` says of a change. */
function says(self: string, about: MemberChange, serving = true): readonly string[] {
  const said: Delivery[] = []
  let tell: (change: MemberChange) => void = () => undefined
  const mesh = { self: { name: self, incarnation: 1 }, serving: () => serving, onMembers: (handler: typeof tell) => { tell = handler } }
  tellAdmins(ADMINS, { mesh, router: { submit: (delivery) => void said.push(delivery) } })
  tell(about)
  return said.map(({ stanza, to, via }) => `${via} ${to.toString()} ${stanza.open('stream')}${stanza.inside.toString()}`)
}

describe('§1 a node comes or goes', () => {
  const members = [member('a'), member('b'), member('c')]

  test('each admin gets a chat message from the served domain with name, address, reason and members', () => {
    const body = '<body>Node c (c:5777): joined. Members [3] { a:5777, b:5777, c:5777 }</body>'
    const head = (to: string): string => `<message to='${to}' from='im.test' type='chat'>`
    expect(says('a', change('joined', 'c', members))).toEqual(
      ['romeo@im.test', 'nurse@im.test'].map((to) => `route ${to} ${head(to)}${body}`))
  })

  test('one node says it for all, and never the one it is about while another serves', () => {
    const speakers = (about: MemberChange): readonly string[] => ['a', 'b', 'c'].filter((self) => says(self, about).length > 0)
    expect(speakers(change('joined', 'a', members))).toEqual(['b'])
    expect(speakers(change('lost', 'a', [member('b', 'joining'), member('c')]))).toEqual(['c'])
    expect(speakers(change('joined', 'a', [member('a')]))).toEqual(['a'])
  })

  test('a node that does not serve says nothing', () => {
    expect(says('a', change('joined', 'b', members), false)).toEqual([])
  })
})
