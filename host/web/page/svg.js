/** Elements of HTML and SVG, and what else is drawn by hand. */

/** An HTML element: h('button', {class: 'quiet', onclick: f}, 'text', child, ...). A property that is null or false is
 * left out; true stands for itself. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children)
}

/** An SVG element, likewise. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children)
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : value)
    }
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false))
  return element
}

/** Say it there, if it is news. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Hold a list of elements to a list of things: one is made for each new key, those that stay are told, the others go.
 * key(thing, place); make(thing) -> {element, update(thing)}. What it answers is called with each new list. */
export function keyed(parent, key, make) {
  const shown = new Map()
  return things => {
    const names = things.map(key)
    const wanted = new Set(names)
    for (const [name, one] of shown) {
      if (!wanted.has(name)) {
        one.element.remove()
        shown.delete(name)
      }
    }
    things.forEach((thing, place) => {
      const name = names[place]
      if (!shown.has(name)) shown.set(name, make(thing))
      const one = shown.get(name)
      if (parent.children[place] !== one.element) parent.insertBefore(one.element, parent.children[place] ?? null)
      one.update?.(thing)
    })
  }
}

/** Some five round numbers within low..high. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count
  if (!(rough > 0) || !Number.isFinite(rough)) return [low]
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(digit => digit * power).find(size => size >= rough * 0.75)
  const found = []
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) {
    found.push(Number((at * step).toPrecision(12)))
  }
  return found
}

/** The range of numbers that are finite, and not of no width. */
export function range(values) {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) return [0, 1]
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2]
  return [low, high]
}
