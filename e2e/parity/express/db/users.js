'use strict'

// The users, in memory, initially those of USERS_FILE. Each e-mail address, in
// any case, and each username has one user. They replace the original's database.

const crypto = require('node:crypto')
const fs = require('node:fs')
const { uniqueUsernames } = require('../traits.js')

const byEmail = new Map()
const byUsername = new Map()

const file = process.env.USERS_FILE
if (file) JSON.parse(fs.readFileSync(file, 'utf8')).forEach(add)

function add (user) {
  user.order = byEmail.size
  byEmail.set(user.email.toLowerCase(), user)
  if (!byUsername.has(user.username)) byUsername.set(user.username, user)
}

// find returns the user with that email or that username. If these are two
// users, it returns the one that was stored first, as a database does.
function find ({ email, username }) {
  const found = [byEmail.get(email?.toLowerCase()), byUsername.get(username)].filter(Boolean)
  return found.sort((a, b) => a.order - b.order)[0]
}

function isTaken ({ email, username }) {
  return Boolean(find({ email, username: uniqueUsernames ? username : undefined }))
}

// create returns the new user, or null if the address or the username is taken.
function create (fields) {
  if (isTaken(fields)) return null
  const user = { id: crypto.randomBytes(12).toString('hex'), ...fields }
  add(user)
  return user
}

module.exports = { create, find, isTaken }
