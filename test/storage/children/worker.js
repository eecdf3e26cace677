/** A process beside a storage test: does the task that it is sent and answers `{ value }` or `{ error }`. */
import { openDatabase } from '../../../dist/storage/database.js'
import { migrate } from '../../../dist/storage/migrate.js'
import { openStore } from '../../../dist/storage/open.js'

const nothing = () => {}
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing, trace: nothing, child: () => log, isLevelEnabled: () => false }

const TASKS = {
  /** What a node does first. */
  async start({ settings }) {
    const open = await openStore(settings, log)
    try {
      await open.migrate()
    } finally {
      await open.close()
    }
  },
  /** Reads a number, adds one and writes it, `times` times. */
  async count({ settings, account, times }) {
    const { store, close } = await openStore(settings, log)
    for (let i = 0; i < times; i++) await store.values.update(account, 'counter', (value) => String(Number(value ?? 0) + 1))
    await close()
  },
  /** Migrates with migrations that kill this process behind the step number `KILL_AFTER`. */
  async 'die-in-migration'({ settings, folder, step }) {
    process.env.KILL_AFTER = String(step)
    const database = openDatabase(settings, log)
    await migrate(database, log, { folder: new URL(folder) })
    await database.close()
  }
}

process.on('message', async (message) => {
  try {
    process.send({ value: await TASKS[message.task](message) })
  } catch (error) {
    process.send({ error: String(error) })
  }
})
