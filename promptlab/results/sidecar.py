"""Files of arrays beside a Result, in safetensors with a checksum: how predictions and logits are written and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from promptlab.results.document import ResultError
from promptlab.support.checksums import DamageError
from promptlab.support.files import write_bytes_atomic
from promptlab.support.pointers import refuse_pointer
from promptlab.support.tensor_files import Header, check, pack
from promptlab.support.typed_json import to_plain


def write_sidecar(path: Path, owner: Any, names: Sequence[str], metadata: Any) -> Path:
    """Write arrays into a file, atomically.

    Args:
        path: the file.
        owner: has them as attributes.
        names: of the attributes.
        metadata: a dataclass that is written beside them.

    Returns:
        The path.
    """
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(getattr(owner, name)) for name in names}
    write_bytes_atomic(path, pack(save, tensors, cast(dict[str, Any], to_plain(metadata))))
    return path


@contextmanager
def opened_sidecar(path: str | Path, what: str) -> Iterator[tuple[Header, Mapping[str, Any]]]:
    """A file's header, its checksum compared, and its arrays; whatever is found wrong inside names the file.

    Args:
        path: the file.
        what: it should be, for messages: ``a predictions file``.

    Raises:
        ResultError: for a missing or damaged file, and for a ValueError raised while it is open.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    refuse_pointer(path, ResultError)
    try:
        data = Path(path).read_bytes()
        yield check(data), load(data)
    except ResultError:
        raise
    except OSError as error:
        raise ResultError(f"{path}: can't be read ({error})") from error
    except (SafetensorError, DamageError) as error:
        raise ResultError(f"{path}: damaged, or not {what} ({error})") from error
    except ValueError as error:
        raise ResultError(f"{path}: {error}") from error


def required(arrays: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Those arrays.

    Raises:
        DamageError: if some aren't there.

    Example:
        >>> required({"labels": [0], "more": [1]}, ["labels"])
        {'labels': [0]}
    """
    if missing := [name for name in names if name not in arrays]:
        raise DamageError(f"it has no {', '.join(missing)}")
    return {name: arrays[name] for name in names}
