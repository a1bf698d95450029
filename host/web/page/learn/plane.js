/** A picture with two axes: others draw on it in the units of their data. */

import { range, s, ticks } from '../svg.js'
import { number } from '../words.js'

const LEFT = 50
const RIGHT = 12
const TOP = 12
const BOTTOM = 40
const FAR = 1e5

/** Lowest and highest of numbers, and some room around them. */
export function around(values, room) {
  const [low, high] = range(values)
  return [low - room * (high - low), high + room * (high - low)]
}

let planes = 0

/** An empty plane. x, y: {range: [low, high], name}; label: what it shows, for those who do not see it.
 * -> {element, x, y: from data to its own units, back, front: where to draw, both clipped} */
export function plane({ x, y, label, width = 400, height = 300 }) {
  const clip = `plane-${++planes}`
  const size = { x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM }
  const [right, bottom] = [width - RIGHT, height - BOTTOM]
  const across = value => LEFT + ((value - x.range[0]) / (x.range[1] - x.range[0])) * size.width
  const up = value => bottom - ((value - y.range[0]) / (y.range[1] - y.range[0])) * size.height
  const back = s('g', { 'clip-path': `url(#${clip})` })
  const front = s('g', { 'clip-path': `url(#${clip})` })
  const element = s('svg', { viewBox: `0 0 ${width} ${height}`, class: 'plane', role: 'img', 'aria-label': label },
    s('clipPath', { id: clip }, s('rect', size)),
    back,
    s('rect', { ...size, class: 'edge' }),
    ticks(...x.range).flatMap(at => [
      s('line', { class: 'grid', x1: across(at), x2: across(at), y1: bottom, y2: bottom + 4 }),
      s('text', { class: 'tick', x: across(at), y: bottom + 16, 'text-anchor': 'middle' }, number(at)),
    ]),
    ticks(...y.range).flatMap(at => [
      s('line', { class: 'grid', x1: LEFT - 4, x2: LEFT, y1: up(at), y2: up(at) }),
      s('text', { class: 'tick', x: LEFT - 6, y: up(at) + 4, 'text-anchor': 'end' }, number(at)),
    ]),
    s('text', { class: 'axis', x: (LEFT + right) / 2, y: height - 7, 'text-anchor': 'middle' }, x.name),
    s('text', { class: 'axis', transform: `translate(11 ${(TOP + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' },
      y.name),
    front)
  return { element, x: across, y: up, back, front }
}

/** A path through points of a plane, [x, y] each; one that is no point parts it. */
export function track(on, points) {
  let d = ''
  let pen = 'M'
  for (const [x, y] of points) {
    const [across, up] = [near(on.x(x)), near(on.y(y))]
    if (Number.isNaN(across + up)) {
      pen = 'M'
      continue
    }
    d += `${pen}${across} ${up}`
    pen = 'L'
  }
  return d
}

/** A place that can be drawn: what lies far out of the picture stays out of it. */
function near(pixel) {
  return Math.max(-FAR, Math.min(FAR, Math.round(pixel * 100) / 100))
}
