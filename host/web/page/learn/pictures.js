/** All that is drawn of a training's way: the loss, the surface with its path, the data with what is decided. */

import { lineChart } from '../chart.js'
import { h } from '../svg.js'
import { t } from '../words.js'
import { fitPicture } from './fit.js'
import { surfacePicture } from './surface.js'

/** Powers of ten around all numbers above 0. */
export function decades(values) {
  const powers = values.filter(value => value > 0).map(Math.log10)
  if (!powers.length) return [0.1, 1]
  const low = Math.floor(Math.min(...powers))
  return [10 ** low, 10 ** Math.max(low + 1, Math.ceil(Math.max(...powers)))]
}

/** who: whose training it is. -> {element, show(frames): those up to where it stands, log(on)} */
export function pictures(training, who) {
  const label = what => t('learn.picture', { what, who })
  const loss = lineChart({ label: label(t('learn.loss')), height: 170, legend: training.validation.length > 0 })
  const fit = fitPicture({ ...training, activation: training.activation.at(-1) }, label(t('learn.data')))
  const surface = surfacePicture(training, label(t('learn.surface')))
  const drawn = [[loss, t('learn.loss.caption')], [fit, t('learn.data.caption')], [surface, t('learn.surface.caption')]]
  const element = h('div', { class: 'pictures' }, drawn.filter(([one]) => one).map(([one, text]) =>
    h('figure', {}, one.element, h('figcaption', { class: 'small muted' }, text))))
  const heights = training.frames.flatMap(frame => [frame.height, frame.validation]).filter(value => value !== null)
  let shown = []
  let logarithm = false

  function drawLoss() {
    const held = shown.filter(frame => frame.validation !== null)
    loss.draw([
      { name: t('learn.loss'), xs: shown.map(one => one.epoch), ys: shown.map(one => one.height) },
      { name: t('learn.validation'), xs: held.map(one => one.epoch), ys: held.map(one => one.validation) },
    ], {
      x: [0, training.frames.at(-1).epoch || 1],
      y: logarithm ? decades(heights) : [0, 1.05 * Math.max(...heights) || 1],
      log: logarithm,
    })
  }

  return {
    element,
    show(frames) {
      shown = frames
      drawLoss()
      if (!frames.length) return
      fit?.show(frames.at(-1))
      surface?.show(frames)
    },
    log(on) {
      logarithm = on
      drawLoss()
    },
  }
}
