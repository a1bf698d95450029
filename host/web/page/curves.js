/** What a node's values have been, while one looks: the newest points of each, in a ring. */

import { lineChart } from './chart.js'
import { litOf } from './card.js'
import { h, say } from './svg.js'
import { listen, store } from './store.js'
import { t } from './words.js'

/** A minute of news 20 times a second. */
const POINTS = 1200
/** Seconds that are shown: the first that has room for all, else the last. */
const SPANS = [15, 30, 60]
const CURVES = 6
/** Milliseconds between two drawings; who wants less to move has one a second. */
const REDRAW = matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 200

/** Rows of numbers with their times, the newest POINTS of them. */
class Ring {
  constructor(width) {
    this.width = width
    this.times = new Float64Array(POINTS)
    this.rows = new Float64Array(POINTS * width)
    this.count = 0
  }

  push(time, row) {
    const place = this.count++ % POINTS
    this.times[place] = time
    row.forEach((value, column) => {
      this.rows[place * this.width + column] = value
    })
  }

  /** A column's [times, values] since a moment, and the one before, which held until then. */
  column(column, since) {
    const xs = []
    const ys = []
    for (let number = this.count - 1; number >= Math.max(0, this.count - POINTS); number--) {
      const place = number % POINTS
      xs.push(Math.max(since, this.times[place]))
      ys.push(this.rows[place * this.width + column])
      if (this.times[place] <= since) break
    }
    return [xs.reverse(), ys.reverse()]
  }
}

function xTick(at) {
  return at ? t('nodes.curves.ago', { seconds: -at }) : t('nodes.curves.now')
}

/** A chart of some values of a node; read(node) -> [[name, value], ...]. */
function plot(title, read, options) {
  const chart = lineChart({ label: title, ...options })
  const caption = h('figcaption', {}, title)
  const element = h('figure', { hidden: true }, caption, chart.element)
  let [ring, names] = [null, []]
  const take = (node, time) => {
    const all = read(node)
    const known = all.slice(0, CURVES)
    say(caption, all.length > CURVES ? t('nodes.curves.first', { title, count: CURVES, all: all.length }) : title)
    const wanted = known.map(([name]) => name)
    if (known.length && wanted.join('\n') !== names.join('\n')) {
      names = wanted
      ring = new Ring(names.length)
    }
    const well = node.state === 'ok' && known.length > 0
    ring?.push(time, names.map((_, column) => (well ? Number(known[column][1] ?? NaN) : NaN)))
    element.hidden = !ring
  }
  const draw = (time, span) => {
    if (!ring) return
    const series = names.map((name, column) => {
      const [xs, ys] = ring.column(column, time - span)
      const ago = [...xs.map(at => at - time), 0]
      return { name, xs: ago, ys: [...ys, ys.at(-1)], step: true, colour: options.colour ?? column }
    })
    chart.draw(series, { ...options.axes, x: [-span, 0], xTick })
  }
  return { element, take, draw }
}

function named(node, side) {
  return node[side].map((value, place) => [node.model?.[side][place]?.name ?? String(place + 1), value])
}

/** The curves of a node: {element, start()}, which answers what stops them. */
export function curves(uid) {
  const plots = [
    plot(t('nodes.curves.lamp'), node => [[t('nodes.lamp'), litOf(node)]],
      { height: 80, legend: false, axes: { y: [0, 1], yCount: 1 }, colour: 'lit' }),
    plot(t('nodes.curves.outputs'), node => named(node, 'outputs'), {}),
    plot(t('nodes.curves.inputs'), node => named(node, 'inputs'), {}),
    plot(t('nodes.curves.channels'), node => node.channels.map(one => [one.name, one.value]), {}),
  ]
  const seconds = () => performance.now() / 1000
  const start = () => {
    const take = node => plots.forEach(one => one.take(node, seconds()))
    const known = store.nodes.get(uid)
    if (known) take(known)
    const stop = [
      listen('node', said => said.uid === uid && take(said)),
      listen('state', said => said.nodes.filter(node => node.uid === uid).forEach(take)),
    ]
    const began = seconds()
    const draw = () => {
      const span = SPANS.find(room => seconds() - began < room) ?? SPANS.at(-1)
      plots.forEach(one => one.draw(seconds(), span))
    }
    const timer = setInterval(() => document.hidden || draw(), REDRAW)
    return () => {
      clearInterval(timer)
      stop.forEach(end => end())
    }
  }
  return { element: h('div', { class: 'curves' }, ...plots.map(one => one.element)), start }
}
