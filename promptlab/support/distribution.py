"""What promptlab is called on the package index, and what a namesake installed beside it does.

The distribution is ``promptlab-clip``. The name ``promptlab`` on the index belongs to other people's software, whose
files go into the same folder ``promptlab/``: of two files with one name the later install's remains. Folders are listed
here in place of ``importlib.metadata``, whose import alone takes longer than everything else that ``import promptlab``
does.
"""

from __future__ import annotations

import os
import sys

from promptlab.support.errors import PromptlabError

DISTRIBUTION = "promptlab-clip"
"""What pip and uv call promptlab."""

_OURS = "promptlab_clip-"
_NAMESAKE = "promptlab-"
_EARLIER_SUMMARY = "Summary: Adapt a frozen CLIP"  # until November 2026 promptlab itself was installed as `promptlab`
_CURE = (
    "pip uninstall promptlab, then pip install --force-reinstall --no-deps promptlab-clip "
    "(a virtual environment each keeps both)"
)


class NamesakeError(PromptlabError, ImportError):
    """Other people's software called promptlab is installed in the same place."""


def check_installed() -> None:
    """Refuse to work where the files of a namesake lie among promptlab's.

    Raises:
        NamesakeError: with what is installed where, and how to mend it.
    """
    package = sys.modules["promptlab"]
    folder = package.__path__[0]
    namesake = _namesake(os.path.dirname(folder))
    if namesake is not None:
        site, name = namesake
        version = name.removeprefix(_NAMESAKE).removesuffix(".dist-info")
        raise NamesakeError(
            f"{site} holds promptlab-clip and also promptlab {version}, other people's software of the same import "
            f"name; each overwrites files of the other. {_CURE}"
        )
    if getattr(package, "_DISTRIBUTION", None) != DISTRIBUTION:
        raise NamesakeError(
            f"{folder}/__init__.py is missing or not promptlab-clip's: other people's software called promptlab "
            f"is or was installed over it. {_CURE}"
        )


def _namesake(package_parent: str) -> tuple[str, str] | None:
    """The folder and the ``.dist-info`` of a namesake that shares a folder with this promptlab, if any."""
    for folder in dict.fromkeys((package_parent, *sys.path)):
        try:
            names = [name for name in os.listdir(folder or ".") if name.startswith((_OURS, _NAMESAKE))]
        except OSError:  # an archive, or a folder that isn't there
            continue
        shared = folder == package_parent or any(name.startswith(_OURS) for name in names)
        for name in names:
            if shared and name.startswith(_NAMESAKE) and name.endswith(".dist-info") and not _earlier(folder, name):
                return folder, name
    return None


def _earlier(folder: str, name: str) -> bool:
    """Whether this is promptlab itself, installed under its earlier name."""
    try:
        with open(os.path.join(folder, name, "METADATA"), encoding="utf-8") as file:
            return any(line.startswith(_EARLIER_SUMMARY) for line in file)
    except OSError:
        return False
