'use strict'

// The session cookie: its name and its attributes.

const { acceptsBearer, cookieName, days, sameSite, secure } = require('./traits.js')

const ATTRIBUTES = { httpOnly: true, secure, sameSite }
const DAY = 24 * 60 * 60 * 1000 // milliseconds

// read returns the token of the cookie, or the second word of Authorization,
// whatever the first word is. The other services of the family do the same.
function read (req) {
  const token = req.cookies[cookieName]
  return token || !acceptsBearer ? token : req.headers.authorization?.split(' ')[1]
}

function set (res, token) {
  res.cookie(cookieName, token, { ...ATTRIBUTES, maxAge: days * DAY })
}

function clear (res) {
  res.clearCookie(cookieName, ATTRIBUTES)
}

module.exports = { clear, read, set }
