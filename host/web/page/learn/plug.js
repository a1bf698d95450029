/** Pull the plug: the power of the simulated node fails at one flash word of a commit, and the old model comes back or
 * the new one. */

import { get, post } from '../api.js'
import { h, say } from '../svg.js'
import { ended, listen, now, store, subscribe } from '../store.js'
import { t } from '../words.js'
import { isSimulated, ready, theNode } from './chosen.js'
import { trained } from './trained.js'

const TRIES_KEPT = 60
const WORDS_AROUND = 16
/** Words of a commit beside those of the image: header and verdict, and some behind the last. */
const NEVER = 65536
const LOOK_AGAIN = 100
/** Milliseconds. */
const OR = 'x1,x2,y\n0,0,-1\n0,1,1\n1,0,1\n1,1,1\n'

/** The request of another model, that the same node takes: OR in place of AND, else the same after one epoch. */
function otherOf(training, request) {
  const article = !request.csv && !request.recordings
  if (training.model === 'and' && article) return { model: 'and', csv: OR, name: 'or.csv', target: 'y' }
  return { ...request, epochs: training.epochs === 1 ? 2 : 1 }
}

/** The node as it answers from now on, with its power. */
async function back(uid) {
  for (let since = now(); ; await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN))) {
    const node = await get(`/api/nodes/${uid}`)
    if (store.lines.get(node.line)?.powered === false) since = now()
    else if (node.state === 'ok' && node.model && node.seen > since) return node
  }
}

/** -> {element, know(training, request)} */
export function plug() {
  const way = h('input', { type: 'range', id: 'word', min: 1, oninput: () => sayWord() })
  const word = h('output', { class: 'number', for: 'word' })
  const pulled = () => run(pullOnce)
  const pull = h('button', { type: 'button', class: 'main', id: 'pull', onclick: pulled }, t('learn.plug.pull'))
  const made = () => run(makeOther)
  const prepare = h('button', { type: 'button', id: 'prepare', onclick: made }, t('learn.plug.prepare'))
  const models = h('p', { class: 'small' })
  const said = h('p', { class: 'verdict', role: 'status' })
  const wrong = h('p', { class: 'wrong', role: 'alert', lang: 'en' })
  const tries = h('ol', { class: 'tries', 'aria-label': t('learn.plug.tries') })
  const asked = h('div', { class: 'row' }, h('label', { for: 'word' }, t('learn.plug.word')), word)
  const tool = h('div', {}, asked, way, pull)
  const element = h('section', { class: 'card', id: 'plug', hidden: true, 'aria-labelledby': 'plug-title' },
    h('h2', { id: 'plug-title' }, t('learn.plug')), h('p', { class: 'muted' }, t('learn.plug.text')),
    prepare, models, tool, said, wrong, tries)
  let known = null
  let other = null
  let busy = false

  async function run(work) {
    busy = true
    stand()
    say(wrong, '')
    try {
      await work()
    } catch (error) {
      say(wrong, error.message)
    }
    busy = false
    stand()
  }

  async function makeOther() {
    const begun = await post('/api/trainings', otherOf(known.training, known.request))
    const made = await trained(begun, text => say(said, text))
    say(said, '')
    if (!made.image) throw new Error(made.error || t('learn.plug.none'))
    other = made
    const words = Math.ceil(Math.max(other.image.bytes, known.training.image.bytes) / 4)
    way.max = words + WORDS_AROUND
    way.value = Math.round(words / 2)
    sayWord()
  }

  /** What is running is the old one; the other of the two is sent. */
  async function pullOnce() {
    const { uid, model } = theNode()
    const old = [known.training, other].find(one => one.image.crc32 === model?.crc32)
    if (!old) throw new Error(t('learn.plug.deploy'))
    const sent = old === other ? known.training : other
    const words = Number(way.value)
    say(said, t('learn.plug.cutting', { word: words }))
    await post(`/api/nodes/${uid}/cut`, { words })
    let off = false
    const end = listen('event', event => { off ||= event.kind === 'POWER_OFF' })
    try {
      const job = await post(`/api/trainings/${sent.id}/deploy`, { uid, allow_changed: 1 })
      const failure = await ended(job).then(() => null, error => error)
      if (failure && !off) throw failure
      tell(words, await back(uid), old, sent, off)
    } finally {
      end()
      if (!off) await post(`/api/nodes/${uid}/cut`, { words: NEVER })
    }
  }

  /** Which model came back. off: its power has failed at all. */
  function tell(words, node, old, sent, off) {
    const came = node.model.crc32 === old.image.crc32 ? 'old' : node.model.crc32 === sent.image.crc32 ? 'new' : 'mix'
    const text = t(off ? `learn.plug.${came}` : 'learn.plug.late', { word: words, name: nameOf(node.model.crc32) })
    say(said, text)
    const brief = t(off ? `learn.plug.${came}.short` : 'learn.plug.late.short')
    tries.append(h('li', { class: came, title: text }, `${words}: ${brief}`))
    if (tries.children.length > TRIES_KEPT) tries.firstChild.remove()
  }

  function nameOf(crc32) {
    return crc32 === known.training.image.crc32 ? t('learn.plug.first') : t('learn.plug.second')
  }

  function sayWord() {
    say(word, way.value)
    way.setAttribute('aria-valuetext', t('learn.plug.word.of', { word: way.value }))
  }

  function stand() {
    const node = theNode()
    element.hidden = !known?.training.image || !isSimulated(node)
    if (element.hidden) return
    prepare.hidden = other !== null
    tool.hidden = models.hidden = other === null
    prepare.disabled = pull.disabled = busy || !ready()
    if (other) {
      const values = { first: known.training.image.crc32, second: other.image.crc32, now: node.model?.crc32 ?? '–' }
      say(models, t('learn.plug.models', values))
    }
  }

  subscribe(stand)

  function know(training, request) {
    known = { training, request }
    other = null
    tries.replaceChildren()
    say(said, '')
    stand()
  }

  return { element, know }
}
