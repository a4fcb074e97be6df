'use strict'

// The route table. Paths are whole, not a router mounted under the prefix:
// Express 4 would let such a router answer /api/auth//me too. POST comes
// before GET, for Express 4 lists them in `Allow` in this order.

const express = require('../express.js')
const auth = require('../controllers/auth.js')
const { authenticated } = require('../middleware/auth.js')

const prefix = (process.env.ROUTE_PREFIX || '/api/auth').replace(/\/+$/, '')

const router = express.Router()

router.post(`${prefix}/register`, auth.register)
router.post(`${prefix}/login`, auth.login)
router.post(`${prefix}/logout`, auth.logout)
router.get(`${prefix}/logout`, auth.logout)
router.get(`${prefix}/me`, authenticated, auth.me)

module.exports = router
