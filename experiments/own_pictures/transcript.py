"""Everything that one does with pictures of one's own, by the wheel in an empty folder; writes ``transcript.md``.

``python experiments/own_pictures/transcript.py DATA`` builds the wheel, installs it with its extras beside the packages
of this environment, copies pictures (:mod:`pictures`) and runs each command as a user would, with its output, status
and seconds. Pushed and pulled is to and from a server of this machine with the hub's layout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pictures import CLASSES, copy

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
TALK = ("encoding with", "looking for copies", "training ", "choosing:", "opening the page", "Fetching ")
"""How lines of progress begin, of which the transcript keeps none."""


def main(data: Path) -> None:
    """Run it all in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        command = installed(home)
        copy(data / "caltech-101", home)
        shell = Shell(home, command)
        shell.say("## Look, choose, fit")
        shell.run("promptlab", "adapt", "My pictures", "--backbone", "demo", "--out", "mine")
        shell.run("ls", "mine")
        shell.say("## Which pictures hurt")
        shell.run("promptlab", "diagnose", "mine", "--out", "diagnosis.html")
        shell.say("## Predict")
        shell.run("promptlab", "predict", "mine", "new/Étoile de mer/IMG 0000 (1).JPG", "--top", "3")
        shell.run("promptlab", "predict", "mine", "new", "--out", "names.csv")
        shell.run("head", "-4", "names.csv")
        shell.run("promptlab", "predict", "mine", "negatives", "--coverage", "0.5")
        shell.run("promptlab", "predict", "mine", "new/Étoile de mer/IMG 0000 (1).JPG", "--class-sets", "0.75")
        shell.say("## A class more")
        shell.run("promptlab", "add-class", "mine", "crab", "negatives/0.jpg", "--out", "mine_and_crab")
        shell.say("## Export")
        shell.run("promptlab", "export", "mine", "--to", "onnx", "--check", "new")
        shell.say("## Push and pull")
        with hub(shell):
            shell.run("promptlab", "push", "mine", "me/my-pictures")
            shell.run("promptlab", "pull", "me/my-pictures", "pulled")
        shell.run("promptlab", "predict", "pulled", "negatives/0.jpg")
        shell.say("## The app")
        shots(shell)
        (HERE / "transcript.md").write_text("\n".join(shell.lines) + "\n")


def installed(home: Path) -> Path:
    """A ``promptlab`` from the wheel, in an environment that sees this one's packages."""
    subprocess.run(["uv", "build", "-q", "--wheel", "--out-dir", home / "wheel", ROOT], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "env"], check=True)
    packages = home / "env" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    wheel = next((home / "wheel").glob("*.whl"))
    subprocess.run(
        ["uv", "pip", "install", "-q", "--no-deps", "--python", home / "env" / "bin" / "python", wheel], check=True
    )
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "beside.pth").write_text("\n".join(paths) + "\n")
    return home / "env" / "bin"


class Shell:
    """Runs commands in a folder, and keeps what a user would have seen."""

    def __init__(self, home: Path, programs: Path) -> None:
        self.home = home
        self.lines = ["# A transcript", "", "Made by `transcript.py`; lines of progress are left out."]
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "110"}
        self.environment["PROMPTLAB_CACHE"] = str(home / "cache")

    def say(self, line: str) -> None:
        """A line of the transcript."""
        self.lines += ["", line]

    def run(self, *words: str) -> None:
        """Run a command and write down what it printed."""
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=self.home, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        seconds = time.monotonic() - began
        shown = " ".join(f"'{word}'" if " " in word else word for word in words)
        printed = [line.rstrip() for line in done.stdout.replace(str(self.home), "~").splitlines()]
        kept = [line for line in printed if not line.startswith(TALK)]
        status = f", exit status {done.returncode}" if done.returncode else ""
        self.say(f"```console\n$ {shown}")
        self.lines += [*kept, "```", f"{seconds:.0f} s{status}"]
        print(f"{seconds:6.1f} s  {done.returncode}  {shown}", flush=True)


@contextmanager
def hub(shell: Shell) -> Iterator[None]:
    """A server with the hub's layout on this machine, that the shell's commands take for the hub."""
    from tests.helpers.hub import Hub

    (shell.home / "on_the_hub").mkdir()
    server = Hub("me/my-pictures", {}, takes=shell.home / "on_the_hub")
    shell.environment |= {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "hf_of_this_machine",
        "HF_HOME": str(shell.home / "hf"),
    }
    yield
    server.close()


def shots(shell: Shell) -> None:
    """Start the app, drop a picture into it, and keep a picture of the page."""
    from playwright.sync_api import sync_playwright

    port = "7863"
    app = subprocess.Popen(
        ["promptlab", "app", "mine", "--port", port], cwd=shell.home, env=shell.environment, stdout=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{port}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            page.goto(f"http://127.0.0.1:{port}")
            picture = shell.home / "new" / CLASSES["dalmatian"][0] / "IMG 0003 (1).JPG"
            page.locator("input[type=file]").first.set_input_files(picture)
            page.wait_for_timeout(15_000)
            page.screenshot(path=HERE / "app.png")
            for name, file in (("evidence", "mine/adapted.html"), ("diagnosis", "diagnosis.html")):
                page.goto((shell.home / file).as_uri())
                page.evaluate(
                    "home => { document.body.innerHTML = document.body.innerHTML.replaceAll(home, '~'); }",
                    str(shell.home),
                )
                page.screenshot(path=HERE / f"{name}.png")
            browser.close()
    finally:
        app.terminate()
        app.wait()
    shell.say("`promptlab app mine` with a picture dropped into it: ![the app](app.png)")


def _wait(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(1)
    raise TimeoutError(url)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
