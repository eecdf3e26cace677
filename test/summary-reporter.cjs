/** Closes a run with the table of bad input and the line `N passed, N failed`; suites that could not run count as failed. */
const { table } = require('./hostile/table.cjs')

class SummaryReporter {
  onRunComplete(_contexts, results) {
    const broken = results.testResults.filter((suite) => suite.testExecError !== undefined).length
    const counts = `${results.numPassedTests} passed, ${results.numFailedTests + broken} failed`
    const badInput = table(process.pid)
    process.once('exit', () => process.stdout.write(`${badInput}\n${counts}\n`))
  }
}
module.exports = SummaryReporter
