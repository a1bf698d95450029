/** Move the inputs of the node: its own answer lights the lamp, and the frames that did it stand there. */

import { post } from '../api.js'
import { h, say } from '../svg.js'
import { subscribe } from '../store.js'
import { number, t } from '../words.js'
import { lamp } from '../lamp.js'
import { lampIs, ready, theNode } from './chosen.js'
import { slider } from './slider.js'
import { truth } from './truth.js'
import { wire } from './wire.js'

/** Send what is newest, one at a time: what was overtaken meanwhile is never sent. */
function newest(send) {
  let waiting = null
  let busy = false
  return async value => {
    waiting = value
    if (busy) return
    busy = true
    while (waiting !== null) {
      const taken = waiting
      waiting = null
      await send(taken)
    }
    busy = false
  }
}

/** -> {element, know(training): its rows are a table to try} */
export function inputs() {
  const light = lamp(96)
  const controls = h('div', { class: 'controls' })
  const output = h('p', { class: 'number', role: 'status' })
  const trouble = h('p', { class: 'wrong', role: 'alert' })
  const bus = h('p', { class: 'muted' })
  const rows = h('div', { class: 'scroll' })
  const frames = wire()
  const asking = h('div', { class: 'columns' }, rows, frames.element)
  const element = h('section', { class: 'card', id: 'inputs', hidden: true, 'aria-labelledby': 'inputs-title' },
    h('h2', { id: 'inputs-title' }, t('learn.inputs')), h('p', { class: 'muted' }, t('learn.inputs.text')), bus,
    h('div', { class: 'moving' }, h('div', { class: 'lit-by' }, light.element, output), controls),
    trouble, asking)
  let shown = ''
  let values = []
  let handles = []
  let tried = null

  const send = newest(async ({ uid, row }) => {
    try {
      const answer = await post(`/api/nodes/${uid}/inputs`, { values: row })
      light.set(answer.led)
      lampIs(uid, answer.led)
      frames.show(answer.frames)
      tell(answer)
    } catch (error) {
      say(trouble, error.message)
    }
  })

  function tell(answer) {
    const name = answer.class === null ? '' : t('learn.inputs.class', { name: answer.class })
    say(output, `${t('learn.inputs.output')} ${answer.outputs.map(value => number(value)).join(', ')} ${name}`)
    const flags = [['out_of_range', 'learn.inputs.out'], ['clipped', 'learn.inputs.clipped']]
    say(trouble, flags.filter(([flag]) => answer[flag]).map(([, key]) => t(key)).join(' '))
    if (ours()) tried.answered(answer)
  }

  /** Whether the node runs what was trained here. */
  function ours() {
    return tried !== null && theNode()?.model?.crc32 === tried.crc32
  }

  function give(row) {
    values = row
    handles.forEach((handle, n) => handle.set(row[n]))
    send({ uid: theNode().uid, row })
  }

  function handle(input, place) {
    const name = ours() ? tried.inputs[place] : t('learn.inputs.input', { name: input.name })
    const moved = value => give(values.with(place, value))
    const one = slider({ id: `input-${place}`, label: name, low: input.low, high: input.high, changed: moved })
    const turned = () => moved(values[place] > 0.5 ? 0 : 1)
    const turn = ours() && tried.binary[place]
      ? h('button', { type: 'button', role: 'switch', 'aria-label': name, onclick: turned })
      : null
    return {
      element: h('div', { class: 'handle' }, turn, one.element),
      set(value) {
        one.set(value)
        turn?.setAttribute('aria-checked', value > 0.5)
      },
    }
  }

  subscribe(() => {
    const node = theNode()
    const model = node?.model
    element.hidden = !ready() || !model
    if (element.hidden) return
    const key = `${node.uid} ${model.crc32} ${ours()}`
    const sensed = model.inputs.find(input => input.source)
    bus.hidden = !sensed
    if (sensed) {
      say(bus, t('learn.inputs.sensed', { source: sensed.source }))
      light.set(node.led)
    }
    if (key === shown) return
    shown = key
    values = model.inputs.map((input, n) => node.inputs[n] ?? input.low)
    handles = sensed ? [] : model.inputs.map(handle)
    controls.replaceChildren(...handles.map(one => one.element))
    handles.forEach((one, n) => one.set(values[n]))
    asking.hidden = Boolean(sensed)
    rows.replaceChildren(...ours() ? [tried.element] : [])
    light.set(node.led)
    say(output, '')
    frames.show([])
  })

  return {
    element,
    know(training) {
      tried = training.image && truth(training, give)
      shown = ''
    },
  }
}
