// What the Node client needs to append, read, follow and consume. The first argument is a connection string.
import assert from "node:assert/strict";
import {
  ANY, BACKWARDS, END, EventStoreDBClient, FORWARDS, NO_STREAM, PARK, RETRY, START, STREAM_EXISTS,
  StreamDeletedError, StreamNotFoundError, WrongExpectedVersionError,
  eventTypeFilter, excludeSystemEvents, jsonEvent, binaryEvent, streamNameFilter,
  persistentSubscriptionToAllSettingsFromDefaults, persistentSubscriptionToStreamSettingsFromDefaults,
} from "@eventstore/db-client";

const client = EventStoreDBClient.connectionString(process.argv[2]);
const tests = [];
const test = (name, run) => tests.push({ name, run });
const event = (type, data = { n: 1 }) => jsonEvent({ type, data, metadata: { m: true } });
const collect = async (events) => {
  const all = [];
  for await (const e of events) all.push(e);
  return all;
};
const numbers = (events) => events.map((e) => Number((e.link ?? e.event).revision));
const soon = (what, promise) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), 20_000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

test("append in every expectation", async () => {
  const first = await client.appendToStream("s", [event("a"), event("a")], { expectedRevision: NO_STREAM });
  assert.equal(first.success, true);
  assert.equal(first.nextExpectedRevision, 1n);
  assert.ok(first.position.commit > 0n);
  await client.appendToStream("s", event("a"), { expectedRevision: 1n });
  await client.appendToStream("s", event("a"), { expectedRevision: STREAM_EXISTS });
  await client.appendToStream("s", binaryEvent({ type: "b", data: Buffer.from([0, 255, 1]) }), { expectedRevision: ANY });
  await assert.rejects(client.appendToStream("s", event("a"), { expectedRevision: NO_STREAM }), (e) => {
    assert.ok(e instanceof WrongExpectedVersionError);
    assert.equal(e.actualVersion, 4n);
    return true;
  });
  await assert.rejects(client.appendToStream("s", event("a"), { expectedRevision: 0n }), WrongExpectedVersionError);
});

test("append without batches", async () => {
  const credentials = { username: "somebody", password: "secret" }; // With credentials the client does not batch.
  const w = await client.appendToStream("unbatched", event("a"), { expectedRevision: NO_STREAM, credentials });
  assert.equal(w.nextExpectedRevision, 0n);
  await assert.rejects(client.appendToStream("unbatched", event("a"), { expectedRevision: NO_STREAM, credentials }), WrongExpectedVersionError);
});

test("a thousand appends at once", async () => {
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, n) => client.appendToStream("many", event("m", { n }))));
  assert.deepEqual(answers.map((a) => Number(a.nextExpectedRevision)), Array.from({ length: 1000 }, (_, n) => n));
  assert.deepEqual((await collect(client.readStream("many"))).map((e) => e.event.data.n), Array.from({ length: 1000 }, (_, n) => n));
});

test("read a stream in both directions", async () => {
  assert.deepEqual(numbers(await collect(client.readStream("s"))), [0, 1, 2, 3, 4]);
  assert.deepEqual(numbers(await collect(client.readStream("s", { direction: BACKWARDS, fromRevision: END, maxCount: 2 }))), [4, 3]);
  const [json, , , , binary] = await collect(client.readStream("s", { direction: FORWARDS, fromRevision: START }));
  assert.deepEqual(json.event.data, { n: 1 });
  assert.deepEqual(json.event.metadata, { m: true });
  assert.equal(json.event.isJson, true);
  assert.equal(binary.event.isJson, false);
  assert.deepEqual(Array.from(binary.event.data), [0, 255, 1]);
  assert.ok(Math.abs(json.event.created.getTime() - Date.now()) < 600_000);
  await assert.rejects(collect(client.readStream("none")), StreamNotFoundError);
});

test("read all in both directions", async () => {
  const forwards = await collect(client.readAll({ maxCount: 5 }));
  assert.deepEqual(forwards.map((e) => e.event.streamId), ["s", "s", "s", "s", "s"]);
  const all = await collect(client.readAll());
  const back = await collect(client.readAll({ direction: BACKWARDS, fromPosition: END }));
  assert.deepEqual(back.map((e) => e.event.id).reverse(), all.map((e) => e.event.id));
});

test("follow a stream, and one that comes later", async () => {
  for (const stream of ["s", "later"]) {
    const got = [];
    const followed = client.subscribeToStream(stream, { fromRevision: START });
    const done = (async () => {
      for await (const e of followed) {
        got.push(e.event.type);
        if (e.event.type === "last") return;
      }
    })();
    await client.appendToStream(stream, event("last"));
    await soon("the last event", done);
    await followed.unsubscribe();
    assert.equal(got.length, stream === "s" ? 6 : 1);
  }
});

test("follow all with filters and checkpoints", async () => {
  const checkpoints = [];
  const filter = eventTypeFilter({ prefixes: ["wanted"], checkpointInterval: 1, maxSearchWindow: 10, checkpointReached: async (_, p) => { checkpoints.push(p); } });
  const followed = client.subscribeToAll({ fromPosition: START, filter });
  const first = soon("what was wanted", (async () => { for await (const e of followed) return e; })());
  await client.appendToStream("filtered", [event("other"), event("wanted")]);
  assert.equal((await first).event.type, "wanted");
  assert.ok(checkpoints.length > 0);
  for (const f of [streamNameFilter({ regex: "^filt" }), excludeSystemEvents()]) {
    const s = client.subscribeToAll({ fromPosition: START, filter: f });
    await soon("an event", (async () => { for await (const e of s) return e; })());
    await s.unsubscribe();
  }
});

test("delete, go on, tombstone", async () => {
  await client.appendToStream("d", [event("a"), event("a")]);
  await client.deleteStream("d", { expectedRevision: 1n });
  await assert.rejects(collect(client.readStream("d")), StreamNotFoundError);
  await client.appendToStream("d", event("a"), { expectedRevision: NO_STREAM });
  assert.deepEqual(numbers(await collect(client.readStream("d"))), [2]);
  await client.tombstoneStream("d");
  await assert.rejects(collect(client.readStream("d")), StreamDeletedError);
  await assert.rejects(client.appendToStream("d", event("a")), StreamDeletedError);
});

test("metadata", async () => {
  await client.appendToStream("m", [event("a"), event("a"), event("a")]);
  await client.setStreamMetadata("m", { maxCount: 1, colour: "blue" });
  const got = await client.getStreamMetadata("m");
  assert.equal(got.metadata.maxCount, 1);
  assert.equal(got.metadata.colour, "blue");
  assert.deepEqual(numbers(await collect(client.readStream("m"))), [2]);
});

test("consume from a stream: ack, retry, park, replay", async () => {
  await client.createPersistentSubscriptionToStream("work", "g", persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START }));
  const sub = client.subscribeToPersistentSubscriptionToStream("work", "g");
  const seen = [];
  const done = (async () => {
    for await (const e of sub) {
      seen.push([Number(e.event.revision), e.retryCount]);
      if (seen.length === 1) await sub.nack(RETRY, "again", e);
      else if (seen.length === 2) await sub.nack(PARK, "enough", e);
      else { await sub.ack(e); return; }
    }
  })();
  await client.appendToStream("work", event("job"));
  for (let tries = 0; seen.length < 2 && tries < 400; tries++) await new Promise((r) => setTimeout(r, 50));
  for (let tries = 0; ; tries++) {
    const info = await client.getPersistentSubscriptionToStreamInfo("work", "g");
    if (info.stats.parkedMessageCount === 1 || info.stats.parkedMessageCount === 1n) break;
    assert.ok(tries < 400, "the event was not parked");
    await new Promise((r) => setTimeout(r, 50));
  }
  await client.replayParkedMessagesToStream("work", "g");
  await soon("the replay", done);
  await sub.unsubscribe();
  assert.deepEqual(seen, [[0, 0], [0, 1], [0, 0]]);
  const listed = await client.listPersistentSubscriptionsToStream("work");
  assert.equal(listed[0].groupName, "g");
  await client.updatePersistentSubscriptionToStream("work", "g", persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, maxRetryCount: 3 }));
  assert.equal((await client.getPersistentSubscriptionToStreamInfo("work", "g")).settings.maxRetryCount, 3);
  await client.deletePersistentSubscriptionToStream("work", "g");
});

test("consume from all", async () => {
  await client.createPersistentSubscriptionToAll("ga", persistentSubscriptionToAllSettingsFromDefaults({ startFrom: START }), { filter: eventTypeFilter({ prefixes: ["wanted"] }) });
  const sub = client.subscribeToPersistentSubscriptionToAll("ga");
  await soon("an event", (async () => {
    for await (const e of sub) {
      assert.equal(e.event.type, "wanted");
      await sub.ack(e);
      return;
    }
  })());
  await sub.unsubscribe();
  assert.equal((await client.listAllPersistentSubscriptions()).length, 1);
  await client.deletePersistentSubscriptionToAll("ga");
});

let failed = 0;
for (const { name, run } of tests) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n${e.stack}`);
  }
}
await client.dispose();
process.exit(failed === 0 ? 0 : 1);
