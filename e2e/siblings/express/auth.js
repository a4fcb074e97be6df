'use strict'

// The guard of the three services, as most services of their family have it. It
// reads the token from the cookie or from Authorization, and checks its
// signature, its expiry and its role. It does not look up logouts in Redis.

const jwt = require('jsonwebtoken')

// tokenOf returns the token of the cookie, or the second word of Authorization,
// whatever the first word is.
function tokenOf (req) {
  return req.cookies.token || req.headers.authorization?.split(' ')[1]
}

function createAuthMiddleware (roles) {
  return (req, res, next) => {
    const token = tokenOf(req)
    if (!token) return res.status(401).json({ message: 'No token' })

    try {
      req.user = jwt.verify(token, process.env.JWT_SECRET)
    } catch {
      return res.status(401).json({ message: 'Invalid token' })
    }
    if (!roles.includes(req.user.role)) {
      return res.status(403).json({ message: `Not for the role ${req.user.role}` })
    }
    next()
  }
}

module.exports = { createAuthMiddleware, tokenOf }
