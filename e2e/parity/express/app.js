'use strict'

// The application without a socket: what runs in front of the routes, in the
// order that decides which answer a bad request gets.

const cookieParser = require('cookie-parser')
const express = require('./express.js')
const authRoutes = require('./routes/auth.js')

const app = express()

app.use(express.json())
app.use(cookieParser())
app.use(authRoutes)

module.exports = app
