/** The same training on the node, beside ours: what it had after each epoch that is shown, and whether its bits are
 * ours. */

import { post } from '../api.js'
import { UNDER_WAY } from '../deeds.js'
import { h, s, say } from '../svg.js'
import { ended, listen, store, subscribe } from '../store.js'
import { t } from '../words.js'

function stateOf(job) {
  return job && store.jobs.get(job.id)?.state
}

/** news(): there is more of it. -> {element, start(training, uid), drop(), frame(index): what the node had then, or null,
 * on(): whether it had any, count(): so many may be played} */
export function board(news) {
  const strip = s('svg', { class: 'strip', preserveAspectRatio: 'none', role: 'img' })
  const said = h('p', { class: 'verdict', role: 'status' })
  const step = h('p', { class: 'small muted', lang: 'en' })
  const bar = h('progress', { max: 1, value: 0, 'aria-label': t('learn.board') })
  const element = h('section', { class: 'board', hidden: true }, h('h3', {}, t('learn.board')), step, bar, strip, said)
  let training = null
  let node = null
  let job = null
  let error = ''
  let had = new Map()

  subscribe(() => {
    const now = job && running() ? store.jobs.get(job.id) : null
    step.hidden = bar.hidden = !now
    if (!now) return
    say(step, now.step ? `${now.step}: ${now.done} / ${now.total}` : '')
    bar.value = now.total ? now.done / now.total : 0
  })

  listen('board', one => {
    if (one.training !== training?.id || one.uid !== node) return
    had.set(one.epoch, one)
    draw()
    news()
  })

  function running() {
    return job !== null && UNDER_WAY.includes(stateOf(job))
  }

  function draw() {
    const epochs = training.frames.slice(1).map(frame => frame.epoch)
    const marks = epochs.map(epoch => ({ true: 'equal', false: 'different' })[had.get(epoch)?.equal] ?? 'waiting')
    strip.setAttribute('viewBox', `0 0 ${epochs.length} 1`)
    strip.replaceChildren(...marks.map((mark, n) => s('rect', { class: mark, x: n + 0.08, width: 0.84, height: 1 },
      s('title', {}, t(`learn.board.${mark}`, { epoch: epochs[n] })))))
    strip.setAttribute('aria-label', verdict())
    element.dataset.state = different() ? 'different' : error ? 'failed' : running() ? 'running' : 'equal'
    say(said, verdict())
  }

  function different() {
    return [...had.values()].find(one => !one.equal)
  }

  function verdict() {
    const other = different()
    if (other) return t('learn.board.not', { epoch: other.epoch })
    if (error) return error
    const last = Math.max(0, ...had.keys())
    if (!last) return t('learn.board.begins')
    return t(running() ? 'learn.board.so.far' : 'learn.board.all', { epochs: last })
  }

  async function start(of, uid) {
    drop()
    training = of
    node = uid
    element.hidden = false
    try {
      const begun = await post(`/api/trainings/${of.id}/board`, { uid })
      if (training !== of) return
      job = begun
      draw()
      await ended(begun)
    } catch (failure) {
      if (training === of) error = failure.message
    }
    if (training !== of) return
    draw()
    news()
  }

  function drop() {
    training = job = null
    error = ''
    had = new Map()
    element.hidden = true
  }

  return {
    element,
    start,
    drop,
    frame: index => (training && had.get(training.frames[index].epoch)) ?? null,
    /** Frames that may be played: while the node trains no more than it has. */
    count: () => (stateOf(job) === 'running' ? 1 + had.size : Infinity),
    on: () => training !== null && had.size > 0,
  }
}
