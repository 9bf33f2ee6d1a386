// What a foreign server received from the programs, in each protocol: headers, that a spend limit was asked once, and the shape of a round of
// tools: all results behind the turn that asked for them, in its order.
const assert = require("node:assert");
const fs = require("node:fs");

const journal = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const entries = Array.isArray(journal) ? journal : journal.entries;

function calls(path) {
  const found = entries.filter((entry) => entry.path === path);
  assert.ok(found.length >= 16, `sixteen model calls at ${path}, seen ${found.length}`);
  return found.map((call) => ({
    headers: Object.fromEntries(Object.entries(call.headers).map(([name, value]) => [name.toLowerCase(), value])),
    text: typeof call.body === "string" ? call.body : JSON.stringify(call.body),
  }));
}

const anthropic = calls("/v1/messages");
for (const { headers } of anthropic) {
  assert.equal(headers["anthropic-version"], "2023-06-01");
  assert.ok(headers["x-api-key"], "the key is sent");
}
const openai = calls("/v1/chat/completions");
for (const { headers } of openai) assert.ok(headers["authorization"], "the key is sent");
for (const all of [anthropic, openai]) {
  for (const { headers } of all) assert.match(headers["content-type"], /^application\/json/);
  assert.equal(all.filter(({ text }) => text.includes("a spend limit")).length, 1, "a spend limit is not tried again");
  assert.equal(all.filter(({ text }) => text.includes("after a rate limit")).length, 2, "a rate limit is tried again once");
  const rounds = all.filter(({ text }) => text.includes("call_coffee"));
  assert.ok(rounds.length >= 1, "results of tools were sent");
  for (const { text } of rounds) {
    assert.ok(text.includes("call_tea"), "no result is missing");
    assert.ok(text.lastIndexOf("call_tea") < text.lastIndexOf("call_coffee"), "results stand in the order of the calls");
  }
}
console.log(`${anthropic.length} and ${openai.length} requests as documented`);
