/** A training as it goes: played on this PC, and beside it on the node. */

import { h, say } from '../svg.js'
import { number, t } from '../words.js'
import { board } from './board.js'
import { figures } from './figures.js'
import { pictures } from './pictures.js'
import { player } from './player.js'

/** -> {element, show(training), onNode(uid): train there too} */
export function walk() {
  const title = h('p', { class: 'muted' })
  const stopped = h('p', { class: 'small muted', lang: 'en' })
  const boom = h('p', { class: 'boom', role: 'status', hidden: true })
  const doubts = h('ul', { class: 'doubts', lang: 'en' })
  const log = h('input', { type: 'checkbox', id: 'log', onchange: () => drawn.forEach(one => one.log(log.checked)) })
  const places = h('div', { class: 'columns' })
  const numbers = h('div', {})
  const report = h('pre', { class: 'mono scroll', tabindex: 0, lang: 'en' })
  const reported = h('details', {}, h('summary', {}, t('learn.report')), report)
  const theirs = board(() => {
    plays.ready(theirs.count())
    if (training) draw(index)
  })
  const plays = player(draw)
  const element = h('section', { class: 'card walk', id: 'walk', hidden: true, 'aria-labelledby': 'walk-title' },
    h('h2', { id: 'walk-title', tabindex: -1 }, t('learn.walk')), title, stopped, boom, doubts, plays.element,
    h('div', { class: 'row' }, log, h('label', { for: 'log' }, t('learn.log'))),
    places, theirs.element, numbers, reported)
  let training = null
  let index = 0
  let drawn = []
  let table = null

  function draw(place) {
    index = place
    const ours = training.frames.slice(0, place + 1)
    drawn[0].show(ours)
    drawn[1]?.show(nodeFrames(place))
    table.show(training.frames[place], theirs.frame(place))
  }

  /** The node's frames so far, behind the start that it was given: its own parameters. Where their bits are ours, so is
   * all that follows from them. */
  function nodeFrames(place) {
    return training.frames.slice(0, place + 1).flatMap((frame, n) => {
      const had = theirs.frame(n)
      if (!had) return n || !theirs.on() ? [] : [frame]
      const { equal, parameters, loss } = had
      return [equal ? { ...frame, parameters } : { ...frame, parameters, height: loss ?? NaN, line: [] }]
    })
  }

  function column(name, who) {
    const one = pictures(training, t(who))
    one.log(log.checked)
    places.append(h('div', { class: `column ${name}` }, h('h3', {}, t(who)), one.element))
    return one
  }

  function show(shown) {
    training = shown
    theirs.drop()
    element.hidden = false
    const { samples, target, rate } = shown
    const algorithm = t(`learn.algorithm.${shown.algorithm}`)
    say(title, t('learn.walk.of', { count: samples.count, algorithm, rate: number(rate), target }))
    say(stopped, shown.stopped)
    boom.hidden = !shown.diverged
    if (shown.diverged) say(boom, exploded(shown))
    doubts.replaceChildren(...shown.doubts.map(text => h('li', {}, text)))
    report.textContent = shown.report.join('\n')
    reported.hidden = !shown.report.length
    log.checked = shown.diverged !== null
    places.replaceChildren()
    drawn = [column('ours', 'learn.pc')]
    table = figures(shown)
    numbers.replaceChildren(table.element)
    plays.load(shown.frames.map(frame => frame.epoch))
    plays.play()
  }

  function onNode(uid) {
    drawn.push(column('theirs', 'learn.the.node'))
    theirs.start(training, uid)
    plays.ready(theirs.count())
    draw(index)
  }

  return { element, show, onNode, stop: () => plays.stop() }
}

function exploded({ diverged, rate, frames }) {
  const values = { rate: number(rate), epoch: diverged.epoch, stable: number(diverged.stable_rate) }
  const why = t(diverged.stable_rate === null ? 'learn.diverged' : 'learn.diverged.stable', values)
  const { epoch } = frames.at(-1)
  return epoch < diverged.epoch ? `${why} ${t('learn.diverged.drawn', { epoch })}` : why
}
