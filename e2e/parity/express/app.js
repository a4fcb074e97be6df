'use strict'

// The application without its server: the middleware in front of the routes.
// Their order decides which response an invalid request gets.

const cookieParser = require('cookie-parser')
const express = require('./express.js')
const authRoutes = require('./routes/auth.js')

const app = express()

app.use(express.json())
app.use(cookieParser())
app.use(authRoutes)

module.exports = app
