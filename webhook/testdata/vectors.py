#!/usr/bin/env python3
"""Prints vectors.json: requests, signatures and UUIDs as the published contracts describe them, computed without any Go.

    vectors.py > vectors.json

Bodies, headers and signing are written out by hand for each profile, so that a mistake in the tables of package webhook
does not come back here.
"""

import base64
import hashlib
import hmac
import json
import sys
import uuid
from datetime import datetime, timedelta, timezone

# What the contract itself prints: profile, secret, time on the wire, id, body, signature on the wire.
PUBLISHED = [
    ("vantageclaw", "whsec_test", "1700000000000", "",
     '{"data":{"message":"integration test"},"event":"vc.test.ping","id":"evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890",'
     '"occurred_at":"2026-05-23T18:00:00.000000Z","subscription_id":"wh_11111111-2222-3333-4444-555555555555"}',
     "sha256=7a77d4cf4b4ecfe14c2ee38a41becf07a718465f6d1f19ec506400fdd1b4c3d5"),
    ("vantagekit", "vk_test_secret", "1712582096", "",
     '{"type":"deal_room.created","data":{"dealRoomId":"550e8400-e29b-41d4-a716-446655440000","name":"Series A"}}',
     "sha256=f6835292e7b1e82139602baee4dda4c453aeff422339c15137633019121b1be4"),
    ("clawbook", "your-webhook-secret", "", "",
     '{"id":"evt_abc123","type":"message.received","created_at":"2026-01-30T14:30:00Z","data":{}}',
     "sha256=ac1764e70d091a94f6fbc16cce05642c41bb1b0e82bd8004ba70b9fc9137f7a2"),
    ("vntana", "the-secret", "2022-01-01T00:00:00Z", "",
     '{"event":"product.added","organization":{"uuid":"o"},"product":{"uuid":"1234"},"client":{"uuid":"c"}}',
     "423170652fd30ba8c8fecc6dac70d64f8480e508b15f184e2a056c89b75e2aae"),
    # The example that the specification of Standard Webhooks and its libraries share.
    ("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "1614265330", "msg_p5jXN8AQM9LWM0D4loKWxJek",
     '{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
]

MESSAGE_ID = "evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890"
SUBSCRIPTION_ID = "wh_11111111-2222-3333-4444-555555555555"
DELIVERY = "018f3e2a-0000-7000-8000-000000000001"
OCCURRED = datetime(2026, 5, 23, 18, 0, 0, 123456, timezone.utc)
FIRST = datetime(2026, 5, 23, 18, 0, 0, 789000, timezone.utc)

# As a platform might spell it: white space, needless escapes, numbers in long forms, control characters, U+2028.
AWKWARD = ('{ "text" : "Gr\\u00fc\\u00dfe \\u6771\\u4eac \\ud83e\\udd9e \\u2028\\u007f", "html":"<b>a & b<\\/b>",\n'
           '"control":"\\u0000\\u0008\\u000c\\n\\r\\t\\u001F\\"\\\\", "numbers":[1.0, -0, 1E5, 2.50, 9007199254740991],'
           ' "nested": { "b":[ ], "a":{ } , "\\u00e9":null } }')

TEXT_SECRETS = ["whsec_naïve-text-secret"]
KEY_SECRETS = ["whsec_" + base64.b64encode(bytes(range(32))).decode()]
SECOND_KEY = "whsec_" + base64.b64encode(b"second key of twenty-fou").decode()


def compact(value):
    """JSON as JSON.stringify writes it; only numbers whose shortest form is plain are used here."""
    def plain(v):
        if isinstance(v, float):
            return int(v) if v == int(v) else v
        if isinstance(v, list):
            return [plain(x) for x in v]
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        return v
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def mac(key, *parts):
    return hmac.new(key, b"".join(p if isinstance(p, bytes) else p.encode() for p in parts), hashlib.sha256)


def micro(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(t):
    return (t - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


PLAIN = [("Content-Type", "application/json"), ("User-Agent", "Hooklog/1")]


def vantageclaw(kind, data, secrets, at):
    body = compact({"event": kind, "id": MESSAGE_ID, "subscription_id": SUBSCRIPTION_ID, "occurred_at": micro(OCCURRED), "data": data})
    stamp = str(milliseconds(at))
    signature = "sha256=" + mac(secrets[0].encode(), stamp, ".", body).hexdigest()
    return body, PLAIN + [("X-VC-Timestamp", stamp), ("X-VC-Signature", signature)]


def clawbook(kind, data, secrets, at):
    body = compact({"id": MESSAGE_ID, "type": kind, "created_at": whole(OCCURRED), "data": data})
    return body, PLAIN + [("X-ClawBook-Signature", "sha256=" + mac(secrets[0].encode(), body).hexdigest())]


def vantagekit(kind, data, secrets, at):
    body = compact({"type": kind, "data": data})
    stamp = str(milliseconds(at) // 1000)
    return body, [
        ("Content-Type", "application/json"), ("User-Agent", "VantageKit-Webhooks/1.0"), ("X-VantageKit-Event", kind),
        ("X-VantageKit-Delivery", DELIVERY), ("X-VantageKit-Timestamp", stamp),
        ("X-VantageKit-Signature", "sha256=" + mac(secrets[0].encode(), stamp, ".", body).hexdigest()),
    ]


def vntana(kind, data, secrets, at):
    body = compact({"event": kind} | data)
    stamp = whole(at)
    return body, PLAIN + [("X-TIMESTAMP", stamp), ("X-VNTANA-SIGNATURE", mac(secrets[0].encode(), stamp, "#", body).hexdigest())]


def standard(kind, data, secrets, at):
    body = compact({"type": kind, "timestamp": micro(OCCURRED), "data": data})
    stamp = str(milliseconds(at) // 1000)
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        signatures.append("v1," + base64.b64encode(mac(key, MESSAGE_ID, ".", stamp, ".", body).digest()).decode())
    return body, PLAIN + [("webhook-id", MESSAGE_ID), ("webhook-timestamp", stamp), ("webhook-signature", " ".join(signatures))]


def published():
    for profile, secret, stamp, event, body, signature in PUBLISHED:
        key = base64.b64decode(secret.removeprefix("whsec_")) if profile == "standard" else secret.encode()
        head = {"clawbook": "", "vntana": stamp + "#", "standard": event + "." + stamp + "."}.get(profile, stamp + ".")
        sum = mac(key, head, body)
        got = {"vntana": sum.hexdigest(), "standard": "v1," + base64.b64encode(sum.digest()).decode()}.get(profile, "sha256=" + sum.hexdigest())
        if got != signature:
            sys.exit(f"{profile}: the contract prints {signature}, computed {got}")
        yield {"profile": profile, "secret": secret, "time": stamp, "id": event, "body": body, "signature": signature}


def requests():
    for make, kind, waits, secrets in [
        (vantageclaw, "invoice.paid", 60, TEXT_SECRETS), (clawbook, "message.sent", 60, TEXT_SECRETS),
        (vantagekit, "deal_room.created", 1, TEXT_SECRETS), (vntana, "product.added", 60, TEXT_SECRETS),
        (standard, "invoice.paid", 5, KEY_SECRETS), (standard, "invoice.paid", 5, KEY_SECRETS + [SECOND_KEY]),
    ]:
        attempts = []
        for at in (FIRST, FIRST + timedelta(seconds=waits)):
            body, headers = make(kind, json.loads(AWKWARD), secrets, at)
            attempts.append({"at": milliseconds(at), "headers": [list(h) for h in headers], "body": body})
        yield {
            "profile": make.__name__, "type": kind, "id": MESSAGE_ID, "subscription_id": SUBSCRIPTION_ID,
            "occurred_at": micro(OCCURRED), "data": AWKWARD, "delivery": DELIVERY, "secrets": secrets, "attempts": attempts,
        }


def uuids():
    types, categories = uuid.UUID("3f0c6a2e-9d41-4b77-8e5a-1c926bd0f358"), uuid.UUID("a854e107-2bc6-4d1f-9a33-70ee5d8419cb")
    found = {"category " + name: str(uuid.uuid5(categories, name)) for name in ("Product", "Folder", "User")}
    for name in ("product.added product.pending product.processing product.completed product.terminated product.failed "
                 "product.published product.deleted client.added user.added user.revoked").split():
        found[name] = str(uuid.uuid5(types, name))
    return found


json.dump({"published": list(published()), "requests": list(requests()), "uuids": uuids()}, sys.stdout, indent=1)
print()
