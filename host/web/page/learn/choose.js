/** What is to be learnt: a model of the articles with its data, a CSV file, or a recording of a node's channels. */

import { h } from '../svg.js'
import { number, t } from '../words.js'
import { csvFile } from './csv.js'
import { fitPicture } from './fit.js'
import { recorder } from './recorder.js'

const ROWS = 8
const KNOWN = ['wx', 'wxb', 'and', 'logistic', 'mlp']
/** Models that have words of their own here. */

/** A recipe as a choice: what the settings begin with, and the fields of a request. */
function ofRecipe(recipe) {
  const request = { model: recipe.key, ...recipe.layers ? { layers: recipe.layers } : {} }
  return { ...recipe, request: () => request }
}

/** recipes: as /api/recipes; chosen(choice): the choice has changed. -> {element, preview: of the data} */
export function chooser(recipes, chosen) {
  const preview = h('section', { class: 'card preview', 'aria-label': t('learn.data') })
  const own = { csv: csvFile(() => take('csv')), live: recorder(() => take('live')) }
  const choices = new Map(recipes.map(recipe => [recipe.key, ofRecipe(recipe)]))
  const radio = (key, title, text) => h('label', { class: 'offer' },
    h('input', { type: 'radio', name: 'model', value: key, onchange: () => take(key) }),
    h('span', {}, h('b', {}, title), h('span', { class: 'small muted' }, text)))
  const list = h('fieldset', { class: 'models' }, h('legend', { class: 'unseen' }, t('learn.choose')),
    recipes.map(({ key, label, kind }) => KNOWN.includes(key)
      ? radio(key, t(`learn.model.${key}`), t(`learn.model.${key}.text`))
      : radio(key, label, kind)),
    radio('csv', t('learn.csv'), t('learn.csv.short')),
    radio('live', t('learn.live'), t('learn.live.short')))
  const element = h('div', { class: 'choose' }, list, own.csv.element, own.live.element)

  function take(key) {
    list.querySelector(`[value=${key}]`).checked = true
    own.csv.element.hidden = key !== 'csv'
    own.live.element.hidden = key !== 'live'
    const choice = choices.get(key) ?? own[key].choice()
    preview.replaceChildren(...choice.samples ? seen(choice) : [])
    chosen(choice)
  }

  // A file may be dropped anywhere on the page.
  addEventListener('dragover', event => {
    if (event.dataTransfer.types.includes('Files')) event.preventDefault()
  })
  addEventListener('drop', event => {
    const [file] = event.dataTransfer.files
    if (!file || !element.isConnected || element.closest('[hidden]')) return
    event.preventDefault()
    own.csv.open(file)
  })
  take(choices.has('and') ? 'and' : recipes[0].key)
  return { element, preview }
}

/** The data: drawn, and the first rows as they are. */
function seen({ inputs, target, samples, activation, classes }) {
  const picture = fitPicture({ inputs, target, samples, activation, boundary: null }, t('learn.data'))
  const cells = row => [...samples.x[row], classes.length ? classes[samples.labels[row]] : samples.y[row][0]]
  const rows = samples.x.slice(0, ROWS).map((_, row) => h('tr', {}, cells(row).map(value =>
    h('td', { class: 'number' }, typeof value === 'number' ? number(value) : value))))
  const head = h('tr', {}, [...inputs, target].map(name => h('th', { scope: 'col' }, name)))
  const table = h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, head), h('tbody', {}, rows)))
  return picture ? [picture.element, table] : [table]
}
