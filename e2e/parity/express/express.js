'use strict'

// The version of Express in EXPRESS. Both versions are installed under aliases.

const version = process.env.EXPRESS || '4'
if (version !== '4' && version !== '5') {
  throw new Error(`EXPRESS: want 4 or 5, got ${version}`)
}

module.exports = require(`express${version}`)
