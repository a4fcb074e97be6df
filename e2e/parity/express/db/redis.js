'use strict'

// The one Redis client, on ioredis's defaults (it reconnects for ever and
// gives a command up after 20 reconnects), and the blacklist kept behind it.

const { Redis } = require('ioredis')
const { blacklistKey } = require('../traits.js')

const DAY = 24 * 60 * 60 // seconds
const [before, after] = blacklistKey.split('{token}')

const client = new Redis({
  host: process.env.REDIS_HOST,
  port: process.env.REDIS_PORT,
  password: process.env.REDIS_PASSWORD
})

client.on('connect', () => console.error('connected to redis')) // the original: stdout
client.on('error', process.env.ERROR_TYPO === '1' ? misspelt : report)

function report (err) {
  console.error('redis:', err)
}

// As the original has it: no parameter, so `error` names nothing. The
// ReferenceError is thrown out of an event handler and ends the process.
function misspelt () {
  console.error('redis:', error) // eslint-disable-line no-undef
}

// A token out of a `j:` cookie may be any JSON value. Making a key of it can
// throw; callers treat that as they treat an error of Redis.
function keyOf (token) {
  return `${before}${token}${after}`
}

// Any value but the empty string counts; a key that holds no string is an error.
async function isBlacklisted (token) {
  return Boolean(await client.get(keyOf(token)))
}

async function blacklist (token) {
  await client.set(keyOf(token), 'true', 'EX', DAY)
}

module.exports = { blacklist, isBlacklisted }
