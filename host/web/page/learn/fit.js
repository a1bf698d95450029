/** The data, and what a model says where: a curve over one input, a boundary over two. */

import { s } from '../svg.js'
import { t } from '../words.js'
import { contour, shades } from './grid.js'
import { around, plane, track } from './plane.js'

const LEVELS = 255
const CURVE_POINTS = 80
const MANY = 100
/** Samples, from which on their marks are small. */
const CLASSES = [[47, 111, 208], [224, 137, 0], [30, 150, 90], [170, 70, 190], [200, 60, 60], [90, 110, 120]]
const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.2 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}l${1.3 * r} ${1.4 * r}l${-1.3 * r} ${1.4 * r}l${-1.3 * r} ${-1.4 * r}z`,
]
/** Of the classes' marks, so that they differ not by colour alone. */

/** The data and a model over it. of: {inputs, target, samples, boundary: null before there is one, activation: of the
 * last layer}, as a Training has them. -> {element, show(frame): the model after that frame, ring(rows): samples, by
 * their numbers, that are to stand out}; null where there are more inputs than can be drawn. */
export function fitPicture(of, label) {
  if (of.inputs.length > 2) return null
  return of.inputs.length === 1 ? curvePicture(of, label) : mapPicture(of, label)
}

/** Draw the samples, a path for each class, and say how some of them are made to stand out. */
function samplesOn(on, samples, place) {
  const size = samples.x.length > MANY ? 3 : 5.5
  const paths = new Map()
  const at = row => place(row).map((value, axis) => [on.x, on.y][axis](value))
  samples.x.forEach((_, row) => {
    const number = samples.labels[row] ?? 0
    const name = `mark class-${number % CLASSES.length}${samples.held[row] ? ' held' : ''}`
    paths.set(name, (paths.get(name) ?? '') + SHAPES[number % SHAPES.length](...at(row), size))
  })
  const rings = s('path', { class: 'ring' })
  on.front.append(...[...paths].map(([name, d]) => s('path', { class: name, d })), rings)
  return rows => rings.setAttribute('d', rows.map(row => SHAPES[0](...at(row), 2 * size)).join(''))
}

/** The part of a box where a·x + b·y + c > 0, as a path. ranges: [low, high] of x and of y. */
export function half([a, b, c], [[left, right], [bottom, top]], on) {
  const corners = [[left, bottom], [right, bottom], [right, top], [left, top]]
  const sums = corners.map(([x, y]) => a * x + b * y + c)
  const kept = []
  corners.forEach((corner, n) => {
    const next = (n + 1) % 4
    if (sums[n] > 0) kept.push(corner)
    if (sums[n] > 0 === sums[next] > 0) return
    const share = sums[n] / (sums[n] - sums[next])
    kept.push(corner.map((value, axis) => value + share * (corners[next][axis] - value)))
  })
  return kept.length ? `${track(on, kept)}Z` : ''
}

/** Where a·x + b·y + c = 0 within the box, from edge to edge. */
function border([a, b, c], [[left, right], [bottom, top]], on) {
  const flat = Math.abs(b) * (top - bottom) > Math.abs(a) * (right - left)
  return track(on, flat ? [left, right].map(x => [x, -(a * x + c) / b]) : [bottom, top].map(y => [-(b * y + c) / a, y]))
}

/** The sum that is above 0 where the lamp is lit, of a boundary that is a line; weights.., bias. */
function lighting(boundary, line) {
  const side = boundary.below ? -1 : 1
  return line.map((value, n) => side * (n < line.length - 1 ? value : value - boundary.level))
}

/** The cells of the last frame that has some, up to an epoch. */
function cellsAt(boundary, epoch) {
  return (boundary.frames.findLast(one => one.epoch <= epoch) ?? boundary.frames[0]).cells
}

function curvePicture({ inputs, target, samples, boundary, activation }, label) {
  const [low, high] = boundary ? [boundary.axes[0][0], boundary.axes[0].at(-1)] : around(samples.x.flat(), 0.25)
  const ranges = [[low, high], boundary ? [boundary.low, boundary.high] : around(samples.y.map(([y]) => y), 0.25)]
  const sum = activation === 'step'
  const on = plane({
    x: { range: ranges[0], name: inputs[0] }, y: { range: ranges[1], name: sum ? t('learn.sum') : target }, label,
  })
  const lit = s('path', { class: 'lit' })
  const curve = s('path', { class: 'curve' })
  on.back.append(lit)
  on.front.append(curve)
  const ring = samplesOn(on, samples, row => [samples.x[row][0], samples.y[row][0]])
  const xs = Array.from({ length: CURVE_POINTS }, (_, n) => low + (n / (CURVE_POINTS - 1)) * (high - low))
  const output = activation === 'sigmoid' ? z => 1 / (1 + Math.exp(-z)) : z => z

  function show({ line, epoch }) {
    if (boundary.kind === 'line') {
      const [w, b] = line.length ? line : [NaN, NaN]
      const [u, v] = lighting(boundary, [w, b])
      curve.setAttribute('d', track(on, xs.map(x => [x, output(w * x + b)])))
      lit.setAttribute('d', half([u, 0, v], ranges, on))
    } else if (boundary.kind === 'cells') {
      const [cells] = cellsAt(boundary, epoch)
      const value = level => boundary.low + (level / LEVELS) * (boundary.high - boundary.low)
      curve.setAttribute('d', track(on, cells.map((level, n) => [boundary.axes[0][n], value(level)])))
    }
  }

  return { element: on.element, show, ring }
}

function mapPicture({ inputs, samples, boundary }, label) {
  const ranges = [0, 1].map(n => boundary
    ? [boundary.axes[n][0], boundary.axes[n].at(-1)]
    : around(samples.x.map(x => x[n]), 0.25))
  const on = plane({ x: { range: ranges[0], name: inputs[0] }, y: { range: ranges[1], name: inputs[1] }, label })
  const lit = s('path', { class: 'lit' })
  const edge = s('path', { class: 'curve' })
  const classes = boundary?.kind === 'classes'
  const celled = boundary !== null && boundary.kind !== 'line'
  const shade = celled ? shades(boundary.axes, on, classes ? tinted : lighted, classes) : null
  on.back.append(...shade ? [shade.element] : [], lit)
  on.front.append(edge)
  const ring = samplesOn(on, samples, row => samples.x[row])

  function show({ line, epoch }) {
    if (boundary.kind === 'line') {
      const sum = lighting(boundary, line.length ? line : [NaN, NaN, NaN])
      lit.setAttribute('d', half(sum, ranges, on))
      edge.setAttribute('d', border(sum, ranges, on))
      return
    }
    const cells = cellsAt(boundary, epoch)
    shade.show(cells)
    const level = (LEVELS * (boundary.level - boundary.low)) / (boundary.high - boundary.low)
    if (!classes) edge.setAttribute('d', contour(cells, level, boundary.axes, on))
  }

  return { element: on.element, show, ring }
}

/** An output's cell: the higher, the more of the lamp's colour. */
function lighted(level) {
  return [255, 176, 32, 0.75 * level]
}

function tinted(number) {
  return [...CLASSES[number % CLASSES.length], 90]
}
