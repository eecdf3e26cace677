/** Closes a run with the plain line `N passed, N failed`, after everything else; suites that could not run count as failed. */
class SummaryReporter {
  onRunComplete(_contexts, results) {
    const broken = results.testResults.filter((suite) => suite.testExecError !== undefined).length
    process.once('exit', () => process.stdout.write(`\n${results.numPassedTests} passed, ${results.numFailedTests + broken} failed\n`))
  }
}
module.exports = SummaryReporter
