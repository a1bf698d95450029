/** One node, with all that is known of it and all that may be done to it. */

import { post } from './api.js'
import { litOf, placeOf, statesOf, TONES, trialOf } from './card.js'
import { curves } from './curves.js'
import { action, actions, jobsOf, whyNot } from './deeds.js'
import { deployment } from './deploy.js'
import { sure } from './dialog.js'
import { events } from './events.js'
import { lamp } from './lamp.js'
import { chips, copyable, facts, sayings } from './parts.js'
import { h, keyed, say } from './svg.js'
import { store, subscribe } from './store.js'
import { clock, number, t } from './words.js'

/** {uid, element, start(), close()}. */
export function nodeView(uid) {
  const title = h('h1', { tabindex: -1 })
  const absent = h('p', { class: 'card', hidden: true }, t('nodes.absent', { uid }))
  const parts = [hero(), values(), deeds(uid), identity(uid)]
  const curve = curves(uid)
  const happened = events(uid, 40)
  const [shown, measured, told, known] = parts.map(part => part.element)
  const body = h('div', { class: 'node' },
    h('div', { class: 'half' }, shown, section('curves-title', t('nodes.curves'), curve.element),
      section('node-events-title', t('nodes.events'), happened.element)),
    h('div', { class: 'half' }, told, measured, known))
  const element = h('div', { class: 'stack' },
    h('p', {}, h('a', { href: '#nodes' }, `← ${t('nodes.back')}`)), title, absent, body)
  const draw = () => {
    const node = store.nodes.get(uid)
    absent.hidden = Boolean(node) || !store.gateway
    body.hidden = !node
    say(title, node?.name ?? uid)
    if (!node) return
    parts.forEach(part => part.update(node))
    happened.update()
  }
  let stop = []
  const start = () => {
    stop = [curve.start(), subscribe(draw)]
  }
  const close = () => {
    stop.forEach(end => end())
    element.remove()
  }
  return { uid, element, start, close }
}

function section(id, title, ...children) {
  return h('section', { class: 'card stack', 'aria-labelledby': id }, h('h2', { id }, title), ...children)
}

/** The lamp, and how the node stands. */
function hero() {
  const picture = lamp(132)
  const rule = h('p', { class: 'rule', lang: 'en' })
  const states = chips()
  const trouble = h('p', { class: 'bad', lang: 'en' })
  const warnings = sayings('warn')
  const update = node => {
    picture.set(litOf(node))
    say(rule, node.model?.lamp ?? '')
    states.set([
      [t(`nodes.state.${node.state}`), TONES[node.state]],
      ...(node.class === null ? [] : [[node.class, '']]),
      ...(node.decision === null || !node.model ? [] : [[t(node.decision ? 'nodes.decision.on' : 'nodes.decision.off'), '']]),
      ...statesOf(node),
    ])
    const seen = node.seen ? t('nodes.seen', { time: clock(node.seen) }) : t('nodes.seen.never')
    trouble.hidden = node.state === 'ok'
    say(trouble, node.trouble ? `${node.trouble} · ${seen}` : seen)
    warnings.set([...node.warnings, ...node.lost])
  }
  return {
    element: h('section', { class: 'card hero', 'aria-label': t('nodes.lamp') }, picture.element,
      h('div', { class: 'stack' }, states.element, rule, trouble, warnings.element)),
    update,
  }
}

/** Inputs and outputs. */
function values() {
  const inputs = table(['nodes.value.name', 'nodes.value.now', 'nodes.value.range', 'nodes.value.source'])
  const outputs = table(['nodes.value.name', 'nodes.value.now'])
  const none = h('p', { class: 'muted' }, t('nodes.model.none'))
  const both = [h('h3', {}, t('nodes.inputs')), inputs.element, h('h3', {}, t('nodes.outputs')), outputs.element]
  const update = node => {
    none.hidden = Boolean(node.model)
    both.forEach(part => {
      part.hidden = !node.model
    })
    inputs.set((node.model?.inputs ?? []).map((one, place) => [
      one.name,
      number(node.inputs[place]),
      `${number(one.low)} … ${number(one.high)}`,
      one.source ?? t('nodes.value.bus'),
    ]))
    outputs.set((node.model?.outputs ?? []).map((one, place) => [one.name, number(node.outputs[place])]))
  }
  return { element: section('values-title', t('nodes.values'), none, ...both), update }
}

/** A table of texts: set([[text, ...], ...]). */
function table(heads) {
  const body = h('tbody')
  const set = keyed(body, row => row.place, () => {
    const cells = heads.map((_, column) => h(column ? 'td' : 'th', column ? { class: 'number' } : { scope: 'row' }))
    return { element: h('tr', {}, cells), update: row => cells.forEach((cell, column) => say(cell, row.texts[column])) }
  })
  return {
    element: h('table', {}, h('thead', {}, h('tr', {}, heads.map(key => h('th', { scope: 'col' }, t(key))))), body),
    set: rows => set(rows.map((texts, place) => ({ place, texts }))),
  }
}

/** What may be done. */
function deeds(uid) {
  const tell = (deed, body) => post(`/api/nodes/${uid}/${deed}`, body)
  const name = () => store.nodes.get(uid)?.name ?? uid
  const left = h('p', { class: 'number', role: 'timer' })
  const trial = actions(
    action(t('nodes.do.confirm'), () => tell('confirm'), 'main'),
    action(t('nodes.do.revert'), () => tell('revert')))
  const banner = h('div', { class: 'trial stack', hidden: true }, left, trial.element)
  const deploy = deployment(uid)
  const back = t('nodes.rollback')
  const rollback = action(t('nodes.do.rollback'), async () => {
    if (await sure(back, t('nodes.rollback.sure', { name: name() }), back)) await tell('rollback')
  })
  const set = state => store.nodes.get(uid)?.states.includes(state) ?? false
  const identify = action(t('nodes.do.identify'), () => tell('identify', { on: !set('IDENTIFY') }))
  const override = action(t('nodes.do.override'), () => tell('override', { on: !set('OVERRIDE') }))
  const acknowledge = action(t('nodes.do.acknowledge'), () => tell('acknowledge'))
  const cut = action(t('nodes.do.cut'), () => tell('cut', { words: 0 }))
  const others = actions(identify, acknowledge, override, rollback, cut)
  const jobs = jobsOf(uid)
  const update = node => {
    const why = whyNot(node)
    const seconds = trialOf(node)
    banner.hidden = !seconds
    say(left, t('nodes.trial.until', { left: seconds }))
    trial.set(why)
    deploy.set(why)
    others.set(why)
    override.element.hidden = !node.model?.inputs.some(one => one.source)
    cut.element.hidden = !store.lines.get(node.line)?.simulated
    for (const [one, state] of [[identify, 'IDENTIFY'], [override, 'OVERRIDE']]) {
      one.button.setAttribute('aria-pressed', node.states.includes(state))
    }
    jobs.update()
  }
  return {
    element: section('deeds-title', t('nodes.deploy'), banner, deploy.element,
      h('h3', {}, t('nodes.do')), others.element, jobs.element),
    update,
  }
}

/** Who it is, and what it runs. */
function identity(uid) {
  const list = facts()
  const [id, hash] = [copyable('UID', 24), copyable(t('nodes.hash'))]
  id.set(uid)
  const yes = value => (value === null ? '–' : t(value ? 'nodes.yes' : 'nodes.no'))
  const update = node => {
    if (node.model) hash.set(node.model.hash)
    list.set([
      ['UID', id.element],
      [t('nodes.where'), placeOf(node)],
      [t('nodes.firmware'), node.firmware ?? '–'],
      [t('nodes.is.keyed'), yes(node.keyed)],
      [t('nodes.is.locked'), yes(node.locked)],
      [t('nodes.rate'), node.rate ? t('nodes.rate.scans', { rate: node.rate }) : t('nodes.rate.none')],
      ...(node.model ? [
        [t('nodes.model'), node.model.name || t('nodes.model.nameless')],
        ['CRC-32', node.model.crc32],
        [t('nodes.hash'), hash.element],
        [t('nodes.sequence'), node.model.sequence],
        [t('nodes.size'), t('nodes.bytes', { bytes: node.model.bytes })],
      ] : []),
      ...node.channels.map(one => [one.name, one.name.startsWith('d')
        ? t('nodes.channel.digital', { value: one.value, edges: one.edges, hertz: number(one.hertz) }) : one.value]),
    ])
  }
  return { element: section('identity-title', t('nodes.identity'), list.element), update }
}
