/** The frames that did it, in hex: each part says what it is, to a mouse, a finger or the keyboard. */

import { h, say } from '../svg.js'
import { t } from '../words.js'

function arrow(sign, text) {
  return h('span', { role: 'img', 'aria-label': text }, sign)
}

/** -> {element, show(frames)} */
export function wire() {
  const lines = h('div', { class: 'frames' })
  const text = h('p', { class: 'part-text', role: 'status' })
  const element = h('div', { class: 'wire' }, h('h3', {}, t('learn.wire')), lines, text)
  let chosen = ''

  function choose(key, part) {
    chosen = key
    say(text, `${part.hex}: ${part.text}`)
    lines.querySelectorAll('button').forEach(one => one.toggleAttribute('data-chosen', one.dataset.key === key))
  }

  function piece(part, key) {
    const tell = () => choose(key, part)
    return h('button', {
      type: 'button', 'data-key': key, 'data-chosen': key === chosen, 'aria-label': `${part.hex}: ${part.text}`,
      onclick: tell, onfocus: tell, onmouseenter: tell,
    }, part.hex)
  }

  function show(frames) {
    const held = lines.contains(document.activeElement) ? document.activeElement.dataset.key : null
    lines.replaceChildren(...frames.map((frame, n) => h('p', { class: 'frame mono' },
      frame.way === '->' ? arrow('→', t('learn.wire.asks')) : arrow('←', t('learn.wire.answers')),
      frame.parts.map((part, place) => piece(part, `${n}-${place}`)))))
    const same = lines.querySelector('[data-chosen]')
    say(text, same ? same.getAttribute('aria-label') : t(frames.length ? 'learn.wire.point' : 'learn.wire.hint'))
    if (held) lines.querySelector(`[data-key="${held}"]`)?.focus()
  }

  return { element, show }
}
