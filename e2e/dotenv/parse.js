// Reads lines with a JSON string, each the base64 encoding of a .env file. For each it prints a
// line with the variables that dotenv 16, 17 and 18 read: an array of three objects.
'use strict'

const fs = require('node:fs')
const versions = ['dotenv16', 'dotenv17', 'dotenv'].map((name) => require(name))

const answers = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => {
  const text = Buffer.from(JSON.parse(line), 'base64').toString('utf8') // as config() reads a file
  return JSON.stringify(versions.map((dotenv) => dotenv.parse(text))) + '\n'
})
process.stdout.write(answers.join(''))
