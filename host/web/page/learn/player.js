/** Plays the frames of a training: by itself, a step at a time, or wherever the slider is put. */

import { h, s } from '../svg.js'
import { t } from '../words.js'

const WHOLE_SECONDS = 6
const SHORTEST = 40
const LONGEST = 250
/** Milliseconds of a frame. */
const ICONS = {
  first: 'M3 3v10M13 3L5 8l8 5z',
  back: 'M11 3L4 8l7 5z',
  play: 'M4 2l10 6-10 6z',
  stop: 'M4 3h3v10H4zM9 3h3v10H9z',
  on: 'M5 3l7 5-7 5z',
}

/** show(index): draw that frame. -> {element, load(epochs: of each frame), play(), ready(count): so many frames may be
 * played so far, stop()} */
export function player(show) {
  const still = matchMedia('(prefers-reduced-motion: reduce)')
  const button = (name, text, act) => {
    const icon = s('path', { d: ICONS[name] })
    const picture = s('svg', { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' }, icon)
    return h('button', { type: 'button', class: name, 'aria-label': text, title: text, onclick: act }, picture)
  }
  const first = button('first', t('learn.play.first'), () => go(0))
  const back = button('back', t('learn.play.back'), () => go(index - 1))
  const toggle = button('play', t('learn.play'), () => (timer ? stop() : play(true)))
  const on = button('on', t('learn.play.on'), () => go(index + 1))
  const scrubbed = () => go(Number(way.value))
  const way = h('input', { type: 'range', min: 0, 'aria-label': t('learn.epoch'), oninput: scrubbed })
  const text = h('output', { class: 'number epoch' })
  const element = h('div', { class: 'player' }, first, back, toggle, on, way, text)
  let epochs = [0]
  let index = 0
  let count = 1
  let timer = null

  function draw(place) {
    index = Math.max(0, Math.min(epochs.length - 1, place))
    way.value = index
    text.textContent = t('learn.epoch.of', { epoch: epochs[index], epochs: epochs.at(-1) })
    way.setAttribute('aria-valuetext', text.textContent)
    show(index)
  }

  function go(place) {
    stop()
    draw(place)
  }

  function named(name) {
    toggle.querySelector('path').setAttribute('d', ICONS[name === 'learn.play' ? 'play' : 'stop'])
    toggle.setAttribute('aria-label', t(name))
    toggle.title = t(name)
  }

  function stop() {
    clearInterval(timer)
    timer = null
    named('learn.play')
  }

  /** From the start where it is at its end. asked: somebody wants to see it move. */
  function play(asked = false) {
    stop()
    if (still.matches && !asked) return draw(epochs.length - 1)
    if (index >= epochs.length - 1) draw(0)
    timer = setInterval(step, Math.max(SHORTEST, Math.min(LONGEST, (1000 * WHOLE_SECONDS) / epochs.length)))
    named('learn.play.stop')
  }

  function step() {
    if (index >= epochs.length - 1) stop()
    else if (index + 1 < count) draw(index + 1)
  }

  return {
    element,
    load(all) {
      stop()
      epochs = all
      count = all.length
      way.max = all.length - 1
      draw(0)
    },
    play,
    ready(number) {
      count = number
    },
    stop,
  }
}
