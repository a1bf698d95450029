/** The surface of the loss, and the path that a training walks on it: a map for two parameters, a curve for one. */

import { s } from '../svg.js'
import { number, t } from '../words.js'
import { contour, shades } from './grid.js'
import { plane, track } from './plane.js'

const LINES = 14
const HEIGHT = 340

/** -> {element, show(frames): the path over them}; null where there is no surface. At its end a path that leads away
 * goes on, out of the picture. */
export function surfacePicture(training, label) {
  if (!training.surface) return null
  return training.surface.names.length === 1 ? bowl(training, label) : valley(training, label)
}

/** point(frame) -> where the path is then. */
function walker(on, { frames, diverged }, point) {
  const path = s('path', { class: 'path' })
  const steps = s('path', { class: 'steps' })
  const away = s('path', { class: 'path away' })
  const here = s('circle', { class: 'here', r: 6 })
  on.front.append(path, steps, away, here)
  return shown => {
    const walked = shown.map(point)
    path.setAttribute('d', track(on, walked))
    steps.setAttribute('d', walked.map(point => `${track(on, [point])}h0`).join(''))
    here.setAttribute('cx', on.x(walked.at(-1)[0]))
    here.setAttribute('cy', on.y(walked.at(-1)[1]))
    away.setAttribute('d', diverged && walked.length > 1 && walked.length === frames.length ? leaving(on, walked) : '')
  }
}

/** Where a path that leads away goes on: a longer step, back over the valley. */
function leaving(on, walked) {
  const [before, last] = walked.slice(-2)
  return track(on, [last, last.map((value, axis) => value - 3 * (value - before[axis]))])
}

function valley(training, label) {
  const { surface } = training
  const found = surface.loss.flat().filter(loss => loss !== null)
  const lowest = Math.min(...found)
  const highest = Math.max(...found)
  const [across, up] = surface.axes
  const on = plane({
    x: { range: [across[0], across.at(-1)], name: surface.names[0] },
    y: { range: [up[0], up.at(-1)], name: surface.names[1] },
    label,
    height: HEIGHT,
  })
  // By the logarithm: a flat floor is told from its sides, however high these are.
  const unit = 1e-4 * (highest - lowest) || 1
  const rise = loss => Math.log1p((loss - lowest) / unit)
  const whole = rise(highest) || 1
  const deep = loss => (loss === null ? [0, 0, 0, 0] : [35, 130, 150, 190 * (1 - rise(loss) / whole) ** 1.5])
  const shade = shades(surface.axes, on, deep)
  shade.show(surface.loss)
  on.back.append(shade.element)
  for (let line = 1; line < LINES; line++) {
    const level = lowest + unit * Math.expm1((whole * line) / LINES)
    on.back.append(s('path', { class: 'contour', d: contour(surface.loss, level, surface.axes, on) },
      s('title', {}, number(level))))
  }
  return { element: on.element, show: walker(on, training, frame => frame.parameters) }
}

function bowl(training, label) {
  const { surface } = training
  const [axis] = surface.axes
  const [losses] = surface.loss
  const highest = Math.max(...losses.filter(loss => loss !== null))
  const on = plane({
    x: { range: [axis[0], axis.at(-1)], name: surface.names[0] },
    y: { range: [-0.05 * highest, 1.05 * highest], name: t('learn.loss') },
    label,
    height: HEIGHT,
  })
  on.back.append(s('path', { class: 'bowl', d: track(on, axis.map((value, n) => [value, losses[n] ?? NaN])) }))
  return { element: on.element, show: walker(on, training, frame => [frame.parameters[0], frame.height]) }
}
