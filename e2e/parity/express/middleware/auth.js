'use strict'

// The guard of a protected route. It checks, in this order, that there is a
// token, that it is not on the blacklist, and that it is valid. The claims
// become req.user. Most services of the family do not check the blacklist.

const jwt = require('jsonwebtoken')
const cookie = require('../cookie.js')
const { isBlacklisted } = require('../db/redis.js')
const { checksBlacklist } = require('../traits.js')

async function authenticated (req, res, next) {
  const token = cookie.read(req)
  if (!token) {
    return res.status(401).json({ message: 'Unauthorized' })
  }

  if (checksBlacklist && process.env.NODE_ENV !== 'test') {
    let loggedOut
    try {
      loggedOut = await isBlacklisted(token)
    } catch (err) {
      console.error('blacklist lookup:', err)
      return res.status(503).json({ message: 'Authentication service unavailable' })
    }
    if (loggedOut) {
      cookie.clear(res)
      return res.status(401).json({ message: 'Session expired. Please login again.' })
    }
  }

  try {
    req.user = jwt.verify(token, process.env.JWT_SECRET)
  } catch {
    return res.status(401).json({ message: 'Unauthorized user' })
  }
  next()
}

module.exports = { authenticated }
