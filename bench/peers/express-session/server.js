// Express with express-session and connect-redis, as their documentation shows.
//
// On each GET /api/auth/me express-session verifies the cookie's HMAC and reads the session with one GET. Before
// the response it renews the session with one EXPIRE, which is its default (disableTouch is false).

import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const { HOST, PORT, REDIS_HOST, REDIS_PORT, JWT_SECRET } = process.env

const client = createClient({ socket: { host: REDIS_HOST, port: Number(REDIS_PORT) } })
client.on('error', (err) => console.error('redis:', err))
await client.connect()

const app = express()
app.use(express.json())
app.use(session({
  store: new RedisStore({ client }),
  secret: JWT_SECRET,
  resave: false,
  saveUninitialized: false
}))

// It does not check the password, because only /me is measured.
app.post('/api/auth/login', (req, res, next) => {
  const { email, username } = req.body
  req.session.regenerate((err) => {
    if (err) return next(err)
    req.session.user = { id: '6b054b001c2fac52a10afd91', email, username, role: 'user' }
    res.json({ user: req.session.user })
  })
})

app.get('/api/auth/me', (req, res) => {
  const { user } = req.session
  if (!user) return res.status(401).json({ message: 'Unauthorized' })
  res.json({ user })
})

app.listen(Number(PORT), HOST)
