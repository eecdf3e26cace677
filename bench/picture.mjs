/** A curve as one SVG on white, for the documents. */
import * as echarts from 'echarts'
import { number as shown } from './report.mjs'

const SIZE = { width: 720, height: 400 }
const NAMES = { nameLocation: 'middle', nameTextStyle: { fontSize: 13 } }

/**
 * @param curve title, x, y, lines (names), even (x in even steps), log (y on a logarithmic axis)
 * @param rows `[x, y of each line...]`
 */
export function picture({ title, x, y, lines, even, log }, rows) {
  const steps = rows.map(([step]) => step)
  // Nothing has no place on a logarithmic axis: then the steps stand side by side.
  const scale = steps.includes(0) ? { type: 'category', boundaryGap: false, data: steps.map(String) }
    : even ? { type: 'value', min: steps[0], max: steps.at(-1), interval: 1 } : { type: 'log', min: steps[0], max: steps.at(-1) }
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...SIZE })
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: title, left: 'center', textStyle: { fontSize: 16 } },
    legend: lines.length > 1 ? { bottom: 0 } : undefined,
    grid: { left: 75, right: 30, top: 50, bottom: lines.length > 1 ? 75 : 55 },
    xAxis: { ...scale, name: x, nameGap: 28, ...NAMES },
    yAxis: { type: log ? 'log' : 'value', min: log ? undefined : 0, name: y, nameGap: 50, ...NAMES },
    series: lines.map((name, index) => ({
      type: 'line', name, symbolSize: 8, label: { show: true, formatter: ({ value }) => shown([value].flat().at(-1)) },
      data: rows.map((row) => (steps.includes(0) ? row[index + 1] : [row[0], row[index + 1]]))
    }))
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return `${svg.trim()}\n`
}
