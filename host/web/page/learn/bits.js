/** Fewer bits of the weights: what is proven of the error, what is seen of it, and the lamps that flip. */

import { get } from '../api.js'
import { lineChart } from '../chart.js'
import { h, say } from '../svg.js'
import { number, t } from '../words.js'
import { fitPicture } from './fit.js'
import { decades } from './pictures.js'

const FULL = 16
const NOTHING = 1e-2
/** Of the least bound: an error below is drawn there, for there is no logarithm of 0. */

/** -> {element, know(training)} */
export function fewerBits() {
  const way = h('input', { type: 'range', id: 'bits-way', oninput: () => draw() })
  const chosen = h('output', { class: 'number', for: 'bits-way' })
  const said = h('p', { class: 'verdict', role: 'status' })
  const flips = h('ul', { class: 'flips' })
  const chart = lineChart({ label: t('learn.bits.chart'), height: 190 })
  const place = h('div', {})
  const caption = h('p', { class: 'small muted' })
  const wrong = h('p', { class: 'wrong', role: 'alert', lang: 'en' })
  const body = h('div', { class: 'columns' },
    h('div', {}, h('div', { class: 'row' }, h('label', { for: 'bits-way' }, t('learn.bits.bits')), chosen), way,
      said, flips, chart.element),
    place)
  const element = h('section', { class: 'card', id: 'bits', hidden: true, 'aria-labelledby': 'bits-title' },
    h('h2', { id: 'bits-title' }, t('learn.bits')), h('p', { class: 'muted' }, t('learn.bits.text')), body, wrong)
  let all = []
  let training = null
  let picture = null

  async function know(of) {
    training = of
    element.hidden = of === null || of.image === null
    all = []
    if (element.hidden) return
    try {
      const found = await get(`/api/trainings/${of.id}/bits`)
      if (training !== of) return
      all = found
    } catch (error) {
      if (training === of) say(wrong, error.message)
    }
    body.hidden = !all.length
    if (!all.length) return
    say(wrong, '')
    way.min = Math.min(...all.map(one => one.bits))
    way.max = Math.max(...all.map(one => one.bits))
    way.value = FULL
    picture = fitPicture({ ...of, activation: of.activation.at(-1) }, t('learn.bits.picture'))
    place.replaceChildren(...picture ? [picture.element, caption] : [])
    draw()
  }

  function draw() {
    const bits = Number(way.value)
    const now = all.find(one => one.bits === bits)
    say(chosen, String(bits))
    way.setAttribute('aria-valuetext', t('learn.bits.of', { bits }))
    flips.replaceChildren(...now.flips.map(flip => h('li', {}, flipped(flip))))
    say(said, now.error || verdict(now))
    said.dataset.changed = now.error !== '' || now.changed > 0
    const last = training.frames.find(frame => frame.epoch === training.kept) ?? training.frames.at(-1)
    say(caption, t(now.line.length ? 'learn.bits.picture' : 'learn.bits.picture.whole'))
    picture?.show(now.line.length ? { ...last, line: now.line } : last)
    picture?.ring(training.samples.count === training.samples.x.length ? now.flips.map(flip => flip.row) : [])
    drawChart(bits)
  }

  function verdict(now) {
    const values = { bits: now.bits, bound: number(now.bound), seen: number(now.seen), of: t(`learn.bits.${now.of}`) }
    const flip = now.changed ? t('learn.bits.changed', { changed: now.changed, rows: now.rows })
      : t('learn.bits.same', { rows: now.rows, proven: now.proven })
    return `${t('learn.bits.errors', values)} ${flip}`
  }

  function flipped(flip) {
    const inputs = flip.inputs.map((value, n) => `${training.inputs[n]} = ${number(value)}`).join(', ')
    return t(flip.lit ? 'learn.bits.lights' : 'learn.bits.darkens', { inputs })
  }

  function drawChart(bits) {
    const known = all.filter(one => !one.error)
    const least = Math.min(...known.map(one => one.bound)) * NOTHING
    const xs = known.map(one => one.bits)
    const line = (name, of) => ({ name, xs, ys: known.map(one => Math.max(of(one), least)), dots: true })
    const y = decades(known.flatMap(one => [one.bound, Math.max(one.seen, least)]))
    chart.draw([
      line(t('learn.bits.bound'), one => one.bound),
      line(t('learn.bits.seen'), one => one.seen),
      { name: t('learn.bits.now'), xs: [bits, bits], ys: y },
    ], { x: [Math.min(...xs), FULL], y, log: true })
  }

  return { element, know }
}
