/** The learner's page: choose, train, see it walk, move the inputs of a node that runs it, and pull its plug. */

import { get, post } from './api.js'
import { UNDER_WAY } from './deeds.js'
import { fewerBits } from './learn/bits.js'
import { nodeAside, ready, theNode, whyNot } from './learn/chosen.js'
import { chooser } from './learn/choose.js'
import { inputs } from './learn/inputs.js'
import { plug } from './learn/plug.js'
import { sender } from './learn/sender.js'
import { settings } from './learn/settings.js'
import { trained } from './learn/trained.js'
import { walk } from './learn/walk.js'
import { h, say } from './svg.js'
import { subscribe } from './store.js'
import { t } from './words.js'

export function mount(root) {
  const how = settings()
  const way = walk()
  const sends = sender()
  const moves = inputs()
  const pulls = plug()
  const bits = fewerBits()
  const train = h('button', { type: 'button', class: 'main', id: 'train', onclick: begin }, t('learn.train'))
  const cancel = h('button', { type: 'button', id: 'cancel', hidden: true, onclick: end }, t('common.cancel'))
  const also = h('input', { type: 'checkbox', id: 'also', checked: true })
  const alone = h('p', { class: 'small muted' })
  const said = h('p', { class: 'small muted', role: 'status' })
  const wrong = h('p', { class: 'wrong', role: 'alert', lang: 'en' })
  const place = h('section', { class: 'card', 'aria-busy': true, 'aria-label': t('learn.choose') })
  const both = h('span', { class: 'field' }, also, h('label', { for: 'also' }, t('learn.also')))
  const first = h('div', { class: 'first' }, place,
    h('section', { class: 'card', 'aria-label': t('learn.how') }, how.element,
      h('div', { class: 'row' }, train, cancel, both), alone, said, wrong))
  let choice = null
  let begun = null

  root.append(
    h('div', { class: 'article' },
      h('header', {}, h('h1', {}, t('learn.title')), h('p', { class: 'muted' }, t('learn.text'))),
      first, way.element, sends.element, moves.element, pulls.element, bits.element),
    nodeAside())

  subscribe(stand)

  function stand() {
    also.disabled = !ready() || Boolean(choice?.alone)
    say(alone, whyNot() || choice?.alone || '')
  }

  get('/api/recipes').then(recipes => {
    const choices = chooser(recipes, one => {
      choice = one
      how.set(one)
      say(wrong, '')
      stand()
    })
    place.append(choices.element)
    place.after(choices.preview)
    place.removeAttribute('aria-busy')
  }, error => place.replaceChildren(h('p', { class: 'wrong', role: 'alert' }, error.message)))

  async function begin() {
    train.disabled = true
    say(wrong, '')
    say(said, t('learn.training'))
    try {
      const request = { ...choice.request(), ...how.request() }
      begun = await post('/api/trainings', request)
      cancel.hidden = !UNDER_WAY.includes(begun.state)
      show(await trained(begun, text => say(said, text)), request)
    } catch (error) {
      say(wrong, error.message)
    }
    say(said, '')
    cancel.hidden = true
    train.disabled = false
  }

  async function end() {
    try {
      await post(`/api/trainings/${begun.id}/cancel`)
      cancel.hidden = true
    } catch (error) {
      say(wrong, error.message)
    }
  }

  function show(training, request) {
    if (!training.frames.length) throw new Error(training.error || training.diverged?.why)
    way.show(training)
    if (also.checked && ready() && !request.recordings) way.onNode(theNode().uid)
    how.learnt(training)
    sends.know(training)
    moves.know(training)
    pulls.know(training, request)
    bits.know(training)
    way.element.scrollIntoView()
  }
}

export function show() {}
