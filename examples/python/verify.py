"""Verifies webhook requests, one function a contract: copy the one you need and what it uses. Python 3.9 or newer.

Each takes the secrets in force (during a rotation the old and the new), the headers (any mapping that does not care about
case, as http.server and the frameworks have it) and the body's bytes as they came. It returns the id to drop repetitions
by, or raises Refused.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from datetime import datetime, timezone

TOLERANCE = 5 * 60  # seconds


class Refused(Exception):
    """Why a request is not believed: the header at fault and what is wrong with it."""


def vantageclaw(secrets, headers, body):
    stamp = number(headers, "X-VC-Timestamp")
    check_age("X-VC-Timestamp", int(stamp) / 1000)
    check_hex(headers, "X-VC-Signature", "sha256=", secrets, stamp.encode() + b"." + body)
    return json.loads(body)["id"]


def clawbook(secrets, headers, body):
    check_hex(headers, "X-ClawBook-Signature", "sha256=", secrets, body)  # no time is signed: the id alone tells a repetition
    return json.loads(body)["id"]


def vantagekit(secrets, headers, body):
    stamp = number(headers, "X-VantageKit-Timestamp")
    check_age("X-VantageKit-Timestamp", int(stamp))
    check_hex(headers, "X-VantageKit-Signature", "sha256=", secrets, stamp.encode() + b"." + body)
    return required(headers, "X-VantageKit-Delivery")


def vntana(secrets, headers, body):
    stamp = required(headers, "X-TIMESTAMP")
    try:
        at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refused("X-TIMESTAMP: malformed header") from None
    check_age("X-TIMESTAMP", at.timestamp())
    check_hex(headers, "X-VNTANA-SIGNATURE", "", secrets, stamp.encode() + b"#" + body)
    return None  # this contract has no id


def standard(secrets, headers, body):
    identity = required(headers, "webhook-id")
    stamp = number(headers, "webhook-timestamp")
    check_age("webhook-timestamp", int(stamp))
    signed = identity.encode("latin-1") + b"." + stamp.encode() + b"." + body
    wanted = [
        b"v1," + base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256"))
        for secret in secrets
    ]
    given = required(headers, "webhook-signature").encode("latin-1").split()
    check_any("webhook-signature", given, wanted)
    return identity


PROFILES = {f.__name__: f for f in (vantageclaw, clawbook, vantagekit, vntana, standard)}


def required(headers, name):
    value = headers.get(name)
    if not value:
        raise Refused(name + ": missing header")
    return value


def number(headers, name):
    value = required(headers, name)
    if not re.fullmatch("[0-9]{1,15}", value):
        raise Refused(name + ": malformed header")
    return value


def check_age(name, seconds):
    if abs(time.time() - seconds) > TOLERANCE:
        raise Refused(name + ": timestamp outside the replay window")


def check_hex(headers, name, prefix, secrets, signed):
    """The key is the whole secret as text, whsec_ included where it has one."""
    given = required(headers, name).encode("latin-1")
    wanted = [(prefix + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()).encode() for secret in secrets]
    check_any(name, [given], wanted)


def check_any(name, given, wanted):
    # A list and no generator: all are compared, and each in constant time.
    if not any([hmac.compare_digest(g, w) for g in given for w in wanted]):
        raise Refused(name + ": signature does not match")
