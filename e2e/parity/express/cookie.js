'use strict'

// The session cookie: its name and attributes, in one place.

const NAME = 'token'
const ATTRIBUTES = { httpOnly: true, secure: true, sameSite: 'strict' }
const DAY = 24 * 60 * 60 * 1000 // milliseconds

function read (req) {
  return req.cookies[NAME]
}

function set (res, token) {
  res.cookie(NAME, token, { ...ATTRIBUTES, maxAge: DAY })
}

function clear (res) {
  res.clearCookie(NAME, ATTRIBUTES)
}

module.exports = { clear, read, set }
