#!/usr/bin/env node
// A webhook receiver that verifies every delivery, Node's standard library only.
//
//     receiver.js --profile vantageclaw --secret-file FILE [--port 0] [--fail-first N]
//
// Profiles: vantageclaw, standard. It verifies twice: over the bytes as they came, and, as many receivers do that only
// get the parsed body from their framework, over JSON.stringify of the parsed body. It prints the URL it listens on,
// then one line of JSON for each request. With --fail-first it answers the first N requests of each event with 500.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const { parseArgs } = require("node:util");

const REPLAY_WINDOW = 5 * 60 * 1000; // milliseconds

const { values: options } = parseArgs({
  options: {
    profile: { type: "string" },
    "secret-file": { type: "string" },
    port: { type: "string", default: "0" },
    "fail-first": { type: "string", default: "0" },
  },
});

function same(a, b) {
  const x = Buffer.from(a), y = Buffer.from(b);
  return x.length === y.length && crypto.timingSafeEqual(x, y);
}

function fresh(milliseconds) {
  return Math.abs(Date.now() - milliseconds) <= REPLAY_WINDOW;
}

const profiles = {
  // The key is the whole secret string, whsec_ included.
  vantageclaw: {
    identify: (headers, body) => JSON.parse(body).id,
    timestamp: (headers) => headers["x-vc-timestamp"],
    signature: (headers) => headers["x-vc-signature"],
    time: (timestamp) => Number(timestamp),
    matches(secret, headers, body) {
      const mac = crypto.createHmac("sha256", secret).update(headers["x-vc-timestamp"] + ".").update(body).digest("hex");
      return same("sha256=" + mac, headers["x-vc-signature"]);
    },
  },
  // The key is what the base64 after whsec_ decodes to.
  standard: {
    identify: (headers) => headers["webhook-id"],
    timestamp: (headers) => headers["webhook-timestamp"],
    signature: (headers) => headers["webhook-signature"],
    time: (timestamp) => Number(timestamp) * 1000,
    matches(secret, headers, body) {
      const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
      const signed = headers["webhook-id"] + "." + headers["webhook-timestamp"] + ".";
      const mac = crypto.createHmac("sha256", key).update(signed).update(body).digest("base64");
      return headers["webhook-signature"].split(" ").some((one) => same("v1," + mac, one));
    },
  },
};

const profile = profiles[options.profile];
if (!profile || !options["secret-file"]) {
  console.error("usage: receiver.js --profile vantageclaw|standard --secret-file FILE [--port 0] [--fail-first N]");
  process.exit(2);
}

const requests = new Map();

function judge(headers, body) {
  const seen = { verified: false, reserialised: false, body: body.toString("base64") };
  try {
    const secret = fs.readFileSync(options["secret-file"], "utf8").trim();
    seen.event = profile.identify(headers, body.toString("utf8"));
    seen.timestamp = profile.timestamp(headers);
    seen.signature = profile.signature(headers);
    if (headers["content-type"] !== "application/json") throw new Error("the content type is not application/json");
    if (!fresh(profile.time(seen.timestamp))) throw new Error("the timestamp is outside the replay window");
    seen.verified = profile.matches(secret, headers, body);
    seen.reserialised = profile.matches(secret, headers, JSON.stringify(JSON.parse(body.toString("utf8"))));
    if (!seen.verified) seen.why = "the signature does not match";
  } catch (error) {
    seen.why = error.message;
  }
  return seen;
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const seen = judge(request.headers, Buffer.concat(chunks));
    const count = (requests.get(seen.event) ?? 0) + 1;
    requests.set(seen.event, count);
    const failing = count <= Number(options["fail-first"]);
    seen.answer = failing ? 500 : seen.verified ? 200 : 400;
    console.log(JSON.stringify(seen));
    response.writeHead(seen.answer, { "Content-Length": "0" });
    response.end();
  });
});

server.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/hook`);
});
