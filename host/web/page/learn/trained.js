/** A training's end. */

import { get } from '../api.js'
import { UNDER_WAY } from '../deeds.js'
import { listen } from '../store.js'
import { t } from '../words.js'

const LOOK_AGAIN = 500
/** Milliseconds, to say how far it is. */

/** The training once it has ended; tell(text): how far it is meanwhile. */
export async function trained(training, tell) {
  let now = training
  while (UNDER_WAY.includes(now.state)) {
    tell(t('learn.training.epoch', { done: now.done, total: now.total }))
    await new Promise(resolve => {
      const end = listen('training', said => said.id === training.id && over())
      const timer = setTimeout(over, LOOK_AGAIN)
      function over() {
        end()
        clearTimeout(timer)
        resolve()
      }
    })
    now = await get(`/api/trainings/${training.id}`)
  }
  return now
}
