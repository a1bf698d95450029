/** The data as a table of what the node says of each row: nothing stands there before it has said it. */

import { h } from '../svg.js'
import { number, t } from '../words.js'
import { lamp } from '../lamp.js'

const ROWS = 8

/** give(inputs): try a row. -> {element, crc32: of the model, inputs: their names, binary: whether an input is
 * but 0 or 1, answered(answer): what the node has said} */
export function truth(training, give) {
  const rows = training.rows.slice(0, ROWS).map(row => {
    const light = lamp(24)
    const said = h('td', {}, light.element)
    const move = h('button', { type: 'button', onclick: () => give(row.inputs) }, t('learn.inputs.try'))
    const cells = [...row.inputs, ...row.target].map(value => h('td', { class: 'number' }, number(value)))
    return { row, light, element: h('tr', {}, cells, said, h('td', {}, move)) }
  })
  const names = [...training.inputs, ...training.rows[0].target.map(() => training.target), t('learn.lamp'), '']
  const element = h('table', {}, h('caption', {}, t('learn.inputs.rows')),
    h('thead', {}, h('tr', {}, names.map(name => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map(one => one.element)))
  return {
    element,
    crc32: training.image.crc32,
    inputs: training.inputs,
    binary: training.inputs.map((_, n) => training.rows.every(row => row.inputs[n] === 0 || row.inputs[n] === 1)),
    answered(answer) {
      for (const one of rows) {
        const now = one.row.inputs.every((value, n) => Math.abs(value - answer.inputs[n]) < 1e-6)
        if (now) one.light.set(answer.led)
        one.element.toggleAttribute('data-now', now)
      }
    },
  }
}
