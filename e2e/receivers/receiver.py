#!/usr/bin/env python3
"""A webhook receiver that verifies every delivery. Python's standard library only.

    receiver.py --profile vantageclaw --secret-file FILE [--port 0] [--fail-first N]

Profiles: vantageclaw, standard. It prints the URL it listens on, then one line of JSON for each request. With
--fail-first it answers the first N requests of each event with 500, although they verify: a receiver must be able to
verify retries, too.
"""

import argparse
import base64
import collections
import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPLAY_WINDOW = 5 * 60  # seconds


class Refused(Exception):
    """Why a request is not believed."""


def check_age(seconds):
    if abs(time.time() - seconds) > REPLAY_WINDOW:
        raise Refused("the timestamp is outside the replay window")


def verify_vantageclaw(secret, headers, body):
    """Returns the id of the event. The key is the whole secret string, whsec_ included."""
    timestamp = headers.get("X-VC-Timestamp", "")
    check_age(int(timestamp) / 1000)
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    if not hmac.compare_digest("sha256=" + mac.hexdigest(), headers.get("X-VC-Signature", "")):
        raise Refused("the signature does not match")
    return json.loads(body)["id"], timestamp, headers["X-VC-Signature"]


def verify_standard(secret, headers, body):
    """Returns the id of the event. The key is what the base64 after whsec_ decodes to."""
    event = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    check_age(int(timestamp))
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    signed = event.encode() + b"." + timestamp.encode() + b"." + body
    want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split(" ")
    if not any([hmac.compare_digest(want, one) for one in given]):
        raise Refused("no signature matches")
    return event, timestamp, headers["webhook-signature"]


PROFILES = {"vantageclaw": verify_vantageclaw, "standard": verify_standard}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    requests = collections.Counter()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen = {"verified": False, "body": base64.b64encode(body).decode()}
        try:
            if self.headers.get("Content-Type") != "application/json":
                raise Refused("the content type is not application/json")
            with open(self.server.secret_file, encoding="utf-8") as f:
                secret = f.read().strip()
            seen["event"], seen["timestamp"], seen["signature"] = self.server.verify(secret, self.headers, body)
            body.decode("utf-8")
            seen["verified"] = True
        except (Refused, ValueError, KeyError, OSError) as error:
            seen["why"] = str(error)
        with self.lock:
            self.requests[seen.get("event")] += 1
            failing = self.requests[seen.get("event")] <= self.server.fail_first
            seen["answer"] = 500 if failing else 200 if seen["verified"] else 400
            print(json.dumps(seen), flush=True)
        self.send_response(seen["answer"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), required=True)
    parser.add_argument("--secret-file", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fail-first", type=int, default=0)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.verify = PROFILES[options.profile]
    server.secret_file = options.secret_file
    server.fail_first = options.fail_first
    print(f"http://127.0.0.1:{server.server_port}/hook", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
