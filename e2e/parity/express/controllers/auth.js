'use strict'

// The handlers of the routes. An unexpected error is answered with a JSON 500.

const bcrypt = require('bcryptjs')
const jwt = require('jsonwebtoken')
const cookie = require('../cookie.js')
const redis = require('../db/redis.js')
const users = require('../db/users.js')
const traits = require('../traits.js')

const COST = Number(process.env.BCRYPT_COST || 10)

const register = handler('register', async (req, res) => {
  const { username, email, password, fullName, role } = req.body
  const fields = { username: required(username), email: required(email), password: required(password) }
  if (refused(res, { ...fields, fullName: nameProblem(fullName), role: roleProblem(role) })) return

  const taken = () => res.status(409).json({ message: 'User already exists' })
  if (users.isTaken({ email, username })) return taken()
  const user = users.create({
    email,
    username,
    role: role || (traits.roles?.[0] ?? 'user'),
    fullName: fullName ? { firstName: fullName.firstName, lastName: fullName.lastName } : undefined,
    password: await bcrypt.hash(password, COST)
  })
  if (!user) return taken() // another request took it while this one hashed

  if (traits.registerLogsIn) startSession(res, user)
  res.status(201).json({ message: 'User registered successfully', user: profile(user) })
})

const login = handler('login', async (req, res) => {
  const { email, password } = req.body
  const username = traits.emailOnly ? undefined : req.body.username
  const account = traits.emailOnly ? 'email' : 'email or username'
  if (refused(res, { [account]: required(email || username), password: required(password) })) return

  const user = users.find({ email: email || undefined, username: username || undefined })
  const hash = user ? user.password : await decoy()
  const matches = await bcrypt.compare(password, hash)
  if (!user || !matches) {
    return res.status(401).json({ message: traits.wrongPassword })
  }

  startSession(res, user)
  res.status(200).json({ message: 'User logged in successfully', user: profile(user) })
})

const logout = handler('logout', async (req, res) => {
  const token = cookie.read(req)
  if (token) await redis.blacklist(token)
  cookie.clear(res)
  res.status(200).json({ message: 'logged out successfully' })
})

function me (req, res) {
  const message = traits.meMessage
  res.status(200).json(message ? { message, user: req.user } : { user: req.user })
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

// refused answers 400 if a field has a problem: with the message of the first one, or with all
// problems in the form of express-validator.
function refused (res, problems) {
  const errors = Object.entries(problems).filter(([, problem]) => problem)
    .map(([path, problem]) => ({ type: 'field', msg: `${path} ${problem}`, path, location: 'body' }))
  if (errors.length === 0) return false
  res.status(400).json(traits.errorArrays ? { errors } : { message: errors[0].msg })
  return true
}

function required (value) {
  return typeof value === 'string' && value !== '' ? null : 'is required'
}

function roleProblem (role) {
  if (role === undefined || role === null) return null
  if (typeof role !== 'string') return 'must be a string'
  return traits.roles?.includes(role) ?? true ? null : `must be one of: ${traits.roles.join(', ')}`
}

function nameProblem (fullName) {
  if (fullName === undefined || fullName === null) return null
  const isText = (part) => part === undefined || typeof part === 'string'
  const { firstName, lastName } = fullName
  return typeof fullName === 'object' && isText(firstName) && isText(lastName) ? null : 'must be an object of strings'
}

function startSession (res, user) {
  const { id, email, username, role } = user
  const claims = { [traits.userClaim]: id, email, username, role }
  cookie.set(res, jwt.sign(claims, process.env.JWT_SECRET, { expiresIn: `${traits.days}d` }))
}

// profile returns the public fields of a user.
function profile ({ id, email, username, role, fullName }) {
  return { id, email, username, role, fullName }
}

// decoy returns a hash to compare with if the user does not exist, so that an
// unknown user takes the same time as a known one.
let decoyHash
function decoy () {
  decoyHash ??= bcrypt.hash('', COST)
  return decoyHash
}

module.exports = { login, logout, me, register }
