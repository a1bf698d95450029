/** The engineer's page. */

import { h } from './svg.js'
import { t } from './words.js'

export function mount(root) {
  root.append(h('h1', {}, t('nodes.title')))
}

export function show() {}
