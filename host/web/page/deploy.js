/** A model for a node: what is in an image's file is shown before any of it is sent. */

import { base64, post } from './api.js'
import { action, actions } from './deeds.js'
import { h, say } from './svg.js'
import { t } from './words.js'

const TRIAL_SECONDS = 60
const TRIAL_MOST = 65535

/** {element, set(why)}: why nothing can be deployed now; '' where it can. */
export function deployment(uid) {
  let [image, why, turn] = ['', '', 0]
  const input = h('input', { id: 'image', type: 'file', class: 'unseen', accept: '.img' })
  const name = h('span', { class: 'muted' }, t('nodes.deploy.drop'))
  const drop = h('div', { class: 'drop' },
    input, h('label', { class: 'button', for: 'image' }, t('nodes.deploy.choose')), name)
  const wrong = h('p', { class: 'wrong', role: 'alert', lang: 'en' })
  const inside = h('pre', { lang: 'en', tabindex: 0, 'aria-label': t('nodes.deploy.inside') })
  const keep = h('input', { type: 'radio', name: 'how', id: 'how-keep', checked: true, onchange: how })
  const trial = h('input', { type: 'radio', name: 'how', id: 'how-trial', onchange: how })
  const seconds = h('input',
    { type: 'number', id: 'trial-seconds', min: 1, max: TRIAL_MOST, value: TRIAL_SECONDS, oninput: how })
  const send = action(t('nodes.deploy.send'), go, 'main')
  const buttons = actions(send)
  const ready = h('div', { class: 'stack', hidden: true },
    h('h3', {}, t('nodes.deploy.inside')), inside,
    h('fieldset', {}, h('legend', {}, t('nodes.deploy.how')),
      h('div', { class: 'choice' }, keep, h('label', { for: 'how-keep' }, t('nodes.deploy.keep'))),
      h('div', { class: 'choice' }, trial, h('label', { for: 'how-trial' }, t('nodes.deploy.trial')),
        seconds, h('label', { for: 'trial-seconds' }, t('nodes.deploy.seconds')))),
    buttons.element)

  input.addEventListener('change', () => choose(input.files[0]))
  drop.addEventListener('dragover', event => {
    event.preventDefault()
    drop.classList.add('over')
  })
  drop.addEventListener('dragleave', () => drop.classList.remove('over'))
  drop.addEventListener('drop', event => {
    event.preventDefault()
    drop.classList.remove('over')
    if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0])
  })

  async function choose(chosen) {
    const mine = ++turn
    ready.hidden = true
    say(wrong, '')
    say(name, chosen ? chosen.name : t('nodes.deploy.drop'))
    if (!chosen) return
    try {
      const bytes = base64(await chosen.arrayBuffer())
      const said = await post('/api/describe', { image: bytes })
      if (mine !== turn) return // another has been chosen since
      image = bytes
      inside.textContent = said.lines.join('\n')
      ready.hidden = false
    } catch (error) {
      if (mine === turn) say(wrong, error.message)
    }
  }

  function how() {
    seconds.disabled = !trial.checked
    const right = keep.checked || seconds.checkValidity() && seconds.value
    buttons.set(why || (right ? '' : t('nodes.deploy.seconds.wrong', { most: TRIAL_MOST })))
  }

  async function go() {
    await post(`/api/nodes/${uid}/deploy`, trial.checked ? { image, trial: Number(seconds.value) } : { image })
  }

  const set = reason => {
    why = reason
    how()
  }
  return { element: h('div', { class: 'stack' }, drop, wrong, ready), set }
}
