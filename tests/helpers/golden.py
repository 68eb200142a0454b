"""Where the shared golden tensors and images are; tests that need them skip, saying so, where they are absent."""

from pathlib import Path

import pytest
from safetensors import safe_open

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{Path(*parts)} is not in the folder `shared` beside the checkout")
    return path


def read_golden(name):
    """Tensors and metadata of shared/golden."""
    with safe_open(shared("golden", name), "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
