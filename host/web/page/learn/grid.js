/** A grid of numbers over a plane: shades, and lines of one height. Row j of it lies at the second axis' j-th value. */

import { s } from '../svg.js'

/** Where the grid passes a level, as an SVG path. axes: values of the columns and of the rows. A cell with a corner
 * that has no value is left out. */
export function contour(rows, level, axes, on) {
  const across = axes[0].map(on.x)
  const up = axes[1].map(on.y)
  let d = ''
  for (let j = 0; j + 1 < rows.length; j++) {
    for (let i = 0; i + 1 < rows[j].length; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]]
      const values = corners.map(([a, b]) => rows[b][a])
      if (values.includes(null)) continue
      const crossed = []
      for (let side = 0; side < 4; side++) {
        const next = (side + 1) % 4
        if (values[side] > level === values[next] > level) continue
        const share = (level - values[side]) / (values[next] - values[side])
        const [[a, b], [c, e]] = [corners[side], corners[next]]
        const [x, y] = [across[a] + share * (across[c] - across[a]), up[b] + share * (up[e] - up[b])]
        crossed.push(`${x.toFixed(1)} ${y.toFixed(1)}`)
      }
      for (let n = 0; n + 1 < crossed.length; n += 2) d += `M${crossed[n]}L${crossed[n + 1]}`
    }
  }
  return d
}

/** The grid as an image, a pixel a value; colour(value) -> [red, green, blue, alpha], 0..255 each. */
function painted(rows, colour) {
  const canvas = document.createElement('canvas')
  canvas.width = rows[0].length
  canvas.height = rows.length
  const context = canvas.getContext('2d')
  const pixels = context.createImageData(canvas.width, canvas.height)
  rows.toReversed().flat().forEach((value, place) => pixels.data.set(colour(value), 4 * place))
  context.putImageData(pixels, 0, 0)
  return canvas.toDataURL()
}

/** Shades of a grid. sharp: cells are told apart, as classes are, and not blended. -> {element, show(rows)} */
export function shades(axes, on, colour, sharp = false) {
  const [wide, tall] = axes.map(axis => (axis[1] - axis[0]) / 2)
  const [left, right] = [on.x(axes[0][0] - wide), on.x(axes[0].at(-1) + wide)]
  const [bottom, top] = [on.y(axes[1][0] - tall), on.y(axes[1].at(-1) + tall)]
  const element = s('image', {
    x: left, y: top, width: right - left, height: bottom - top, preserveAspectRatio: 'none',
    class: sharp ? 'sharp' : null,
  })
  return { element, show: rows => element.setAttribute('href', painted(rows, colour)) }
}
