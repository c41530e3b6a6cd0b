// What the scripts that run an official SDK have in common: orders come in a line each, and so do results.
// The same as `clients/talking.py`, for JavaScript: SDKs are found in the directory that SDK_HOME names.

"use strict";

const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const find = createRequire(`${process.env.SDK_HOME}/`);

function version(name) {
  return JSON.parse(require("node:fs").readFileSync(`${process.env.SDK_HOME}/node_modules/${name}/package.json`)).version;
}

async function serve(name, make, operations, own, told) {
  let clients = new Map();
  const say = (result) => process.stdout.write(JSON.stringify(result) + "\n");
  say({ version: version(name) });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const known = JSON.stringify(order.client);
    if (!clients.has(known)) clients = new Map([[known, make(order.client)]]);
    say(await done(operations[order.do], clients.get(known), order.with, own, told));
  }
  process.exit(0); // connections that are kept for another request would keep the process
}

async function done(operation, client, given, own, told) {
  const said = [];
  try {
    return await operation(client, given, said);
  } catch (error) {
    const kinds = [];
    for (let kind = error?.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) kinds.push(kind.name);
    const isOwn = error instanceof own;
    const more = isOwn ? told(error) : {};
    return { error: kinds[0], kinds, own: isOwn, message: String(error?.message), text: said.join(""), ...more };
  }
}

const headersOf = (headers) => Object.fromEntries(headers ?? []);

module.exports = { find, headersOf, serve };
