'use strict'

// The Redis client and the blacklist. The client has ioredis's defaults: it
// reconnects forever and gives up a command after 20 reconnects.

const { Redis } = require('ioredis')
const { blacklistKey } = require('../traits.js')

const DAY = 24 * 60 * 60 // seconds
const [before, after] = blacklistKey.split('{token}')

const client = new Redis({
  host: process.env.REDIS_HOST,
  port: process.env.REDIS_PORT,
  password: process.env.REDIS_PASSWORD
})

client.on('connect', () => console.error('connected to redis')) // the original prints to stdout
client.on('error', process.env.ERROR_TYPO === '1' ? misspelt : report)

function report (err) {
  console.error('redis:', err)
}

// This is the original's mistake: without a parameter, `error` is not defined.
// The ReferenceError is thrown in an event handler and ends the process.
function misspelt () {
  console.error('redis:', error) // eslint-disable-line no-undef
}

// The token of a `j:` cookie may be any JSON value, and converting it to a
// string can throw. Callers handle that like an error of Redis.
function keyOf (token) {
  return `${before}${token}${after}`
}

// Any value except the empty string counts. A key of another type is an error.
async function isBlacklisted (token) {
  return Boolean(await client.get(keyOf(token)))
}

async function blacklist (token) {
  await client.set(keyOf(token), 'true', 'EX', DAY)
}

module.exports = { blacklist, isBlacklisted }
