"""A file server on the loopback that misbehaves as told, one answer after the other."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``content`` at any path; ``script`` says what the next answers do, the rest are as they should be."""

    def __init__(self):
        self.content = b""
        self.headers = {"ETag": '"one"'}
        self.script = []
        self.requests = []
        self.sent = 0
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"owner": self}))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self):
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.owner.requests.append(dict(self.headers))
        step = self.owner.script.pop(0) if self.owner.script else well
        step(self)
        self.close_connection = True

    def start(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def body(self, data):
        self.owner.sent += len(data)  # before the bytes: who has read them all may ask for the count at once
        self.wfile.write(data)
        self.wfile.flush()

    def answer(self, count=None, *, heed_range=True, heed_version=True):
        """The file, or the rest of it; ``count`` bytes of that."""
        owner, start = self.owner, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range") in (None, owner.headers.get("ETag"), owner.headers.get("Last-Modified"))
        if asked and heed_range and (current or not heed_version):
            start = int(asked[1])
        data, total = owner.content[start:], len(owner.content)
        span = {"Content-Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
        self.start(206 if start else 200, {"Content-Length": len(data), **owner.headers, **span})
        self.body(data if count is None else data[:count])


def well(handler):
    handler.answer()


def drop(count):
    """Close the connection after so many bytes, in spite of what ``Content-Length`` promised."""
    return lambda handler: handler.answer(count)


def ignore_range(handler):
    handler.answer(heed_range=False)


def ignore_version(handler):
    """Send the rest of the new file to who asked for the rest of the old one."""
    handler.answer(heed_version=False)


def status(code):
    return lambda handler: handler.start(code, {"Content-Length": 0})


def hang(count):
    """Send so many bytes and then nothing more, with the connection open."""

    def step(handler):
        handler.answer(count)
        handler.owner.released.wait()

    return step


def without_length(handler):
    """Say nothing of the length: the end of the connection is the end of the file."""
    if "Range" in handler.headers:
        handler.start(416, {"Content-Range": f"bytes */{len(handler.owner.content)}"})
        return
    handler.start(200, handler.owner.headers)
    handler.body(handler.owner.content)
