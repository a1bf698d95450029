/** A live recording of a node's channels: some seconds of each label, then windows of it are what is learnt from. */

import { blob, post } from '../api.js'
import { h, say } from '../svg.js'
import { ended, subscribe } from '../store.js'
import { t } from '../words.js'
import { isSimulated, ready, theNode } from './chosen.js'
import { modelOptions, ofOwn } from './own.js'

const TAKES_MAX = 12
const WINDOW = 256
const WINDOWS = [16, 32, 64, 128, 256, 512, 1024]
const PUMP = { by: 'd0=off,running', seconds: 15 }
/** For a simulated node, whose pump begins anew with each recording: a label by hand would be wrong. */

/** changed(): it is another choice now. -> {element, choice()} */
export function recorder(changed) {
  const field = (name, control) => h('span', { class: 'field' }, h('label', { for: control.id }, t(name)), control)
  const label = h('input', { id: 'label', value: 'off', maxlength: 20 })
  const by = h('input', { id: 'label-channel', placeholder: PUMP.by, size: 14 })
  const seconds = h('input', { id: 'seconds', type: 'number', min: 1, max: 60, value: 3 })
  const rate = h('input', { id: 'record-rate', type: 'number', min: 1, max: 10_000, value: 1000 })
  const channels = h('input', { id: 'channels', value: 'a0' })
  const windows = h('select', { id: 'window', onchange: changed }, WINDOWS.map(size => h('option', {}, String(size))))
  windows.value = WINDOW
  const model = h('select', { id: 'live-model', onchange: changed }, modelOptions())
  model.value = 'logistic'
  const record = h('button', { type: 'button', id: 'record', onclick: go }, t('learn.live.record'))
  const said = h('p', { class: 'small', role: 'status' })
  const wrong = h('p', { class: 'wrong', role: 'alert', lang: 'en' })
  const pump = h('p', { class: 'small', hidden: true }, t('learn.live.pump'))
  const list = h('ul', { class: 'takes' })
  const element = h('div', { class: 'own', hidden: true }, h('p', { class: 'muted' }, t('learn.live.text')), pump,
    h('div', { class: 'row' },
      field('learn.live.label', label), field('learn.live.by', by),
      field('learn.live.seconds', seconds), field('learn.live.rate', rate), field('learn.live.channels', channels),
      record),
    said, wrong, list,
    h('div', { class: 'row' }, field('learn.live.window', windows), field('learn.csv.model', model)))
  let takes = []
  let busy = false

  subscribe(() => {
    record.disabled = busy || !ready()
    if (pump.hidden !== isSimulated(theNode())) return
    pump.hidden = !pump.hidden
    by.value = pump.hidden ? '' : PUMP.by
    if (!pump.hidden) seconds.value = PUMP.seconds
  })

  async function go() {
    busy = record.disabled = true
    say(wrong, '')
    const labels = by.value.trim() ? { label_channel: by.value.trim() } : { label: label.value }
    const [name] = Object.values(labels)
    say(said, t('learn.live.records', { label: name }))
    try {
      const asked = {
        seconds: seconds.valueAsNumber, ...labels, rate: rate.valueAsNumber,
        channels: channels.value.split(/[\s,]+/).filter(Boolean),
      }
      const { result, lines } = await ended(await post(`/api/nodes/${theNode().uid}/record`, asked))
      const text = await (await blob(`/api/recordings/${result.recording}`)).text()
      takes = [...takes, { ...asked, label: name, name: `${result.recording}.csv`, text }].slice(-TAKES_MAX)
      say(said, lines.join(' '))
    } catch (error) {
      say(said, '')
      say(wrong, error.message)
    }
    busy = record.disabled = false
    draw()
    changed()
  }

  function draw() {
    list.replaceChildren(...takes.map(take => h('li', {},
      h('span', {}, t('learn.live.take', take)),
      without(take))))
  }

  function without(take) {
    const drop = () => {
      takes = takes.filter(one => one !== take)
      draw()
      changed()
    }
    const name = t('learn.live.drop', take)
    return h('button', { type: 'button', class: 'quiet', 'aria-label': name, onclick: drop }, '×')
  }

  function request() {
    const labels = new Set(takes.map(take => take.label))
    if (labels.size < 2 && !takes.some(take => take.label_channel)) throw new Error(t('learn.live.two'))
    const recordings = takes.map(({ name, text }) => ({ name, text }))
    return { model: model.value, recordings, window: Number(windows.value) }
  }

  return { element, choice: () => ({ ...ofOwn(model.value, request), alone: t('learn.also.windows') }) }
}
