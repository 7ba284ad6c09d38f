"""A model server small enough to start in a moment: answers with its model's value and its own process id."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

name, model = sys.argv[1], Path(sys.argv[2])
if (model / "broken").exists():
    sys.exit(f"the model in {model.name} cannot be loaded")
value = (model / "value").read_text()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == f"/v2/models/{name}/ready" else 404, {})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        # Long enough for a request to be under way whenever something changes.
        time.sleep(0.02)
        self.answer(200, {"value": value, "pid": os.getpid()})
        if self.path.endswith("/crash"):
            os.kill(os.getpid(), signal.SIGKILL)

    def answer(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


server = ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
