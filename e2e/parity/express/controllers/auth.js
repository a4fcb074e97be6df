'use strict'

// What the routes do. Whatever goes wrong unexpectedly is a JSON 500.

const bcrypt = require('bcryptjs')
const jwt = require('jsonwebtoken')
const cookie = require('../cookie.js')
const redis = require('../db/redis.js')
const users = require('../db/users.js')

const COST = Number(process.env.BCRYPT_COST || 10)

const register = handler('register', async (req, res) => {
  const { username, email, password } = req.body
  if (refused(res, { username, email, password })) return

  const taken = () => res.status(409).json({ message: 'User already exists' })
  if (users.find(email)) return taken()
  const user = users.create({ username, email, password: await bcrypt.hash(password, COST) })
  if (!user) return taken() // someone else's, while we hashed

  res.status(201).json({ message: 'User registered successfully', user: profile(user) })
})

const login = handler('login', async (req, res) => {
  const { email, password } = req.body
  if (refused(res, { email, password })) return

  const user = users.find(email)
  const hash = user ? user.password : await decoy()
  const matches = await bcrypt.compare(password, hash)
  if (!user || !matches) {
    return res.status(401).json({ message: 'Invalid email or password' })
  }

  const token = jwt.sign(profile(user), process.env.JWT_SECRET, { expiresIn: '1d' })
  cookie.set(res, token)
  res.status(200).json({ message: 'User logged in successfully', user: profile(user) })
})

const logout = handler('logout', async (req, res) => {
  const token = cookie.read(req)
  if (token) await redis.blacklist(token)
  cookie.clear(res)
  res.status(200).json({ message: 'logged out successfully' })
})

function me (req, res) {
  res.status(200).json({ user: req.user })
}

function handler (name, run) {
  return async (req, res) => {
    try {
      await run(req, res)
    } catch (err) {
      console.error(`${name}:`, err)
      res.status(500).json({ message: 'Internal server error' })
    }
  }
}

// refused answers 400 and names the first field that is no text or empty.
function refused (res, fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string' || value === '') {
      res.status(400).json({ message: `${name} is required` })
      return true
    }
  }
  return false
}

// profile is what the world sees of a user; its order is that of the claims.
function profile ({ id, email, username, role }) {
  return { id, email, username, role }
}

// decoy is a hash to compare with when there is no such user, so that an
// unknown one costs the time of a known one.
let decoyHash
function decoy () {
  decoyHash ??= bcrypt.hash('', COST)
  return decoyHash
}

module.exports = { login, logout, me, register }
