"""Templates of pages filled in: values are text, never markup, and the page's style stands in it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from promptlab.support.extras import extra
from promptlab.support.words import printable


def filled(package: str, name: str, **values: Any) -> str:
    """A page as HTML.

    Args:
        package: where the template lies.
        name: of its file.
        values: what it reads, besides ``style``, which all pages share.

    Raises:
        UsageError: without jinja2, naming the extra that has it.
    """
    with extra("report", "the page"):
        from jinja2 import Environment, StrictUndefined
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              finalize=lambda value: printable(value) if type(value) is str else value)  # fmt: skip
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return environment.from_string(text).render(style=style, **values)
