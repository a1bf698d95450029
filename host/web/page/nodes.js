/** The engineer's page: all lines and nodes, or one of them with all that is known of it. */

import { nodeCard, textOf } from './card.js'
import { events } from './events.js'
import { lines } from './lines.js'
import { nodeView } from './node.js'
import { h, keyed, say } from './svg.js'
import { changed, store, subscribe } from './store.js'
import { t } from './words.js'

let root = null
let all = null
let one = null

export function mount(element) {
  root = element
  all = overview()
  root.append(all)
  setInterval(changed, 1000) // trials count down
}

/** rest: [] for all nodes, [uid] for one. */
export function show([uid]) {
  changed() // nothing has been drawn meanwhile
  if (one?.uid === uid) return
  const before = one?.uid
  one?.close()
  one = uid ? nodeView(uid) : null
  all.hidden = Boolean(one)
  if (one) {
    root.append(one.element)
    one.start()
    one.element.querySelector('h1').focus()
    scrollTo(0, 0)
  } else if (before) root.querySelector(`[data-uid="${before}"]`)?.focus()
}

function overview() {
  const ports = lines()
  const filter = h('input', { id: 'filter', type: 'search', oninput: changed, autocomplete: 'off' })
  const count = h('p', { class: 'small muted', role: 'status' })
  const grid = h('div', { class: 'nodes-grid' })
  const draw = keyed(grid, node => node.uid, nodeCard)
  const happened = events(null, 15)
  subscribe(() => {
    if (root.hidden || all?.hidden) return
    ports.draw()
    const wanted = filter.value.trim().toLowerCase()
    const nodes = [...store.nodes.values()].filter(node => !wanted || textOf(node).includes(wanted))
    nodes.sort((a, b) => a.line.localeCompare(b.line, 'en', { numeric: true }) || a.address - b.address)
    draw(nodes)
    say(count, store.nodes.size ? t('nodes.shown', { shown: nodes.length, all: store.nodes.size }) : t('nodes.none'))
    happened.update()
  })
  return h('div', { class: 'stack' },
    h('h1', {}, t('nodes.title')),
    h('section', { class: 'stack', 'aria-label': t('nodes.lines') }, ports.element),
    h('section', { class: 'stack', 'aria-labelledby': 'nodes-title' },
      h('header', { class: 'bar' }, h('h2', { id: 'nodes-title' }, t('nodes.nodes')), count,
        h('label', { class: 'filter' }, t('nodes.filter'), filter)),
      grid),
    h('section', { class: 'card stack', 'aria-labelledby': 'events-title' },
      h('h2', { id: 'events-title' }, t('nodes.events')), happened.element))
}
