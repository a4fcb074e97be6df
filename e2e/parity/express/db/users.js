'use strict'

// The users: in memory, one per e-mail address in whatever case, those of
// USERS_FILE to begin with. They stand for the original's own database.

const crypto = require('node:crypto')
const fs = require('node:fs')

const byEmail = new Map()

const file = process.env.USERS_FILE
if (file) {
  for (const user of JSON.parse(fs.readFileSync(file, 'utf8'))) {
    byEmail.set(user.email.toLowerCase(), user)
  }
}

function find (email) {
  return byEmail.get(email.toLowerCase())
}

// create returns the new user, or null if the address is taken.
function create ({ email, username, password }) {
  if (find(email)) return null
  const id = crypto.randomBytes(12).toString('hex')
  const user = { id, email, username, role: 'user', password }
  byEmail.set(email.toLowerCase(), user)
  return user
}

module.exports = { create, find }
