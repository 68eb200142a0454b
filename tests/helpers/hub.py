"""A hub on the loopback, and its cache laid out as the hub's own client lays it out."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import huggingface_hub.file_download

REVISION = "0123456789abcdef0123456789abcdef01234567"


def lay_cache(cache, repo, files):
    """Files of a repository (name to path) as the hub's client keeps them."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    snapshot = folder / "snapshots" / REVISION
    for name, path in files.items():
        content = path.read_bytes()
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return cache


def point_to(monkeypatch, url):
    """Have the hub's client ask at this address, as HF_ENDPOINT does for a new process."""
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    if hasattr(huggingface_hub.file_download, "HUGGINGFACE_CO_URL_TEMPLATE"):  # older clients hold a copy
        monkeypatch.setattr(huggingface_hub.file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)


class Hub:
    """Serves the files of one repository; ``gated`` refuses, ``cut`` breaks each answer off after so many bytes.

    With ``takes`` (a folder) it is committed to: files go there and are served, ``made`` holds how it was made.
    """

    def __init__(self, repo, files, takes=None):
        self.repo, self.files, self.takes, self.made = repo, files, takes, []
        self.gated, self.cut = False, None
        self.asked = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self):
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(None)

    def do_GET(self):
        self._answer(self.hub.cut or 2**40)

    def do_POST(self):
        hub = self.hub
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub.asked.append((self.command, self.path))
        if hub.gated or hub.takes is None:
            return self._start(403, {"X-Error-Message": "You may not write here"})
        if self.path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if self.path == "/api/repos/create":
            hub.made.append(json.loads(sent))
            return self._json({"url": f"{hub.url}/{hub.repo}"})
        if self.path.startswith(f"/api/models/{hub.repo}/preupload/"):
            asked = json.loads(sent)["files"]
            return self._json(
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in asked]}
            )
        assert self.path.startswith(f"/api/models/{hub.repo}/commit/"), self.path
        for line in map(json.loads, sent.splitlines()):
            if line["key"] == "file":
                hub.files[line["value"]["path"]] = hub.takes / line["value"]["path"]
                hub.files[line["value"]["path"]].write_bytes(base64.b64decode(line["value"]["content"]))
        return self._json({"commitUrl": f"{hub.url}/{hub.repo}/commit/{REVISION}", "commitOid": REVISION})

    def _json(self, document):
        content = json.dumps(document).encode()
        self._start(200, {"Content-Type": "application/json", "Content-Length": len(content)})
        self.wfile.write(content)

    def _answer(self, count):
        hub = self.hub
        hub.asked.append((self.command, self.path))
        if self.path.startswith(f"/api/models/{hub.repo}/revision/"):
            listed = [{"rfilename": name} for name in hub.files]
            return self._json({"id": hub.repo, "sha": REVISION, "siblings": listed})
        if self.path.startswith(f"/api/models/{hub.repo}/tree/"):
            return self._json([{"type": "file", "path": name, "size": 1, "oid": "0"} for name in hub.files])
        name = self.path.removeprefix(f"/{hub.repo}/resolve/main/").removeprefix(f"/{hub.repo}/resolve/{REVISION}/")
        if hub.gated:
            return self._start(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        if name not in hub.files:
            return self._start(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION})
        content = hub.files[name].read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        self._start(200, {"ETag": etag, "X-Repo-Commit": REVISION, "Content-Length": len(content)})
        if count is not None:
            self.wfile.write(content[:count])
            self.close_connection = True
        return None

    def _start(self, status, headers):
        self.send_response(status)
        for key, value in ({"Content-Length": 0} | headers).items():
            self.send_header(key, str(value))
        self.end_headers()
