'use strict'

// The routes. Each has its full path, because in Express 4 a router mounted
// under the prefix would also answer /api/auth//me. POST is before GET, because
// Express 4 lists them in `Allow` in this order.

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
