/** Loss and parameters of a frame, all their digits: this PC's, the node's, and whether they are the same. */

import { h, say } from '../svg.js'
import { t } from '../words.js'

const OPEN_MAX = 6
/** Parameters up to which all are seen at once. */

/** -> {element, show(frame, other: the node's, or null)} */
export function figures(training) {
  const rows = ['', ...training.parameters].map(name => {
    const [ours, theirs, same] = ['td', 'td', 'td'].map(tag => h(tag, { class: 'mono' }))
    const named = h('th', { scope: 'row' }, name || t('learn.loss.last'))
    return { ours, theirs, same, element: h('tr', {}, named, ours, same, theirs) }
  })
  const [pc, node] = [t('learn.pc'), t('learn.the.node')].map(who => h('th', { scope: 'col' }, who))
  const heading = h('tr', {}, h('td', {}), pc, h('td', {}), node)
  const table = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('learn.figures') },
    h('table', {}, h('thead', {}, heading), h('tbody', {}, rows.map(row => row.element))))
  const open = training.parameters.length <= OPEN_MAX
  const element = h('details', { class: 'figures', open }, h('summary', {}, t('learn.figures')), table)

  function show(frame, other) {
    const ours = [frame.loss, ...frame.parameters]
    const theirs = other ? [other.loss, ...other.parameters] : []
    rows.forEach((row, n) => {
      say(row.ours, String(ours[n] ?? '–'))
      say(row.theirs, String(theirs[n] ?? '–'))
      const same = other ? Object.is(ours[n], theirs[n]) : null
      row.element.dataset.same = same
      say(row.same, same === null ? '' : same ? '=' : '≠')
    })
  }

  return { element, show }
}
