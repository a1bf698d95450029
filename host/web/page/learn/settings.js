/** How to train: rate, start, epochs, seed. Nothing forbids a rate at which it explodes. */

import { h } from '../svg.js'
import { number, t } from '../words.js'
import { slider } from './slider.js'

const STARTS_MAX = 3
/** Parameters up to which each start has a slider; of more they are random, by a seed. */
const WILD = 1.3
/** Times the largest stable rate: it explodes within the epochs that are seen. */

/** -> {element, set(choice), learnt(training): what is known by it, request(): what they say of a training} */
export function settings() {
  const usual = t('learn.auto.short')
  const rate = slider({ id: 'rate', label: t('learn.rate'), low: 1e-4, high: 10, log: true, usual })
  const epochs = slider({
    id: 'epochs', label: t('learn.epochs'), low: 1, high: 10_000, log: true, whole: true, usual,
  })
  const algorithm = h('select', { id: 'algorithm', onchange: () => limit() })
  const seed = h('input', { id: 'seed', type: 'number', min: 0, step: 1 })
  const seeds = h('div', { class: 'row' },
    h('label', { for: 'seed' }, t('learn.seed')), seed,
    h('button', { type: 'button', onclick: () => { seed.value = Number(seed.value) + 1 } }, t('learn.seed.next')))
  const starts = h('fieldset', { class: 'starts' })
  const stable = h('p', { class: 'small muted', id: 'stable' })
  const burst = () => rate.set(Number((WILD * choice.stable_rate).toPrecision(3)))
  const wild = h('button', { type: 'button', id: 'explode', onclick: burst }, t('learn.explode'))
  const element = h('div', { class: 'settings' },
    h('div', {}, rate.element, h('div', { class: 'row' }, stable, wild)),
    h('div', {}, epochs.element,
      h('div', { class: 'row' }, h('label', { for: 'algorithm' }, t('learn.algorithm')), algorithm)),
    starts, seeds)
  let choice = null
  let begin = []

  function set(chosen) {
    choice = chosen
    rate.set(chosen.rate)
    epochs.set(chosen.epochs)
    algorithm.replaceChildren(...chosen.algorithms.map(name =>
      h('option', { value: name }, name ? t(`learn.algorithm.${name}`) : t('learn.auto'))))
    algorithm.value = chosen.algorithm
    begin = chosen.start.length <= STARTS_MAX ? chosen.start.map((value, n) => {
      const one = slider({ id: `start-${n}`, label: chosen.parameters[n], low: -3, high: 3 })
      one.set(value)
      return one
    }) : []
    starts.hidden = !begin.length
    starts.replaceChildren(h('legend', {}, t('learn.start')), ...begin.map(one => one.element))
    seeds.hidden = chosen.seed === null
    seed.value = chosen.seed ?? ''
    limit()
  }

  /** What is known of rates that are too large. */
  function limit() {
    const known = algorithm.value === 'adam' ? null : choice.stable_rate
    rate.mark(known, t('learn.stable', { rate: number(known) }))
    stable.textContent = known === null ? t('learn.stable.unknown') : t('learn.stable', { rate: number(known) })
    wild.hidden = known === null
  }

  function request() {
    const start = begin.map(one => one.get())
    const said = {
      rate: rate.get(),
      epochs: epochs.get(),
      algorithm: algorithm.value || null,
      start: start.length && !start.includes(null) ? start : null,
      seed: seed.value === '' ? null : seed.valueAsNumber,
    }
    return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null))
  }

  return {
    element,
    set,
    learnt(training) {
      choice = { ...choice, stable_rate: training.stable_rate }
      limit()
    },
    request,
  }
}
