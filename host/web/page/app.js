/** The page's frame: who may, which language, light or dark, and which of the two pages. */

import { live, post, token } from './api.js'
import { dialog } from './dialog.js'
import * as learn from './learn.js'
import * as nodes from './nodes.js'
import { h, say } from './svg.js'
import { changed, take } from './store.js'
import { LANGUAGES, language, loadWords, speak, t } from './words.js'

const PAGES = { learn, nodes }
const mounted = new Set()
let retry = () => {}
let holder = null

/** Show what the address says: #learn, #nodes, or #nodes/UID. */
function route() {
  if (token.fromAddress()) accepted()
  const [name, ...rest] = location.hash.slice(1).split('/')
  const chosen = Object.hasOwn(PAGES, name) ? name : 'learn'
  for (const page of Object.keys(PAGES)) {
    document.getElementById(page).hidden = page !== chosen
    const link = document.querySelector(`nav a[href="#${page}"]`)
    if (page === chosen) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (!mounted.has(chosen)) {
    mounted.add(chosen)
    PAGES[chosen].mount(document.getElementById(chosen))
  }
  PAGES[chosen].show(rest)
}

function header() {
  const other = Object.keys(LANGUAGES).find(name => name !== language())
  const tool = (id, props, ...text) => h('button', { type: 'button', class: 'quiet', id, ...props }, ...text)
  holder = tool('token', { onclick: askToken })
  document.getElementById('top').append(
    h('nav', { 'aria-label': t('common.pages') },
      ...Object.keys(PAGES).map(name => h('a', { href: `#${name}` }, t(`common.page.${name}`)))),
    h('div', { class: 'tools' },
      holder,
      tool('language', { lang: other, onclick: () => speak(other) }, LANGUAGES[other]),
      tool('theme', { onclick: otherTheme }, t('common.theme'))))
  sayToken()
}

function otherTheme() {
  const root = document.documentElement
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  localStorage.theme = root.dataset.theme = dark ? 'light' : 'dark'
}

function sayToken() {
  say(holder, t(`common.may.${token.get() ? 'change' : 'look'}`))
  changed()
}

/** Ask for the token until one is right, or nobody wants to give it. */
async function askToken() {
  const given = await dialog(t('common.token.title'), close => {
    const field = h('input', { id: 'token-field', autocomplete: 'off', spellcheck: 'false', required: true })
    const wrong = h('p', { class: 'wrong', role: 'alert' })
    const check = async event => {
      event.preventDefault()
      const text = field.value.trim().replace(/^.*#token=/, '')
      try {
        await post('/api/token', {}, text)
        close(text)
      } catch (error) {
        wrong.textContent = error.message
      }
    }
    return [
      h('p', {}, t('common.token.why')),
      h('form', { onsubmit: check },
        h('label', { for: 'token-field' }, t('common.token.field')), field, wrong,
        h('div', { class: 'buttons' },
          h('button', { class: 'main' }, t('common.token.give')),
          h('button', { type: 'button', onclick: () => close(null) }, t('common.cancel')))),
    ]
  })
  if (!given) return
  token.set(given)
  accepted()
}

/** There is another token. */
function accepted() {
  sayToken()
  notice('token', '')
  retry()
}

/** Say something above the page, until it is said to be over: an empty text. */
function notice(name, text, button = null) {
  const bar = document.getElementById('notices')
  const before = bar.querySelector(`[data-name=${name}]`)
  if (!text) before?.remove()
  else if (before?.firstChild.textContent !== text) {
    before?.remove()
    bar.append(h('p', { 'data-name': name }, h('span', {}, text), button))
  }
}

/** How the stream of news stands. */
function stands(error) {
  document.documentElement.dataset.gateway = error ? 'gone' : 'up'
  if (!error) notice('gateway', '')
  else if (error.status === 401) needToken(error)
  else notice('gateway', t('common.gateway.gone', { why: error.message }))
}

function needToken(error) {
  token.forget()
  sayToken()
  notice('token', error.message, h('button', { type: 'button', onclick: askToken }, t('common.token.give')))
}

token.fromAddress()
await loadWords()
header()
addEventListener('hashchange', route)
addEventListener('refused', event => needToken(event.detail))
route()
retry = live(take, stands)
if (token.get()) post('/api/token').catch(() => {}) // what is wrong with it is said by then
