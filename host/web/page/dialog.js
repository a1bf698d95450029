/** Questions, each in a <dialog>: the keyboard stays in it, Escape answers no, and the focus goes back where it was. */

import { h } from './svg.js'
import { t } from './words.js'

/** Show a dialog until it is closed. fill(close) -> its children; close(answer) ends it. Promise of the answer. */
export function dialog(title, fill) {
  return new Promise(resolve => {
    let answer = null
    const box = h('dialog', { 'aria-labelledby': 'dialog-title' })
    const close = value => {
      answer = value
      box.close()
    }
    box.append(h('h2', { id: 'dialog-title' }, title), ...fill(close))
    box.addEventListener('close', () => {
      box.remove()
      resolve(answer)
    })
    document.body.append(box)
    box.showModal()
  })
}

/** Ask whether to do it; yes: what the button says that does. Enter alone does not. */
export async function sure(title, text, yes) {
  return await dialog(title, close => [
    h('p', {}, text),
    h('div', { class: 'buttons' },
      h('button', { type: 'button', class: 'main', onclick: () => close(true) }, yes),
      h('button', { type: 'button', autofocus: true, onclick: () => close(false) }, t('common.cancel'))),
  ]) === true
}
