/** The learner's page. */

import { h } from './svg.js'
import { t } from './words.js'

export function mount(root) {
  root.append(h('h1', {}, t('learn.title')))
}

export function show() {}
