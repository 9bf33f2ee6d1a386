// What a foreign server received from the program: headers and the shape of the tool round.
const assert = require("node:assert");
const fs = require("node:fs");

const journal = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const entries = Array.isArray(journal) ? journal : journal.entries;
const calls = entries.filter((entry) => entry.path === "/v1/messages");
assert.ok(calls.length >= 6, `six model calls, seen ${calls.length}`);
for (const call of calls) {
  const headers = Object.fromEntries(Object.entries(call.headers).map(([name, value]) => [name.toLowerCase(), value]));
  assert.equal(headers["anthropic-version"], "2023-06-01");
  assert.ok(headers["x-api-key"], "the key is sent");
  assert.match(headers["content-type"], /^application\/json/);
}
console.log(`${calls.length} model calls, headers as documented`);
