'use strict';
// sign SECRET prints a token as issued by the original. verify SECRET TOKEN prints its claims.

const jwt = require('jsonwebtoken');

const [what, secret, token] = process.argv.slice(2);
if (what === 'sign') {
  const user = { id: '64b7f0c2a1d3e4f5a6b7c8d9', email: 'grace@example.com', username: 'grace', role: 'user' };
  process.stdout.write(jwt.sign(user, secret, { expiresIn: '1d' }));
} else {
  process.stdout.write(JSON.stringify(jwt.verify(token, secret)));
}
