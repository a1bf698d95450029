/** The node that the learner works with: the first that answers, until another is chosen. */

import { token } from '../api.js'
import { h, keyed, say } from '../svg.js'
import { changed, store, subscribe } from '../store.js'
import { t } from '../words.js'
import { lamp } from '../lamp.js'

let wanted = null
/** What a node has just said of its lamp, in its answer to inputs: newer than what is polled. {uid, led, node} */
let answered = null

/** The node as it stands, or null. */
export function theNode() {
  const nodes = [...store.nodes.values()]
  return store.nodes.get(wanted) ?? nodes.find(one => one.state === 'ok') ?? nodes[0] ?? null
}

/** Why it cannot be told anything now; '' where it can. */
export function whyNot() {
  const node = theNode()
  if (node === null) return t('learn.node.none.how')
  if (!token.get()) return t('learn.also.not')
  if (node.locked) return t('nodes.why.locked')
  return node.state === 'ok' ? '' : t('learn.also.away')
}

export function ready() {
  return whyNot() === ''
}

export function isSimulated(node) {
  return node !== null && store.lines.get(node.line)?.simulated === true
}

/** Whether somebody has pulled its plug. */
function isDead(node) {
  return node !== null && store.lines.get(node.line)?.powered === false
}

/** Its lamp is so: the node itself has said it. */
export function lampIs(uid, led) {
  answered = { uid, led, node: store.nodes.get(uid) }
  changed()
}

function ledOf(node) {
  if (isDead(node)) return false
  if (node?.state !== 'ok') return null
  return answered?.uid === node.uid && answered.node === node ? answered.led : node.led
}

function want(uid) {
  wanted = uid
  changed()
}

/** The node with its lamp, beside all that is done with it. */
export function nodeAside() {
  const light = lamp(112)
  const name = h('h2', {})
  const list = h('select', { id: 'learn-node', 'aria-label': t('learn.node.choose'), onchange: () => want(list.value) })
  const state = h('p', { class: 'small state' })
  const model = h('p', { class: 'small' })
  const why = h('p', { class: 'small muted', lang: 'en' })
  const element = h('aside', { class: 'card', 'aria-label': t('learn.node') },
    light.element, h('div', { class: 'about' }, name, list, state, model, why))
  const options = keyed(list, one => one.uid, one => {
    const option = h('option', { value: one.uid })
    const named = now => (store.lines.size > 1 ? t('learn.node.of', now) : now.name)
    return { element: option, update: now => say(option, named(now)) }
  })
  subscribe(() => {
    const node = theNode()
    light.set(ledOf(node))
    options([...store.nodes.values()])
    list.hidden = store.nodes.size < 2
    if (node) list.value = node.uid
    const stands = isDead(node) ? 'dead' : node?.state ?? 'none'
    element.dataset.state = stands
    say(name, node ? node.name : t('learn.node.none'))
    say(state, t(stands === 'none' ? 'learn.node.none.how' : `learn.node.${stands}`))
    say(model, node?.model ? t('learn.node.runs', { name: node.model.name || '–', crc: node.model.crc32 })
      : node?.state === 'ok' ? t('learn.node.empty') : '')
    say(why, node?.model ? node.model.lamp : '')
  })
  return element
}
