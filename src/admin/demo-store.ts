/** The demo's database: made ready before the nodes start, looked at while they run. */
import { openStore, type OpenStore } from '../storage/open.js'
import { createLogs } from '../telemetry/pino-log.js'
import { parseJid } from '../xmpp/jid.js'
import { DEMO_ACCOUNTS, DEMO_DOMAIN, DEMO_PASSWORD, type DemoStore } from './demo.js'
import { keysOf } from './password-keys.js'

/** As the nodes' own default of `--cluster-name`. */
const CLUSTER_NAME = 'starling'

export function openDemoStore(): DemoStore {
  const logs = createLogs({ level: 'warn', format: 'text', destination: process.stderr })
  let open: OpenStore | undefined
  return {
    async prepare(file) {
      open = await openStore({ kind: 'sqlite', file }, logs.room('storage'))
      await open.migrate()
      for (const name of DEMO_ACCOUNTS) {
        const jid = parseJid(`${name}@${DEMO_DOMAIN}`)
        if (await open.store.accounts.find(jid) === undefined) await open.store.accounts.create(jid, await keysOf(DEMO_PASSWORD) ?? [])
      }
    },
    rows: async () => await open?.cluster.rows(CLUSTER_NAME) ?? [],
    async fence(row) {
      // The beat that the row shows now is the last one: its process has been seen to end.
      await open?.cluster.fence(row)
    },
    async close() {
      await open?.close()
      logs.stop()
    }
  }
}
