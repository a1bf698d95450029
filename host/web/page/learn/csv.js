/** A CSV file of one's own: its first rows, and which column is to be learnt. The gateway reads and judges it. */

import { h, say } from '../svg.js'
import { t } from '../words.js'
import { modelOptions, ofOwn } from './own.js'

const ROWS = 5

/** The cells of a line; quotes may hold the delimiter. */
function cells(line, delimiter) {
  const found = ['']
  let quoted = false
  for (const letter of line) {
    if (letter === '"') quoted = !quoted
    else if (letter === delimiter && !quoted) found.push('')
    else found[found.length - 1] += letter
  }
  return found.map(cell => cell.trim())
}

/** The first rows of a table. */
function firstRows(text, most) {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/, 2 * most).filter(line => line.trim())
  const count = delimiter => (lines[0] ?? '').split(delimiter).length
  const delimiter = [',', ';', '\t'].reduce((best, one) => (count(one) > count(best) ? one : best))
  return lines.slice(0, most).map(line => cells(line, delimiter))
}

/** changed(): it is another choice now. -> {element, open(file), choice()} */
export function csvFile(changed) {
  const input = h('input', { type: 'file', id: 'csv', accept: '.csv,text/csv', class: 'unseen', onchange: picked })
  const name = h('span', {}, t('learn.csv.drop'))
  const button = h('label', { class: 'button', for: 'csv' }, t('learn.csv.choose'))
  const drop = h('div', { class: 'drop' }, input, button, name)
  const target = h('select', { id: 'target', onchange: changed })
  const model = h('select', { id: 'csv-model', onchange: changed }, modelOptions())
  const rows = h('div', { class: 'scroll' })
  const asked = h('div', { class: 'row', hidden: true },
    h('label', { for: 'target' }, t('learn.csv.target')), target,
    h('label', { for: 'csv-model' }, t('learn.csv.model')), model)
  const wrong = h('p', { class: 'wrong', role: 'alert' })
  const element = h('div', { class: 'own', hidden: true }, drop, wrong, asked, rows)
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    drop.addEventListener(kind, () => drop.classList.toggle('over', kind === 'dragover'))
  }
  let file = null

  function picked() {
    if (input.files.length) open(input.files[0])
  }

  async function open(chosen) {
    const text = await chosen.text()
    const [head = [], ...body] = firstRows(text, ROWS + 1)
    file = { name: chosen.name, text }
    say(name, chosen.name)
    say(wrong, head.length < 2 ? t('learn.csv.columns') : '')
    asked.hidden = head.length < 2
    target.replaceChildren(...head.map(column => h('option', { value: column }, column)))
    target.selectedIndex = head.length - 1
    model.value = guessed(body.map(row => row[head.length - 1]))
    rows.replaceChildren(h('table', {},
      h('thead', {}, h('tr', {}, head.map(column => h('th', { scope: 'col' }, column)))),
      h('tbody', {}, body.map(row => h('tr', {}, row.map(cell => h('td', {}, cell)))))))
    changed()
  }

  function request() {
    if (!file) throw new Error(t('learn.csv.first'))
    if (asked.hidden) throw new Error(t('learn.csv.columns'))
    return { model: model.value, csv: file.text, name: file.name, target: target.value }
  }

  return { element, open, choice: () => ofOwn(model.value, request) }
}

/** A model for a column: numbers of many values are a line, what else there is are classes. */
function guessed(values) {
  const numbers = values.every(value => value !== '' && Number.isFinite(Number(value)))
  return numbers && new Set(values).size > 2 ? 'wxb' : 'logistic'
}
