// Verifies webhook requests, one function a contract: copy the one you need and what it uses. Node 18 or newer.
//
// Each takes the secrets in force (during a rotation the old and the new), the headers as node:http gives them, and the
// body as a Buffer of the bytes that came. It returns the id to drop repetitions by, or throws Refused.
//
// A framework that has only the parsed body left may pass Buffer.from(JSON.stringify(parsed)): the bodies are spelled so
// that these are the same bytes, but for numbers beyond a double and members named like array indexes.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE = 5 * 60 * 1000; // milliseconds

/** Why a request is not believed: the header at fault and what is wrong with it. */
export class Refused extends Error {}

export function vantageclaw(secrets, headers, body) {
  const stamp = number(headers, "X-VC-Timestamp");
  checkAge("X-VC-Timestamp", Number(stamp));
  checkHex(headers, "X-VC-Signature", "sha256=", secrets, stamp + ".", body);
  return JSON.parse(body).id;
}

export function clawbook(secrets, headers, body) {
  checkHex(headers, "X-ClawBook-Signature", "sha256=", secrets, "", body); // no time is signed: the id alone tells a repetition
  return JSON.parse(body).id;
}

export function vantagekit(secrets, headers, body) {
  const stamp = number(headers, "X-VantageKit-Timestamp");
  checkAge("X-VantageKit-Timestamp", Number(stamp) * 1000);
  checkHex(headers, "X-VantageKit-Signature", "sha256=", secrets, stamp + ".", body);
  return required(headers, "X-VantageKit-Delivery");
}

export function vntana(secrets, headers, body) {
  const stamp = required(headers, "X-TIMESTAMP");
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(stamp)) throw new Refused("X-TIMESTAMP: malformed header");
  checkAge("X-TIMESTAMP", Date.parse(stamp));
  checkHex(headers, "X-VNTANA-SIGNATURE", "", secrets, stamp + "#", body);
  return undefined; // this contract has no id
}

export function standard(secrets, headers, body) {
  const id = required(headers, "webhook-id");
  const stamp = number(headers, "webhook-timestamp");
  checkAge("webhook-timestamp", Number(stamp) * 1000);
  const wanted = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    return "v1," + createHmac("sha256", key).update(`${id}.${stamp}.`, "latin1").update(body).digest("base64");
  });
  checkAny("webhook-signature", required(headers, "webhook-signature").split(" "), wanted);
  return id;
}

export const profiles = { vantageclaw, clawbook, vantagekit, vntana, standard };

function required(headers, name) {
  const value = headers[name.toLowerCase()];
  if (!value) throw new Refused(`${name}: missing header`);
  return value;
}

function number(headers, name) {
  const value = required(headers, name);
  if (!/^[0-9]{1,15}$/.test(value)) throw new Refused(`${name}: malformed header`);
  return value;
}

function checkAge(name, milliseconds) {
  // Turned round so that what is no number is refused, too.
  if (!(Math.abs(Date.now() - milliseconds) <= TOLERANCE)) throw new Refused(`${name}: timestamp outside the replay window`);
}

// The key is the whole secret as text, whsec_ included where it has one.
function checkHex(headers, name, prefix, secrets, head, body) {
  const wanted = secrets.map((secret) => prefix + createHmac("sha256", secret).update(head, "latin1").update(body).digest("hex"));
  checkAny(name, [required(headers, name)], wanted);
}

function checkAny(name, given, wanted) {
  let found = false;
  for (const g of given) for (const w of wanted) found = same(g, w) || found;
  if (!found) throw new Refused(`${name}: signature does not match`);
}

function same(a, b) {
  const x = Buffer.from(a), y = Buffer.from(b);
  return x.length === y.length && timingSafeEqual(x, y);
}
