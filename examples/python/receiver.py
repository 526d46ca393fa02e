"""A webhook receiver that believes only what verifies. See ../README.md for its settings."""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import verify

MAX_BODY = 2 << 20  # bytes


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds that a read may take

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,10}", length) or int(length) > MAX_BODY:
            self.close_connection = True
            return self.answer(413, f"the body needs a length of at most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        secrets = Path(os.environ["WEBHOOK_SECRETS_FILE"]).read_text(encoding="utf-8").split("\n")
        try:
            identity = verify.PROFILES[os.environ["WEBHOOK_PROFILE"]]([s for s in secrets if s], self.headers, body)
        except verify.Refused as refused:
            return self.answer(401, str(refused))
        # Deliveries come at least once: store the id together with the work, and if it is there already, only answer.
        message = json.loads(body)
        print("received", message.get("type") or message.get("event"), identity, flush=True)
        self.answer(200, f"received {identity or ''}")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
