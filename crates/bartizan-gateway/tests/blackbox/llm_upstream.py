"""A provider that says again what a real model has said, byte for byte, in small pieces.

It notes what reaches it; `GET /seen` tells. The model `flaky` is refused twice before it answers, and
`slow` waits between its pieces, and `lingers` behind the last of them, until somebody asks `GET /go`."""

import json
import select
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STREAMS = Path(sys.argv[2])
SEEN, LOCK, GO = [], threading.Lock(), threading.Event()
FILES = {
    "chat/completions": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, value, **fields):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, text in fields.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def wait(self, mine):
        """Until somebody says go, or the other side hangs up."""
        for _ in range(600):
            if GO.wait(0.05):
                return
            if select.select([self.connection], [], [], 0)[0]:
                mine["left"] = True
                raise ConnectionResetError

    def do_GET(self):
        if self.path == "/seen":
            with LOCK:
                self.reply(200, SEEN)
        elif self.path == "/go":
            GO.set()
            self.reply(200, {})
        else:
            model = {"object": "model", "created": 1, "owned_by": "x"}
            models = [{"id": name, **model} for name in ["smollm2-135m", "flaky", "secret-model"]]
            self.reply(200, {"object": "list", "data": models})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with LOCK:
            headers = {name.lower(): value for name, value in self.headers.items()}
            mine = {"path": self.path, "headers": headers, "body": body, "ended": False}
            SEEN.append(mine)
            before = sum(seen["body"].get("model") == body.get("model") for seen in SEEN)
        if body.get("model") == "flaky" and before <= 2:
            return self.reply(503, {"error": {"message": "busy"}}, retry_after_ms="10")
        name = next(file for end, file in FILES.items() if self.path.endswith(end))
        if not body.get("stream"):
            return self.reply(200, json.loads((STREAMS / f"{name}.json").read_bytes()))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        text = (STREAMS / f"{name}.sse").read_bytes()
        if not body.get("stream_options", {}).get("include_usage") and name == "openai-chat":
            text = b"\n\n".join(e for e in text.split(b"\n\n") if b'"usage"' not in e)
        try:
            for at in range(0, len(text), 97):
                if body.get("model") == "slow" and at > 3000:
                    self.wait(mine)
                piece = text[at : at + 97]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            if body.get("model") == "lingers":
                GO.wait(30)
            self.wfile.write(b"0\r\n\r\n")
            mine["ended"] = True
        except OSError:
            self.close_connection = True


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider)
print(server.server_address[1], flush=True)
server.serve_forever()
