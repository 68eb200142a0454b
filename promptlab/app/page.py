"""The page, by gradio: where things stand, and its server on this machine."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promptlab.app.guard import Guard
from promptlab.app.look import Looker, own_names
from promptlab.support.extras import extra
from promptlab.support.words import printable

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LARGEST_UPLOAD = "50mb"
_STYLE = """.grid-wrap { max-height: none !important; }
.caption-label { white-space: normal !important; inset-inline: 0 !important; max-width: none !important; }"""
"""Pictures are shown whole, with all of their captions."""
_LEARNED = "the classes are those that were learned: {} takes no others"
_ASKED = "other names may be tried: this learner scores what it is asked for"


@contextmanager
def served(looker: Looker, *, host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Serve the page while the block runs.

    Args:
        looker: what it shows.
        host: the address that it listens at; others than loopback are reached from other machines.
        port: 7860 or the next one that is free if None.

    Yields:
        Its address.

    Raises:
        UsageError: without gradio, naming the extra that has it.
    """
    with tempfile.TemporaryDirectory(prefix="promptlab-app-") as folder:
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder, HF_HUB_DISABLE_TELEMETRY="1")
        with extra("app", "the page"):
            import gradio
            from starlette.middleware import Middleware
            from starlette.middleware.trustedhost import TrustedHostMiddleware
        hosts = [*LOOPBACK, "[::1]"] if host in LOOPBACK else ["*"]
        middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(Guard, uploads=Path(folder))]
        page = _page(gradio, looker)
        _, address, _ = page.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True, inbrowser=False,
            ssr_mode=False, allowed_paths=[], max_file_size=_LARGEST_UPLOAD, footer_links=[], enable_monitoring=False,
            mcp_server=False, pwa=False, run_history=False, theme=_theme(gradio), css=_STYLE,
            app_kwargs={"middleware": middleware},
        )  # fmt: skip
        try:
            yield str(address)
        finally:
            page.close()


def _theme(gradio: Any) -> Any:
    """Fonts of the machine alone: nothing is fetched."""
    fonts = ["system-ui", "sans-serif"]
    return gradio.themes.Default(font=fonts, font_mono=["monospace"])


def _page(gradio: Any, looker: Looker) -> Any:
    """Components and what connects them; whatever comes from data is a value of one that shows text."""
    learner, lock = looker.learner, threading.Lock()

    def look(picture: dict[str, Any] | None, names: str, threshold: float) -> tuple[Any, ...]:
        with lock:  # a learner's scorer isn't made for threads
            found = looker.look(None if picture is None else str(picture["path"]), names, float(threshold))
        shares = {printable(name): share for name, share in found.probabilities.items()}
        return printable(found.answer), shares or None, [(shown, printable(said)) for shown, said in found.neighbours]

    with gradio.Blocks(title="promptlab", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gradio.Markdown("# What is in this picture?\nIt stays on this machine.")
        with gradio.Row():
            with gradio.Column():
                picture = gradio.Image(label="picture", type="filepath", sources=["upload", "clipboard"], height=280)
                names = gradio.Textbox(
                    label="classes, one a line",
                    value=printable("\n".join(own_names(learner))),
                    info=_ASKED if looker.takes_names else _LEARNED.format(type(learner).__name__),
                    lines=6,
                    max_lines=12,
                    interactive=looker.takes_names,
                )
                threshold = gradio.Slider(
                    0, 1, value=learner.decision.threshold or 0, step=0.01, label="least probability of an answer",
                    info="below it the answer is: none of these",
                )  # fmt: skip
            with gradio.Column():
                answer = gradio.Textbox(label="answer", interactive=False)
                shares = gradio.Label(label="probabilities", num_top_classes=5, show_heading=False)
                near = gradio.Gallery(
                    label="nearest pictures that it was adapted to", columns=3, interactive=False,
                    object_fit="contain", visible=bool(looker.known.labels),
                )  # fmt: skip
        gradio.on(
            [picture.change, names.submit, names.blur, threshold.release, threshold.change],
            look, [picture, names, threshold], [answer, shares, near], preprocess=False, api_visibility="private",
            show_progress="minimal", trigger_mode="always_last",
        )  # fmt: skip
    return page
