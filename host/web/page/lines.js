/** The lines, each with its health, and the broker beside them. */

import { post } from './api.js'
import { chips, facts, sayings } from './parts.js'
import { action, tokenWanted, UNDER_WAY } from './deeds.js'
import { h, keyed, say } from './svg.js'
import { ended, store } from './store.js'
import { number, t } from './words.js'

const TONES = { up: 'good', searching: '', gone: 'bad', refused: 'bad' }

export function lines() {
  const element = h('div', { class: 'lines-grid' })
  const draw = keyed(element, one => one.id ?? one.url, one => (one.url ? brokerCard() : lineCard(one)))
  return {
    element,
    draw() {
      const ordered = [...store.lines.values()].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
      draw([...ordered, ...(store.broker ? [store.broker] : [])])
    },
  }
}

function lineCard({ id }) {
  const title = h('h2')
  const states = chips()
  const trouble = sayings('bad')
  const health = facts()
  const told = h('p', { class: 'small muted', role: 'status' })
  const look = action(t('nodes.line.look'), async () => {
    say(told, '')
    const { result } = await ended(await post(`/api/lines/${id}/search`))
    say(told, t('nodes.line.looked', { found: result.found }))
  })
  const element = h('article', { class: 'card line-card' },
    h('header', {}, title, states.element), trouble.element, health.element, look.element, told)
  const update = line => {
    say(title, t('nodes.line.name', { id: line.id, port: line.port }))
    states.set([
      [t(`nodes.line.${line.state}`), TONES[line.state]],
      ...(line.simulated ? [[t('nodes.line.simulated'), '']] : []),
      ...(line.powered === false ? [[t('nodes.line.unpowered'), 'bad']] : []),
    ])
    trouble.set(line.trouble ? line.trouble.split('; ') : [])
    const share = count => (line.requests ? ` (${number((100 * count) / line.requests, 2)} %)` : '')
    health.set([
      [t('nodes.line.settings'), line.baud ? `${line.baud} ${line.format}` : '–'],
      [t('nodes.line.found'), line.found],
      [t('nodes.line.cycle'), `${number(line.cycle_seconds * 1000, 3)} ms`],
      [t('nodes.line.requests'), line.requests],
      [t('nodes.line.timeouts'), line.timeouts + (line.timeouts ? share(line.timeouts) : '')],
      [t('nodes.line.damaged'), line.damaged + (line.damaged ? share(line.damaged) : '')],
    ])
    const searching = [...store.jobs.values()].some(job => job.kind === 'search' && UNDER_WAY.includes(job.state))
    look.set(tokenWanted() || (searching ? t('nodes.why.search') : ''))
  }
  return { element, update }
}

/** Of MQTT. */
function brokerCard() {
  const states = chips()
  const trouble = sayings('bad')
  const health = facts()
  const url = h('p', { class: 'small muted' })
  const element = h('article', { class: 'card line-card' },
    h('header', {}, h('h2', {}, t('nodes.broker')), states.element), url, trouble.element, health.element)
  const update = broker => {
    say(url, broker.url)
    states.set([[t(`nodes.broker.${broker.state}`), TONES[broker.state]]])
    trouble.set(broker.trouble ? [broker.trouble] : [])
    health.set([
      [t('nodes.broker.sent'), broker.sent],
      [t('nodes.broker.queued'), broker.queued],
      [t('nodes.broker.dropped'), broker.dropped],
    ])
  }
  return { element, update }
}
