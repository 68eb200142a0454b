"""What a library imports for few uses is imported when it is used, and is then all that it ever was."""

import importlib
import sys

import pytest

from promptlab.support import deferred_imports
from promptlab.support.deferred_imports import defer_imports

LIBRARY = """
from typing import Optional, Union
import heavy
import heavy.parts as parts
try:
    import absent_heavy
except ImportError:
    absent_heavy = None
from heavy.parts import Base, Derivable, decorated, make

Either = Union[Base, tuple[parts.Base, Optional[int]]]
styled = parts.inner.styled("bold")

class Tool:
    @decorated
    def weigh(self):
        return 3

def is_base(x):
    return isinstance(x, (Base, str))

def derived():
    class Own(Derivable):
        pass
    return Own
"""
PARTS = """
class Base: pass
class Derivable: number = 4
def make(*args, **kwargs): return args, kwargs
def decorated(function): return lambda *args: 2 * function(*args)
class inner:
    def styled(text): return f"<{text}>"
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Writes a library and what it needs, and imports it as one of those that put things off."""
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy/__init__.py").write_text("VERSION = 7\n")
    (tmp_path / "heavy/parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(deferred_imports.DEFERRED, "light", ("heavy", "absent_heavy"))
    defer_imports()

    def imported(text=LIBRARY):
        (tmp_path / "light.py").write_text(text)
        return importlib.import_module("light")

    yield imported
    for name in [name for name in sys.modules if name.partition(".")[0] in ("light", "heavy")]:
        del sys.modules[name]


def test_nothing_is_imported_before_it_is_used(library):
    light = library()
    assert not {"heavy", "heavy.parts"} & sys.modules.keys()
    assert light.absent_heavy is None, "what isn't installed isn't pretended"
    assert light.make(1, two=2) == ((1,), {"two": 2})
    assert "heavy.parts" in sys.modules


@pytest.mark.parametrize(
    ("use", "found"),
    [
        (lambda light: light.heavy.VERSION, 7),
        (lambda light: light.parts.inner.styled("x"), "<x>"),
        (lambda light: light.is_base(importlib.import_module("heavy.parts").Base()), True),
        (lambda light: light.is_base(3), False),
        (lambda light: issubclass(int, light.Base), False),
        (lambda light: light.derived().number, 4),
        (lambda light: light.Tool().weigh(), 6),
        (lambda light: str(light.styled.upper()), "<BOLD>"),
    ],
    ids=["module", "path", "instance", "no-instance", "subclass", "derived", "decorated-method", "called-early"],
)
def test_every_use_finds_the_real_thing(library, use, found):
    assert use(library()) == found
    assert importlib.import_module("heavy").VERSION == 7, "later imports get the module itself"


def test_what_is_used_at_once_is_imported_at_once(library):
    light = library(
        "from heavy.parts import Derivable\nclass Own(Derivable): pass\nimport heavy\nversion = heavy.VERSION\n"
    )
    assert (light.Own.number, light.version) == (4, 7)


def test_what_was_imported_before_is_left_alone(library):
    heavy = importlib.import_module("heavy.parts")
    assert library().Base is heavy.Base


def test_other_libraries_import_as_ever(library, tmp_path):
    (tmp_path / "other_light.py").write_text("from heavy.parts import Base\n")
    assert importlib.import_module("other_light").Base is importlib.import_module("heavy.parts").Base
    del sys.modules["other_light"]
