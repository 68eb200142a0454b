"""What the page's server answers: what the page itself asks for, and nothing that names a file or an address.

gradio's server can do more than this page needs: fetch addresses for its clients, list its functions, give files by
path. The guard stands before it, answers 404 to whatever isn't the page's, and refuses events that name files which
weren't uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_API, _FILE = "/gradio_api/", "/gradio_api/file="
_PAGE = ("/assets/", "/static/", "/svelte/", f"{_API}heartbeat/")
_EXACT = frozenset({"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", *(f"{_API}{name}" for name in (
    "queue/join", "queue/data", "upload", "upload_progress", "startup-events", "app_id", "theme.css", "cancel",
    "reset"))})  # fmt: skip
_MOST_BYTES = 1_000_000


class Guard:
    """ASGI middleware in front of gradio.

    Args:
        app: what it stands before.
        uploads: the folder of uploaded pictures and of what the page shows.
    """

    def __init__(self, app: App, uploads: Path) -> None:
        self.app, self.uploads = app, uploads.resolve()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = str(scope["path"])
        if not self._is_the_page_s(path):
            await _refuse(send, 404)
            return
        if path == f"{_API}queue/join":
            body = await _read(receive)
            if body is None or not self._is_harmless(body):
                await _refuse(send, 403)
                return
            receive = _again(body, receive)
        await self.app(scope, receive, send)

    def _is_the_page_s(self, path: str) -> bool:
        if path.startswith(_FILE):
            return self._is_uploaded(path.removeprefix(_FILE))
        return ".." not in path and (path in _EXACT or path.startswith(_PAGE))

    def _is_harmless(self, body: bytes) -> bool:
        """Whether every file that an event names was uploaded; addresses and data in place of one are none."""
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            return False
        named = list(_files(event))
        return all(self._is_uploaded(str(one.get("path", ""))) for one in named) and not any(
            str(one.get("url") or "").startswith("data:") for one in named
        )

    def _is_uploaded(self, path: str) -> bool:
        if "\0" in path or not Path(path).is_absolute():
            return False
        return self.uploads in Path(path).resolve().parents


def _files(value: object) -> Iterator[dict[str, Any]]:
    """Every object of a document that could stand for a file."""
    if isinstance(value, dict):
        if "path" in value or "url" in value:
            yield value
        for part in value.values():
            yield from _files(part)
    elif isinstance(value, list):
        for part in value:
            yield from _files(part)


async def _read(receive: Receive) -> bytes | None:
    """The body; None for one that is longer than any event of the page."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MOST_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read, then what comes after it."""
    left = [body]

    async def give() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return give


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"this page doesn't do that\n"})
