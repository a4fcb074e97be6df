'use strict'

// The cart service: each user has a list of products.

const express = require('express4')
const cookieParser = require('cookie-parser')
const { createAuthMiddleware } = require('./auth.js')

const app = express()
app.use(express.json())
app.use(cookieParser())

const carts = new Map() // user id → products

app.get('/api/cart', createAuthMiddleware(['user']), (req, res) => {
  res.json({ items: carts.get(req.user.id) || [] })
})

app.post('/api/cart', createAuthMiddleware(['user']), (req, res) => {
  const items = [...(carts.get(req.user.id) || []), req.body.product]
  carts.set(req.user.id, items)
  res.status(201).json({ items })
})

app.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'))
