/** What was learnt, sent to the node. */

import { post } from '../api.js'
import { action } from '../deeds.js'
import { sayings } from '../parts.js'
import { h, say } from '../svg.js'
import { ended, store, subscribe } from '../store.js'
import { t } from '../words.js'
import { theNode, whyNot } from './chosen.js'

/** -> {element, know(training)} */
export function sender() {
  const deploy = action(t('learn.deploy'), send, 'main')
  deploy.element.firstChild.id = 'deploy'
  const anyway = h('input', { type: 'checkbox', id: 'anyway' })
  const changed = h('div', { class: 'row' }, anyway, h('label', { for: 'anyway' }, t('learn.deploy.anyway')))
  const formula = h('p', { class: 'mono formula' })
  const size = h('p', { class: 'small muted' })
  const bar = h('progress', { max: 1, value: 0, 'aria-label': t('learn.deploy'), hidden: true })
  const step = h('p', { class: 'small muted', role: 'status', lang: 'en' })
  const lines = sayings('')
  const element = h('section', { class: 'card', id: 'sender', hidden: true, 'aria-labelledby': 'sender-title' },
    h('h2', { id: 'sender-title' }, t('learn.deploy.title')), h('p', { class: 'muted' }, t('learn.deploy.text')),
    formula, size, changed, deploy.element, bar, step, lines.element)
  let training = null
  let job = null

  subscribe(() => {
    deploy.set(whyNot())
    const now = job && store.jobs.get(job)
    bar.hidden = now?.state !== 'running'
    say(step, { waiting: t('learn.deploy.waits'), running: now?.step }[now?.state] ?? '')
    if (now?.total) bar.value = now.done / now.total
  })

  async function send() {
    lines.set([])
    const begun = await post(`/api/trainings/${training.id}/deploy`, {
      uid: theNode().uid, ...anyway.checked ? { allow_changed: 1 } : {},
    })
    job = begun.id
    lines.set((await ended(begun)).lines)
  }

  function know(of) {
    training = of
    job = null
    lines.set([])
    element.hidden = of.image === null
    anyway.checked = false
    changed.hidden = !of.rows.some(row => row.changed)
    if (element.hidden) return
    say(formula, of.formula)
    say(size, t('learn.deploy.size', { bytes: of.image.bytes, crc: of.image.crc32, lamp: of.lamp }))
  }

  return { element, know }
}
