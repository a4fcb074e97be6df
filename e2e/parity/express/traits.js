'use strict'

// The traits in which the applications of the family differ. server.js lists
// the switches. Every switch has a default.

const { env } = process

function oneOf (name, ...values) {
  const value = env[name] || values[0]
  if (!values.includes(value)) throw new Error(`${name}: want one of ${values}, got ${value}`)
  return value
}

function isOn (name, otherwise) {
  return oneOf(name, otherwise, 'true', 'false') === 'true'
}

const sameSite = oneOf('COOKIE_SAMESITE', 'strict', 'lax', 'none', 'omit')
const secure = oneOf('COOKIE_SECURE', 'true', 'production')

module.exports = {
  blacklistKey: env.BLACKLIST_KEY || 'blacklist:{token}',
  checksBlacklist: isOn('CHECK_BLACKLIST', 'true'),
  acceptsBearer: isOn('ACCEPT_BEARER', 'false'),
  cookieName: env.COOKIE_NAME || 'token',
  sameSite: sameSite === 'omit' ? undefined : sameSite,
  secure: secure === 'true' || env.NODE_ENV === 'production',
  days: Number((env.JWT_EXPIRES_IN || '1d').replace('d', '')),
  userClaim: oneOf('USER_CLAIM', 'id', '_id', 'userId', 'sub'),
  registerLogsIn: isOn('REGISTER_COOKIE', 'true'),
  emailOnly: oneOf('LOGIN_BY', 'either', 'email') === 'email',
  roles: env.ROLES && env.ROLES.split(','),
  uniqueUsernames: isOn('UNIQUE_USERNAMES', 'true'),
  errorArrays: oneOf('VALIDATION', 'message', 'errors') === 'errors',
  wrongPassword: env.WRONG_PASSWORD || 'Invalid credentials',
  meMessage: env.ME_MESSAGE
}
