/** What is done to nodes: buttons that say why they cannot be pressed, and what becomes of a job. */

import { token } from './api.js'
import { chip, sayings } from './parts.js'
import { h, keyed, say } from './svg.js'
import { store } from './store.js'
import { known, t } from './words.js'

const SHOWN = 4
const TONES = { waiting: '', running: '', done: 'good', failed: 'bad' }
export const UNDER_WAY = ['waiting', 'running']

/** Why nothing can be done from here; '' where it can. */
export function tokenWanted() {
  return token.get() ? '' : t('common.token.needed')
}

/** Why nothing can be done to a node; '' where it can. */
export function whyNot(node) {
  if (tokenWanted()) return tokenWanted()
  if (node.locked) return t('nodes.why.locked')
  const job = [...store.jobs.values()].find(one => one.uid === node.uid && UNDER_WAY.includes(one.state))
  if (node.busy || job) return t('nodes.why.busy', { kind: kindOf(job?.kind ?? node.busy) })
  return ''
}

export function kindOf(kind) {
  return known(`nodes.job.${kind}`, kind)
}

/** A button: {element, button, set(why)}; why: the reason for which it cannot be pressed, '' where it can. It keeps the focus
 * even then, so that the keyboard's user finds it again. What run() throws is said beside it. */
export function action(text, run, look = '') {
  let [why, asking] = ['', false]
  const button = h('button', { type: 'button', class: look }, text)
  const wrong = h('span', { class: 'wrong small', role: 'alert', lang: 'en' })
  const stand = () => {
    button.setAttribute('aria-disabled', Boolean(why) || asking)
    button.title = why
  }
  button.addEventListener('click', async () => {
    if (why || asking) return
    asking = true
    stand()
    say(wrong, '')
    try {
      await run()
    } catch (error) {
      say(wrong, error.message)
    } finally {
      asking = false
      stand()
    }
  })
  stand()
  const set = reason => {
    if (reason === why) return
    why = reason
    stand()
  }
  return { element: h('span', { class: 'action' }, button, wrong), button, set }
}

/** Some buttons, and why none of them can be pressed: set(why). */
export function actions(...buttons) {
  const why = h('p', { class: 'small muted why' })
  const row = h('div', { class: 'buttons' }, ...buttons.map(one => one.element))
  const element = h('div', { class: 'actions' }, row, why)
  const set = reason => {
    say(why, reason)
    why.hidden = !reason
    buttons.forEach(one => one.set(reason))
  }
  return { element, set }
}

/** The newest jobs of a node. What ends is said aloud as well. */
export function jobsOf(uid) {
  const list = h('div', { class: 'jobs' })
  const aloud = h('p', { class: 'unseen', role: 'status' })
  const spoken = new Map()
  const draw = keyed(list, job => job.id, jobCard)
  const update = () => {
    const jobs = [...store.jobs.values()].filter(job => job.uid === uid).slice(-SHOWN).reverse()
    draw(jobs)
    for (const job of jobs) {
      const before = spoken.get(job.id)
      spoken.set(job.id, job.state)
      if (!UNDER_WAY.includes(before) || UNDER_WAY.includes(job.state)) continue
      say(aloud, [kindOf(job.kind), t(`nodes.job.state.${job.state}`), job.error, ...job.lines].join('. '))
    }
    for (const id of spoken.keys()) if (!store.jobs.has(id)) spoken.delete(id)
  }
  return { element: h('div', {}, list, aloud), update }
}

function jobCard({ kind }) {
  const state = h('span')
  const bar = h('progress')
  const step = h('span', { class: 'small muted', lang: 'en' })
  const lines = sayings('')
  const error = h('p', { class: 'bad', lang: 'en' })
  const element = h('article', { class: 'job' },
    h('header', {}, h('h3', {}, kindOf(kind)), state), h('div', { class: 'progress' }, bar, step), lines.element, error)
  const update = job => {
    if (element.dataset.state !== job.state) {
      state.replaceChildren(chip(t(`nodes.job.state.${job.state}`), TONES[job.state]))
      element.dataset.state = job.state
    }
    bar.parentElement.hidden = !UNDER_WAY.includes(job.state)
    bar.max = job.total || 1
    if (job.total) bar.value = job.done
    else bar.removeAttribute('value')
    bar.setAttribute('aria-label', kindOf(kind))
    say(step, job.step)
    lines.set(job.lines)
    error.hidden = !job.error
    say(error, job.error)
  }
  return { element, update }
}
