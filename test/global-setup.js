/** Before all test files: names this run, so that all workers share one server of each kind (`databases.ts` starts them when needed). */
export default function setup() {
  process.env.STARLING_TEST_RUN = String(process.pid)
}
