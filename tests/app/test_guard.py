"""The guard lets through what the page asks for, and nothing that names a file or an address."""

import asyncio
import json

import pytest

from promptlab.app.guard import Guard


@pytest.fixture
def ask(tmp_path):
    """A function that asks for a path and answers with the status and what reached gradio's place."""
    reached = []

    async def gradio(scope, receive, send):
        body = b""
        if scope["method"] == "POST":
            body = (await receive())["body"]
        reached.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def request(path, body=b"", method="GET", pieces=1):
        reached.clear()
        size = -(-len(body) // pieces) or 1
        parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        sent = []

        async def receive():
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": path, "method": method}
        asyncio.run(Guard(gradio, tmp_path / "uploads")(scope, receive, send))
        return sent[0]["status"], list(reached)

    (tmp_path / "uploads/a").mkdir(parents=True)
    (tmp_path / "uploads/a/cat.png").write_bytes(b"")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "uploads/link.png").symlink_to(tmp_path / "secret.txt")
    return request


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/assets/index.js", "/gradio_api/upload",
                                  "/gradio_api/queue/data", "/gradio_api/heartbeat/abc"])  # fmt: skip
def test_the_page_s_own_requests_pass(ask, path):
    assert ask(path) == (200, [(path, b"")])


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/info", "/gradio_api/proxy=http://example.com", "/gradio_api/run/look", "/gradio_api/call/look",
     "/docs", "/monitoring", "/assets/../../etc/passwd", "/gradio_api/file/etc/passwd", "/gradio_api/vibe-code/"],
)  # fmt: skip
def test_anything_else_is_not_there(ask, path):
    assert ask(path) == (404, [])


def test_files_are_those_of_the_uploads_alone(ask, tmp_path):
    given = f"/gradio_api/file={tmp_path}/uploads/a/cat.png"
    assert ask(given)[0] == 200
    for path in (f"{tmp_path}/secret.txt", f"{tmp_path}/uploads/../secret.txt", f"{tmp_path}/uploads/link.png",
                 "uploads/a/cat.png", "http://example.com/cat.png", f"{tmp_path}/uploads", "a\0b"):  # fmt: skip
        assert ask(f"/gradio_api/file={path}") == (404, []), path


def test_events_name_uploaded_files_alone(ask, tmp_path):
    def join(picture, pieces=1):
        body = json.dumps({"data": [picture, "cat\ndog", 0.5], "fn_index": 0}).encode()
        status, reached = ask("/gradio_api/queue/join", body, "POST", pieces)
        return status, bool(reached) and reached[0][1] == body

    uploaded = {"path": f"{tmp_path}/uploads/a/cat.png", "url": "http://127.0.0.1:7860/x"}
    assert join(None) == (200, True)
    assert join(uploaded) == (200, True)
    assert join(uploaded, pieces=5) == (200, True)
    secret, inline = {"path": f"{tmp_path}/secret.txt"}, {**uploaded, "url": "data:image/png;base64,AAAA"}
    addresses = [{"path": "http://example.com/x.png"}, {"url": "http://example.com/x.png"}]
    refused = [{"path": "/etc/passwd"}, *addresses, inline, {"deep": [secret]}]
    assert [join(one)[0] for one in refused] == [403] * len(refused)


@pytest.mark.parametrize("body", [b"{", b"[" * 200_000, b" " * 1_000_001])
def test_what_is_no_event_is_refused(ask, body):
    assert ask("/gradio_api/queue/join", body, "POST") == (403, [])
