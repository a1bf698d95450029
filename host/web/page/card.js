/** A node among many. */

import { kindOf } from './deeds.js'
import { lamp } from './lamp.js'
import { chips, copyable } from './parts.js'
import { h, say } from './svg.js'
import { store } from './store.js'
import { clock, known, t } from './words.js'

export const TONES = { ok: 'good', waiting: '', lost: 'bad', trouble: 'bad' }
const GRAVE = ['FAULT', 'BUS_LOST', 'CLIPPED', 'OUT_OF_RANGE']

/** Whether its lamp is lit, as far as anybody knows: null. */
export function litOf(node) {
  return node.state === 'ok' ? node.led : null
}

/** Seconds that a trial has left by now; 0: there is none. */
export function trialOf(node) {
  return node.trial_left ? Math.max(1, Math.round(node.trial_left - (Date.now() / 1000 - node.heard))) : 0
}

/** Its states in words, each with a tone. */
export function statesOf(node) {
  const left = trialOf(node)
  return [
    ...(left ? [[t('nodes.trial.left', { left }), 'warn']] : []),
    ...node.states.filter(name => name !== 'TRIAL')
      .map(name => [known(`nodes.is.${name}`, name), GRAVE.includes(name) ? 'bad' : 'warn']),
    ...(node.busy ? [[t('nodes.busy', { kind: kindOf(node.busy) }), '']] : []),
    ...(node.locked ? [[t('nodes.locked'), '']] : []),
    ...(node.keyed ? [[t('nodes.keyed'), '']] : []),
    ...(node.warnings.length ? [[t('nodes.warnings', { count: node.warnings.length }), 'warn']] : []),
    ...(node.lost.length ? [[t('nodes.missed'), 'warn']] : []),
  ]
}

/** Where it is. */
export function placeOf(node) {
  return t('nodes.place', { line: node.line, port: store.lines.get(node.line)?.port ?? '', address: node.address })
}

/** All that a search finds it by. */
export function textOf(node) {
  const { model } = node
  const states = statesOf(node).map(([text]) => text)
  const words = [node.name, node.uid, placeOf(node), t(`nodes.state.${node.state}`), ...states, node.class]
  return [...words, model?.name, model?.crc32, model?.hash].join(' ').toLowerCase()
}

export function nodeCard({ uid }) {
  const picture = lamp(56)
  const link = h('a', { href: `#nodes/${uid}`, class: 'cover', 'data-uid': uid })
  const place = h('p', { class: 'small muted' })
  const state = chips()
  const model = h('p', { class: 'model' })
  const hash = copyable(t('nodes.hash'), 8)
  const hashes = h('p', { class: 'small muted hashes' }, hash.element)
  const states = chips()
  const trouble = h('p', { class: 'small bad', lang: 'en' })
  const element = h('article', { class: 'card node-card' },
    picture.element,
    h('div', { class: 'what' },
      h('header', {}, h('h3', {}, link), state.element), place, model, hashes, states.element, trouble))
  const update = node => {
    element.dataset.state = node.state
    picture.set(litOf(node))
    say(link, node.name)
    say(place, placeOf(node))
    state.set([[t(`nodes.state.${node.state}`), TONES[node.state]]])
    say(model, node.model ? modelOf(node) : t(node.state === 'ok' ? 'nodes.model.none' : 'nodes.model.unknown'))
    hashes.hidden = !node.model
    if (node.model) hash.set(node.model.hash)
    states.set(statesOf(node))
    const seen = node.seen ? t('nodes.seen', { time: clock(node.seen) }) : t('nodes.seen.never')
    say(trouble, node.state === 'ok' ? '' : [node.trouble, seen].filter(Boolean).join(' · '))
  }
  return { element, update }
}

function modelOf(node) {
  const name = t('nodes.model.named', { name: node.model.name || t('nodes.model.nameless'), crc: node.model.crc32 })
  return node.class === null ? name : `${name} · ${node.class}`
}
