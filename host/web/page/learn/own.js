/** Data of one's own, whatever they come from. */

import { h } from '../svg.js'
import { t } from '../words.js'

const MODELS = ['wxb', 'and', 'logistic', 'mlp']

/** The models that learn other data than the articles'. */
export function modelOptions() {
  return MODELS.map(name => h('option', { value: name }, t(`learn.own.${name}`)))
}

/** A choice of which nothing is known before it is trained: the data say how fast. request(): the fields of a training
 * that say what is learnt; it throws what is missing. */
export function ofOwn(model, request) {
  return {
    key: model, samples: null, rate: null, epochs: null, start: [], stable_rate: null, seed: '',
    algorithm: '', algorithms: ['', 'batch', 'sgd', 'minibatch', 'adam'], request,
  }
}
