/** The gateway's HTTP, and what it says as it happens. */

const FIRST_WAIT = 500
const MOST_WAIT = 8000
/** Milliseconds without a word, after which the gateway is gone: it sends a comment every 15 s. */
const SILENCE = 40_000
/** Milliseconds after which a tab that nobody sees lets its stream go: a browser opens six connections to a gateway and
 * no more, whatever its tabs. */
const UNSEEN = 20_000

/** The token that lets this page change nodes, for as long as this tab is open. */
export const token = {
  get: () => sessionStorage.token ?? '',
  set(text) {
    sessionStorage.token = text
  },
  forget: () => sessionStorage.removeItem('token'),
  /** Take it from the address, as the gateway prints it, and leave none of it there; whether it was there. */
  fromAddress() {
    const given = /^#token=(.+)$/.exec(location.hash)
    if (!given) return false
    token.set(decodeURIComponent(given[1]))
    history.replaceState(null, '', '#learn')
    return true
  },
}

/** What was refused, or could not be asked. status: of HTTP, 0: the gateway does not answer. */
class Refused extends Error {
  constructor(text, status) {
    super(text)
    this.status = status
  }
}

async function ask(path, options, given = token.get()) {
  const headers = given ? { ...options.headers, Authorization: `Bearer ${given}` } : options.headers
  let answer
  try {
    answer = await fetch(path, { ...options, headers })
  } catch (error) {
    throw ['AbortError', 'Unseen'].includes(error.name) ? error : new Refused('the gateway does not answer', 0)
  }
  if (answer.ok) return answer
  const said = await answer.json().catch(() => ({ error: `${answer.status} ${answer.statusText}` }))
  throw new Refused(said.error, answer.status)
}

/** A GET's JSON; an Error with the gateway's own line. */
export async function get(path) {
  return (await ask(path, {})).json()
}

/** A GET's bytes, likewise. */
export async function blob(path) {
  return (await ask(path, {})).blob()
}

/** A POST's JSON, likewise; given: a token other than the page's. Where the page's own will not do, app.js asks for one
 * that does. */
export async function post(path, body = {}, given = undefined) {
  const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  try {
    return await (await ask(path, options, given)).json()
  } catch (error) {
    if (error.status === 401 && given === undefined) dispatchEvent(new CustomEvent('refused', { detail: error }))
    throw error
  }
}

/** Bytes as JSON has them. */
export function base64(bytes) {
  return btoa(Array.from(new Uint8Array(bytes), byte => String.fromCharCode(byte)).join(''))
}

/** Until somebody sees this tab. */
function seen() {
  if (!document.hidden) return Promise.resolve()
  return new Promise(resolve => document.addEventListener('visibilitychange', resolve, { once: true }))
}

/** Listen for ever, while somebody sees this tab. take(kind, said) has each message, stands(error) how the stream stands: null when it has begun,
 * else the Error that ended it, after which it is tried again. What it answers, called, tries at once. */
export function live(take, stands) {
  let wake = () => {}
  const forever = async () => {
    for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, MOST_WAIT)) {
      await seen()
      try {
        await listen(take, () => {
          wait = FIRST_WAIT
          stands(null)
        })
      } catch (error) {
        if (error.name === 'Unseen') continue
        stands(error)
      }
      await new Promise(resolve => {
        wake = resolve
        setTimeout(resolve, wait)
      })
    }
  }
  forever()
  return () => wake()
}

async function listen(take, begun) {
  const ending = new AbortController()
  const silent = () => ending.abort(new Refused('the gateway does not answer', 0))
  let timer = setTimeout(silent, SILENCE)
  let unseen
  const look = () => {
    clearTimeout(unseen)
    if (document.hidden) unseen = setTimeout(() => ending.abort(new DOMException('', 'Unseen')), UNSEEN)
  }
  document.addEventListener('visibilitychange', look)
  try {
    const { body } = await ask('/api/live', { signal: ending.signal })
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    begun()
    for (let text = ''; ;) {
      const { done, value } = await reader.read()
      if (done) throw new Refused('the gateway has ended', 0)
      clearTimeout(timer)
      timer = setTimeout(silent, SILENCE)
      const messages = (text + value).split('\n\n')
      text = messages.pop()
      for (const message of messages) {
        const parts = /^event: (\w+)\ndata: (.*)$/.exec(message)
        if (parts) take(parts[1], JSON.parse(parts[2]))
      }
    }
  } finally {
    document.removeEventListener('visibilitychange', look)
    clearTimeout(unseen)
    clearTimeout(timer)
    ending.abort()
  }
}
