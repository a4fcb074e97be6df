'use strict'

// The order service: an order has the products of the user's cart. It gets them
// from the cart service at CART_URL with the user's own token.

const express = require('express5')
const cookieParser = require('cookie-parser')
const { createAuthMiddleware, tokenOf } = require('./auth.js')

const app = express()
app.use(express.json())
app.use(cookieParser())

const orders = new Map() // user id → orders

app.get('/api/orders', createAuthMiddleware(['user']), (req, res) => {
  res.json({ orders: orders.get(req.user.id) || [] })
})

app.post('/api/orders', createAuthMiddleware(['user']), async (req, res) => {
  const cart = await fetch(`${process.env.CART_URL}/api/cart`, {
    headers: { Authorization: `Bearer ${tokenOf(req)}` }
  })
  if (!cart.ok) return res.status(502).json({ message: `The cart service answered ${cart.status}` })

  const order = await cart.json()
  orders.set(req.user.id, [...(orders.get(req.user.id) || []), order])
  res.status(201).json({ order })
})

app.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'))
