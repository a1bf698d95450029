/** All that the page says: words/LANGUAGE/FILE.json, in which a key begins with its file's name. */

export const LANGUAGES = { en: 'English', zh: '中文' }
const FILES = ['common', 'nodes', 'learn']
const words = {}

/** The language that was chosen, or else the browser's. */
export function language() {
  return localStorage.language ?? (navigator.language.startsWith('zh') ? 'zh' : 'en')
}

/** Choose one. The page begins anew with it: what counts is kept by the gateway. */
export function speak(name) {
  localStorage.language = name
  location.reload()
}

export async function loadWords() {
  document.documentElement.lang = { en: 'en', zh: 'zh-Hans' }[language()]
  const files = FILES.map(async name => (await fetch(`/page/words/${language()}/${name}.json`)).json())
  Object.assign(words, ...await Promise.all(files))
}

/** What is said: t('nodes.seen', {seconds: 3}) puts values at their {places}. */
export function t(key, values = {}) {
  if (!(key in words)) throw new Error(`no words for ${key}`)
  return words[key].replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place)
}

/** What is said of a name of the gateway's; the name itself where it is a newer one. */
export function known(key, name) {
  return key in words ? t(key) : name
}

/** A number, short. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return '–'
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return value.toExponential(2).replace(/(\.?0+)?e\+?/, 'e')
  return String(Number(value.toPrecision(digits)))
}

/** A moment's time of day; given in seconds. */
export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, { hour12: false })
}
