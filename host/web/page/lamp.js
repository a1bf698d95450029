/** The lamp: what all this is about. */

import { s, h } from './svg.js'
import { t } from './words.js'

const GLASS = 'M32 12a20 20 0 0 0-12 36c2.600 2 4 4.500 4 7h16c0-2.500 1.400-5 4-7A20 20 0 0 0 32 12z'

/** {element, set(lit)}: lit true, false, or null where nobody knows. size in CSS pixels. */
export function lamp(size = 64) {
  const rays = [-60, -30, 0, 30, 60].map(turn => s('path', { d: 'M32 7V2', transform: `rotate(${turn} 32 32)` }))
  const picture = s('svg', { viewBox: '0 0 64 76', width: size, height: (size * 76) / 64, 'aria-hidden': 'true' },
    s('g', { class: 'rays' }, rays),
    s('path', { class: 'glass', d: GLASS }),
    s('path', { class: 'filament', d: 'M26 54V42l3-6 3 5 3-5 3 6v12' }),
    s('path', { class: 'cap', d: 'M25 60h14M25 65h14M28 70h8' }))
  const text = h('span', { class: 'lamp-text' })
  const element = h('span', { class: 'lamp', role: 'img' }, picture, text)
  const set = lit => {
    const state = lit === null ? 'unknown' : lit ? 'lit' : 'dark'
    if (element.dataset.state === state) return
    element.dataset.state = state
    text.textContent = t(`common.lamp.${state}`)
    element.setAttribute('aria-label', t('common.lamp', { state: text.textContent }))
  }
  set(null)
  return { element, set }
}
