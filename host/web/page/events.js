/** What has happened, the newest first. */

import { chip } from './parts.js'
import { h, keyed } from './svg.js'
import { store } from './store.js'
import { clock, known, t } from './words.js'

const TONES = {
  FAULT: 'bad', LOST: 'bad', TROUBLE: 'bad', LINE_TROUBLE: 'bad', LINE_GONE: 'bad', BROKER_GONE: 'bad', EVENTS_LOST: 'bad',
  POWER_OFF: 'warn', BUS_LOST: 'warn', CLIPPED: 'warn', GAP: 'warn', LATE: 'warn',
  BACK: 'good', LINE_BACK: 'good', BROKER_BACK: 'good',
}

/** uid: of whose events; null: all. shown: how many at most. */
export function events(uid, shown) {
  const list = h('ol', { class: 'events' })
  const none = h('p', { class: 'muted' }, t('nodes.events.none'))
  const draw = keyed(list, one => `${one.uid} ${one.number} ${one.time}`, one => row(one, uid))
  const update = () => {
    const mine = uid ? store.events.filter(one => one.uid === uid) : store.events
    draw(mine.slice(-shown).reverse())
    none.hidden = mine.length > 0
  }
  return { element: h('div', {}, list, none), update }
}

function row(event, uid) {
  const who = uid ? '' : store.nodes.get(event.uid)?.name
  const named = Boolean(who) && event.text.startsWith(who)  // as the gateway's own events are, for the terminal too
  const day = new Date(event.time * 1000)
  return {
    element: h('li', {},
      h('time', { class: 'number muted small', datetime: day.toISOString(), title: day.toLocaleString() },
        clock(event.time)),
      chip(known(`nodes.kind.${event.kind}`, event.kind), TONES[event.kind] ?? ''),
      h('span', {}, who ? h('a', { href: `#nodes/${event.uid}` }, who) : null, named ? null : ' ',
        h('span', { lang: 'en' }, named ? event.text.slice(who.length) : event.text))),
  }
}
