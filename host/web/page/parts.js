/** Small things that the engineer's page is made of. */

import { h, keyed, say } from './svg.js'
import { t } from './words.js'

/** A word in a frame. tone: '', good, warn, bad. */
export function chip(text, tone = '') {
  return h('span', { class: `chip ${tone}` }, text)
}

/** A row of words: set([[text, tone], ...]). */
export function chips() {
  const element = h('div', { class: 'chips' })
  const set = keyed(element, one => one.join(), ([text, tone]) => ({ element: chip(text, tone) }))
  return { element, set }
}

/** The gateway's own words: English, as the commands say them. set([text, ...]). */
export function sayings(tone) {
  const element = h('ul', { class: `sayings ${tone}`, lang: 'en' })
  const list = keyed(element, (text, place) => `${place} ${text}`, text => ({ element: h('li', {}, text) }))
  const set = texts => {
    element.hidden = !texts.length
    list(texts)
  }
  return { element, set }
}

/** What is known, each with its name: set([[name, text], ...]), where an element may stand for a text. */
export function facts() {
  const element = h('dl', { class: 'facts' })
  const set = keyed(element, ([name]) => name, ([name]) => {
    const value = h('dd', { class: 'number' })
    const update = ([, text]) => {
      if (text instanceof Node) value.replaceChildren(text)
      else say(value, String(text))
    }
    return { element: h('div', {}, h('dt', {}, name), value), update }
  })
  return { element, set }
}

/** A long name, its beginning alone, and a button that copies the whole of it: set(text). */
export function copyable(what, length = 12) {
  const code = h('code')
  let whole = ''
  const button = h('button', { type: 'button', class: 'copy' }, t('nodes.copy'))
  const done = h('span', { class: 'small good', role: 'status' })
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(whole)
      say(done, t('nodes.copied'))
      setTimeout(() => say(done, ''), 2000)
    } catch {
      say(code, whole) // the browser will not: it is there to be copied by hand
    }
  })
  const set = text => {
    whole = text
    button.hidden = !navigator.clipboard // of a page that came over the net without TLS there is none
    button.setAttribute('aria-label', t('nodes.copy.what', { what, text }))
    say(code, button.hidden || text.length <= length ? text : `${text.slice(0, length)}…`)
    code.title = text
  }
  return { element: h('span', { class: 'copyable' }, code, button, done), set }
}
