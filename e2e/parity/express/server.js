'use strict'

// The reference: a small Express service with the same HTTP responses, Redis
// keys and process behavior as the original. Tests run it and the Go service.
//
//   PORT           3000; 0 takes a free one. When the service listens, it prints
//                  "listening on <port>" to stdout; all other output is on stderr
//   HOST           127.0.0.1
//   REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, JWT_SECRET, NODE_ENV  as in the original
//   ROUTE_PREFIX   /api/auth
//   EXPRESS        4 or 5
//   ERROR_TYPO=1   the original's mistake in the Redis error handler, which ends the process
//   USERS_FILE     JSON array of {id,email,username,role,fullName,password}, password a bcrypt hash
//   BCRYPT_COST    10
//   CLUSTER        number of workers; each has its own users, so set a USERS_FILE
//
// The applications of its family differ in these traits. The first value is the
// default: the most common one, or otherwise that of the original.
//
//   BLACKLIST_KEY     blacklist:{token}, or another key of a revoked token
//   CHECK_BLACKLIST   true | false: the middleware does not check the blacklist
//   ACCEPT_BEARER     false | true: also read a token from Authorization
//   COOKIE_NAME       token
//   COOKIE_SAMESITE   strict | lax | none | omit: no attribute is sent
//   COOKIE_SECURE     true | production: only in production
//   JWT_EXPIRES_IN    1d, or another number of days
//   USER_CLAIM        id | _id | userId | sub: the claim with the user's id
//   REGISTER_COOKIE   true | false: registering does not log in
//   LOGIN_BY          either, email or username | email
//   ROLES             any role may be chosen, or one of these, such as user,seller
//   UNIQUE_USERNAMES  true | false
//   VALIDATION        message: {message} | errors: {errors:[{msg,path}]}
//   WRONG_PASSWORD    Invalid credentials, or another message
//   ME_MESSAGE        /me answers {user}, or {message,user} with this message

const cluster = require('node:cluster')
const http = require('node:http')

const workers = Number(process.env.CLUSTER || 0)
if (!Number.isInteger(workers) || workers < 0) {
  throw new Error(`CLUSTER: want a number of workers, got ${process.env.CLUSTER}`)
}

if (workers > 0 && cluster.isPrimary) {
  lead(workers)
} else {
  serve()
}

function serve () {
  // Process 1 of a container has no default action for SIGTERM.
  process.on('SIGTERM', () => process.exit(0))

  const server = http.createServer(require('./app.js'))
  server.listen(Number(process.env.PORT || 3000), process.env.HOST || '127.0.0.1', () => {
    if (cluster.isPrimary) announce(server.address().port)
  })
}

// lead starts n workers on one port and waits for them, so that their CPU time
// counts as its own. If a worker ends by itself, all processes end: a benchmark
// with fewer workers than requested would be misleading.
function lead (n) {
  let listening = 0
  let ending = false

  cluster.on('listening', (worker, address) => {
    listening++
    if (listening === n) announce(address.port)
  })
  cluster.on('exit', (worker, code) => {
    if (!ending) process.exit(code || 1)
    if (Object.keys(cluster.workers).length === 0) process.exit(0)
  })
  process.on('SIGTERM', () => {
    ending = true
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
  })

  for (let i = 0; i < n; i++) cluster.fork()
}

function announce (port) {
  console.log(`listening on ${port}`)
}
