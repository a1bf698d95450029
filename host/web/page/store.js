/** What the gateway says, newest only: all of it bounded, so that a page may stand open for days. */

const EVENTS_KEPT = 300
const JOBS_KEPT = 50

export const store = {
  /** The gateway's own: version, wire, and `ahead`, by how many seconds its clock is. */
  gateway: null,
  /** uid -> Node, id -> Line, id -> Job, as /api/state has them; a node's `heard`: when, seconds of this computer's. */
  nodes: new Map(),
  lines: new Map(),
  jobs: new Map(),
  /** The newest last. */
  events: [],
  broker: null,
}

const drawers = new Set()
const listeners = new Map()
let due = false

/** Call draw() at most once a frame, after anything has changed; now as well. What it answers ends that. */
export function subscribe(draw) {
  drawers.add(draw)
  draw()
  return () => drawers.delete(draw)
}

/** Call take(said) for each message of a kind (node, event, board, ...) at once; what it answers ends that. */
export function listen(kind, take) {
  if (!listeners.has(kind)) listeners.set(kind, new Set())
  listeners.get(kind).add(take)
  return () => listeners.get(kind).delete(take)
}

/** The gateway's time, in Unix seconds. */
export function now() {
  return Date.now() / 1000 + (store.gateway?.ahead ?? 0)
}

/** Draw all again, with the next frame. */
export function changed() {
  if (due) return
  due = true
  requestAnimationFrame(() => {
    due = false
    for (const draw of drawers) draw()
  })
}

function heard(node) {
  return { ...node, heard: Date.now() / 1000 }
}

const KINDS = {
  state(said) {
    store.gateway = { version: said.version, wire: said.wire, ahead: said.now - Date.now() / 1000 }
    store.nodes = new Map(said.nodes.map(one => [one.uid, heard(one)]))
    store.lines = new Map(said.lines.map(one => [one.id, one]))
    store.jobs = new Map(said.jobs.map(one => [one.id, one]))
    store.events = said.events
    store.broker = said.broker
  },
  node: said => store.nodes.set(said.uid, heard(said)),
  line: said => store.lines.set(said.id, said),
  job(said) {
    store.jobs.delete(said.id) // the newest stands last
    store.jobs.set(said.id, said)
    if (store.jobs.size > JOBS_KEPT) store.jobs.delete(store.jobs.keys().next().value)
  },
  event(said) {
    store.events.push(said)
    if (store.events.length > EVENTS_KEPT) store.events.splice(0, store.events.length - EVENTS_KEPT)
  },
  broker(said) {
    store.broker = said
  },
}

/** A message of the gateway's. */
export function take(kind, said) {
  KINDS[kind]?.(said)
  for (const listener of listeners.get(kind) ?? []) listener(said)
  changed()
}

/** A job's end: its JSON once it is done, or an Error with what it says of its failure. */
export function ended(job) {
  return new Promise((resolve, reject) => {
    const look = said => {
      if (said.id !== job.id || !['done', 'failed'].includes(said.state)) return
      stop.forEach(end => end())
      if (said.state === 'done') resolve(said)
      else reject(new Error(said.error))
    }
    const stop = [listen('job', look), listen('state', state => state.jobs.forEach(look))]
    store.jobs.forEach(look)
  })
}
