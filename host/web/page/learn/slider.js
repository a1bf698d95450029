/** A slider with its number beside it: either sets the other. */

import { h } from '../svg.js'
import { number } from '../words.js'

const NOTCHES = 400

/** id: of the slider, `id`-number is that of its number; label: text; low, high: where the slider ends, which the
 * number may pass; log: even steps are even factors; whole: no fractions; usual: what stands in place of nothing;
 * changed(value): somebody has moved it.
 * -> {element, get(): null where it says nothing, set(value), mark(value, text): a sign on its way, none for null} */
export function slider({ id, label, low, high, log = false, whole = false, usual = ' ', changed = () => {} }) {
  const [from, to] = log ? [Math.log(low), Math.log(high)] : [low, high]
  const share = value => Math.max(0, Math.min(1, ((log ? Math.log(value) : value) - from) / (to - from)))
  const at = place => {
    const value = from + (place / NOTCHES) * (to - from)
    const own = log ? Math.exp(value) : value
    return whole ? Math.round(own) : Number(own.toPrecision(3))
  }
  const slid = () => tell(at(Number(way.value)))
  const typed = () => tell(box.valueAsNumber)
  const way = h('input', { type: 'range', min: 0, max: NOTCHES, id, 'aria-label': label, oninput: slid })
  const box = h('input', {
    id: `${id}-number`, type: 'number', step: 'any', class: 'number', placeholder: usual,
    'aria-labelledby': `${id}-label`, oninput: typed,
  })
  const sign = h('span', { class: 'sign', hidden: true, 'aria-hidden': 'true' })
  const element = h('div', { class: 'slider' },
    h('label', { for: id, id: `${id}-label` }, label), box, h('div', { class: 'way' }, way, sign))

  function set(value) {
    if (document.activeElement !== box) box.value = value ?? '' // who is typing is not interrupted
    way.value = value === null ? NOTCHES / 2 : Math.round(NOTCHES * share(value))
    way.setAttribute('aria-valuetext', number(value))
  }

  function tell(value) {
    if (Number.isNaN(value)) return
    set(value)
    changed(value)
  }

  function mark(value, text = '') {
    sign.hidden = value === null
    if (value === null) return
    sign.style.left = `${100 * share(value)}%`
    sign.title = text
  }

  return { element, get: () => (box.value === '' ? null : box.valueAsNumber), set, mark }
}
