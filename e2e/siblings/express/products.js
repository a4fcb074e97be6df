'use strict'

// The product service: sellers add products, and all logged-in users list them.

const express = require('express4')
const cookieParser = require('cookie-parser')
const { createAuthMiddleware } = require('./auth.js')

const app = express()
app.use(express.json())
app.use(cookieParser())

const products = []

app.get('/api/products', createAuthMiddleware(['user', 'seller']), (req, res) => {
  res.json({ products })
})

app.post('/api/products', createAuthMiddleware(['seller']), (req, res) => {
  const product = { name: req.body.name, seller: req.user.id }
  products.push(product)
  res.status(201).json({ product })
})

app.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'))
