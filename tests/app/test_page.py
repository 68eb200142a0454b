"""The page in Chromium: what is shown, what is asked of whom, and that names are text.

gradio takes 130 MB and ten seconds to import, so it isn't among the development tools: ``pip install gradio`` for this.
"""

import importlib.util
import json
import shutil
import sys
import urllib.error
import urllib.request

import pytest

from promptlab.app.look import Looker
from promptlab.app.page import served
from promptlab.cli.main import main
from tests.own.conftest import EVIL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
with_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="gradio isn't installed (pip install gradio)"
)


@pytest.fixture(scope="module")
def address(world, clip, bank):
    with served(Looker(world / "adapted", clip, bank)) as found:
        yield found.rstrip("/")


def status(address, data=None, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_without_gradio_the_extra_is_named(world, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app", str(world / "adapted")]) == 2
    assert "pip install 'promptlab-clip[app]'" in capsys.readouterr().err


@with_gradio
def test_the_server_gives_no_file_and_fetches_nothing(address, world):
    assert status(address) == 200
    card = world / "adapted/card.json"
    for path in (f"file={card}", "file=/etc/passwd", f"file={address}/config", f"proxy={address}", "info"):
        assert status(f"{address}/gradio_api/{path}") == 404, path
    event = {"data": [{"path": str(card), "meta": {"_type": "gradio.FileData"}}, "", 0], "fn_index": 0}
    body = json.dumps({**event, "session_hash": "x"}).encode()
    assert status(f"{address}/gradio_api/queue/join", body, **{"content-type": "application/json"}) == 403
    assert status(address, Host="evil.example") == 400


@with_gradio
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium isn't installed (Debian: apt-get install chromium)")
def test_a_picture_is_dropped_names_are_edited_and_the_threshold_moved(address, world):
    from playwright.sync_api import expect, sync_playwright

    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append("a name was run as HTML"))
        own = (address, "blob:", "data:")
        page.on("request", lambda request: request.url.startswith(own) or wrong.append(request.url))
        page.goto(address)
        answer = page.get_by_label("answer", exact=True)
        page.set_input_files("input[type=file]", str(world / "pictures/green zigzag pattern/3.png"))
        expect(answer).not_to_have_value("", timeout=60_000)
        expect(page.get_by_text("nearest pictures")).to_be_visible()
        expect(page.locator(".gallery, .grid-wrap").get_by_text("green zigzag pattern, 1.000").first).to_be_attached()
        assert page.locator("img[src='x']").count() == 0  # the class that is called EVIL

        page.get_by_label("least probability of an answer").first.fill("1")
        page.keyboard.press("Tab")
        expect(answer).to_have_value("none of these", timeout=60_000)

        names = page.get_by_label("classes, one a line")
        names.fill(f"{EVIL}\npurple dotted pattern")
        names.blur()
        expect(page.get_by_text("purple dotted pattern", exact=True).first).to_be_visible(timeout=60_000)
        browser.close()
    assert wrong == []
