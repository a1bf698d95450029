/** Lines over an axis, as wide as there is room. */

import { number } from './words.js'
import { h, range, s, ticks } from './svg.js'

const LEFT = 52
const RIGHT = 10
const TOP = 10
const BOTTOM = 28

/** A chart: {element, draw(series, axes)}.
 * series: [{name, xs, ys, colour: 0..5 or 'lit', step: hold each value until the next, dots: true}], drawn in their
 * order; what is not finite is a gap. axes: {x: [low, high], y: [low, high], log: y by its logarithm, xTick: number ->
 * text, yCount: of round numbers}, each as the data has it where it is not given. The label says what it shows to those
 * who do not see it. */
export function lineChart({ label, height = 180, legend = true }) {
  const picture = s('svg', { role: 'img', 'aria-label': label, height, class: 'lines' })
  const names = h('ul', { class: 'legend', hidden: !legend })
  const element = h('div', { class: 'chart' }, picture, names)
  let last = [[], {}]
  const draw = (series, axes = {}) => {
    last = [series, axes]
    const width = element.clientWidth
    if (width) picture.replaceChildren(...drawn(series, axes, width, height))
    picture.setAttribute('width', width)
    if (legend) named(names, series)
  }
  new ResizeObserver(() => draw(...last)).observe(element)
  return { element, draw }
}

function named(list, series) {
  const text = series.map(one => one.name).join('\n')
  if (list.dataset.names === text) return
  list.dataset.names = text
  list.replaceChildren(...series.map((one, place) => h('li', { class: `series-${one.colour ?? place % 6}` }, one.name)))
}

function drawn(series, axes, width, height) {
  const scaled = axes.log ? value => (value > 0 ? Math.log10(value) : NaN) : value => value
  const [left, right] = axes.x ?? range(series.flatMap(one => Array.from(one.xs)))
  let [low, high] = (axes.y ?? range(series.flatMap(one => Array.from(one.ys, scaled)))).map(Number)
  if (axes.y && axes.log) [low, high] = [scaled(low), scaled(high)]
  const x = value => LEFT + ((value - left) / (right - left)) * (width - LEFT - RIGHT)
  const y = value => height - BOTTOM - ((value - low) / (high - low)) * (height - TOP - BOTTOM)
  const across = ticks(left, right, Math.max(2, Math.round(width / 110)))
  const heights = ticks(low, high, axes.yCount ?? Math.max(2, Math.round(height / 45)))
  const up = axes.log ? heights.filter(Number.isInteger) : heights // a power of ten has few digits
  return [
    ...up.map(at => s('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(at), y2: y(at) })),
    ...up.map(at => s('text', { class: 'tick', x: LEFT - 6, y: y(at) + 4, 'text-anchor': 'end' },
      number(axes.log ? 10 ** at : at))),
    ...across.map(at => s('text',
      { class: 'tick', x: x(at), y: height - 6, 'text-anchor': at === right ? 'end' : 'middle' },
      axes.xTick ? axes.xTick(at) : number(at))),
    ...series.flatMap((one, place) => {
      const colour = `series-${one.colour ?? place % 6}`
      const up = value => y(scaled(value))
      const dot = (at, i) => s('circle', { class: `dot ${colour}`, cx: x(at), cy: up(one.ys[i]), r: 3.5 })
      const dots = one.dots ? Array.from(one.xs, dot).filter((_, i) => Number.isFinite(up(one.ys[i]))) : []
      return [s('path', { class: `line ${colour}`, d: path(one, x, up) }), ...dots]
    }),
  ]
}

/** The way of a line, whose gaps are where a number is not finite. */
function path({ xs, ys, step }, x, y) {
  let d = ''
  let pen = 'M'
  for (let i = 0; i < xs.length; i++) {
    const [across, up] = [x(xs[i]), y(ys[i])]
    if (!Number.isFinite(up)) {
      pen = 'M'
      continue
    }
    d += step && pen === 'L' ? `H${across.toFixed(1)}V${up.toFixed(1)}` : `${pen}${across.toFixed(1)} ${up.toFixed(1)}`
    pen = 'L'
  }
  return d
}
