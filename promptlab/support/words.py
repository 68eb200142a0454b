"""How messages put things into words: lists cut short, the closest match, the first line of an error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

NAMES_IN_A_SENTENCE = 5
_UNPRINTABLE = re.compile("[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OF_ONE = {"are": "is", "were": "was", "have": "has"}


def some_of(names: Sequence[str], most: int = NAMES_IN_A_SENTENCE) -> str:
    """The first few names, and how many more there are.

    Args:
        names: what to list.
        most: how many are named.

    Example:
        >>> some_of(["cat", "dog", "owl"], most=2)
        'cat, dog and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """The first few lines, and one that says how many more there are.

    Args:
        lines: whole lines.
        most: how many stay.

    Example:
        >>> shortened(["a.jpg is empty", "b.jpg is empty", "c.jpg is empty"], most=1)
        ['a.jpg is empty', 'and 2 more like these']
    """
    more = [f"and {len(lines) - most:,} more like these"] if len(lines) > most else []
    return [*lines[:most], *more]


def counted(number: int, one: str, more: str = "") -> str:
    """A number with its noun.

    Args:
        number: how many.
        one: the noun of a single one.
        more: of several, where it isn't the single one's with s or es.

    Example:
        >>> counted(1, "image"), counted(1200, "image"), counted(0, "class")
        ('1 image', '1,200 images', '0 classes')
    """
    several = more or one + ("es" if one.endswith("ss") else "s")
    return f"{number:,} {one if number == 1 else several}"


def megabytes(size: float) -> str:
    """A number of bytes in MB, 10^6 bytes.

    Example:
        >>> megabytes(1_234_567_890)
        '1,234.6 MB'
    """
    return f"{size / 1e6:,.1f} MB"


def of_one(said: str) -> str:
    """What is said of several, said of one: the verb that it begins with in the singular.

    Example:
        >>> of_one("are of one colour"), of_one("hold values below 0")
        ('is of one colour', 'holds values below 0')
    """
    verb, blank, rest = said.partition(" ")
    return f"{_OF_ONE.get(verb, verb + 's')}{blank}{rest}"


def bare(word: str) -> str:
    """A word's letters and digits alone, in small letters: what stays when names are typed from memory.

    Example:
        >>> bare("ViT-B/16"), bare("vit_b16")
        ('vitb16', 'vitb16')
    """
    return "".join(character for character in word.casefold() if character.isalnum())


def closest(word: str, allowed: Iterable[str], most: int = 1) -> list[str]:
    """Those of the allowed words that somebody may have meant, the closest first; none if none is close.

    Words of the same letters come first, whatever their case and signs; then those that look alike; then those that
    hold the word.

    Args:
        word: what was given.
        allowed: what could have been.
        most: how many to return.

    Example:
        >>> closest("eurosat", ["eurosat_rgb", "dtd"]), closest("ViT-B/16", ["vit_l14", "vit_b16"])
        (['eurosat_rgb'], ['vit_b16'])
        >>> closest("pets", ["oxford_pets", "dtd"])
        ['oxford_pets']
    """
    words, own = list(allowed), bare(word)
    alike = [other for other in words if bare(other) == own and own]
    lower = {other.casefold(): other for other in reversed(words)}
    close = [lower[found] for found in difflib.get_close_matches(word.casefold(), lower, n=most)]
    holding = [other for other in words if len(own) > 2 and own in bare(other)]
    return list(dict.fromkeys([*alike, *close, *holding]))[:most]


def suggest(word: str, allowed: Iterable[str]) -> str:
    """The end of a message about a word that isn't allowed: ``, did you mean X?`` or nothing.

    Args:
        word: what was given.
        allowed: what could have been.

    Example:
        >>> suggest("n_ctxt", ["n_ctx", "ctx_init"])
        ', did you mean n_ctx?'
    """
    close = closest(word, allowed)
    return f", did you mean {close[0]}?" if close else ""


def printable(text: str) -> str:
    r"""A text that every UTF-8 file and terminal takes as text.

    Bytes of a file's name that are no UTF-8 are spelled out, and so are characters by which names from data could
    command a terminal (escapes) or change the order in which what follows is read.

    Example:
        >>> print(printable("M\udcfcll"), printable("red\x1b[2J"), printable("a\u202eb"))
        M\xfcll red\x1b[2J a\u202eb
    """
    return _UNPRINTABLE.sub(lambda found: _spelled_out(ord(found[0])), text)


def _spelled_out(code: int) -> str:
    return f"\\x{code & 0xFF:02x}" if 0xDC80 <= code <= 0xDCFF or code < 0x100 else f"\\u{code:04x}"


def first_line(error: Exception) -> str:
    r"""An error's type and the first line of its message.

    Example:
        >>> first_line(ValueError("shape (3,) is wrong\nsee the manual"))
        'ValueError: shape (3,) is wrong'
    """
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def shown(value: object, most: int = 60) -> str:
    """A value as Python writes it, cut short.

    Args:
        value: anything.
        most: characters that are shown.

    Example:
        >>> shown("a" * 100, most=10)
        "'aaaaaa..."
    """
    try:
        written = repr(value)
    except ValueError:  # a whole number of thousands of digits
        written = f"a {type(value).__name__} of {value.__sizeof__():,} bytes"
    return written if len(written) <= most else f"{written[: most - 3]}..."
