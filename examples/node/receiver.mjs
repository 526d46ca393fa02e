// A webhook receiver that believes only what verifies. See ../README.md for its settings.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { profiles, Refused } from "./verify.mjs";

const MAX_BODY = 2 << 20; // bytes
const verify = profiles[process.env.WEBHOOK_PROFILE];

async function read(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function receive(request, response) {
  const answer = (status, text, headers) => {
    response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...headers }).end(text);
  };
  if (request.method !== "POST") return answer(405, "only POST");
  const body = await read(request);
  if (!body) return answer(413, `the body has over ${MAX_BODY} bytes`, { Connection: "close" });
  const secrets = readFileSync(process.env.WEBHOOK_SECRETS_FILE, "utf8").split("\n").filter(Boolean);
  let id;
  try {
    id = verify(secrets, request.headers, body);
  } catch (error) {
    if (error instanceof Refused) return answer(401, error.message);
    throw error;
  }
  // Deliveries come at least once: store the id together with the work, and if it is there already, only answer.
  const message = JSON.parse(body);
  console.log("received", message.type ?? message.event, id ?? "");
  answer(200, `received ${id ?? ""}`);
}

const server = createServer((request, response) => {
  receive(request, response).catch((error) => {
    console.error(error.message);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
