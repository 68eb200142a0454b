"""How far promptlab is from what the authors' own code computed, for every method that a test holds to a golden file.

The golden tests of tests/learners run as they are, and each comparison with a tensor of a golden file is noted. So a
method is in the table as soon as a test of tests/learners reads its golden file and compares by torch.testing, as the
helpers there do. Needs the folder shared/ beside the checkout.
"""

import csv
import inspect
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402
import torch  # noqa: E402

from tests.helpers import golden  # noqa: E402

HERE = Path(__file__).parent
WITH_SEVERAL = {"adapters", "coop", "mmrl", "promptsrc"}
"""Files of several methods, whose tensors begin with the method's name."""
KINDS = {"after": "after steps", "logits": "logits", ".grad": "gradients", "loss": "losses"}
"""By what is in a tensor's name, the first that is; what is left are features, prompts, plans, settings."""
COLUMNS = ["logits", "gradients", "after steps", "losses", "others"]
ABSOLUTE = ("logits", "losses")


class Comparisons:
    """A pytest plugin that notes the largest difference from each golden tensor."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[str, str]] = {}
        self.kept: list[torch.Tensor] = []  # addresses stay theirs
        self.worst: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self.compared: dict[str, set[str]] = defaultdict(set)
        golden.read_golden = self._reading(golden.read_golden)
        torch.testing.assert_close = self._comparing(torch.testing.assert_close)

    def _reading(self, read: Any) -> Any:
        def read_golden(name: str) -> Any:
            tensors, metadata = read(name)
            for key, tensor in tensors.items():
                self.known[tensor.data_ptr()] = (Path(name).stem, key)
                self.kept.append(tensor)
            return tensors, metadata

        return read_golden

    def _comparing(self, compare: Any) -> Any:
        def assert_close(found: Any, expected: Any, *arguments: Any, **options: Any) -> None:
            compare(found, expected, *arguments, **options)
            if isinstance(expected, torch.Tensor) and expected.data_ptr() in self.known:
                self._note(*self.known[expected.data_ptr()], found.detach(), expected)

        return assert_close

    def _note(self, file: str, key: str, found: torch.Tensor, expected: torch.Tensor) -> None:
        method = _method(file, key)
        kind = next((kind for word, kind in KINDS.items() if word in f".{key}"), "others")
        apart = float((found - expected).abs().max())
        if kind not in ABSOLUTE:
            apart /= max(float(expected.abs().max()), 1e-30)
        row = self.worst[method, file]
        row[kind] = max(row.get(kind, 0.0), apart)
        self.compared[method].add(key)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the tests that read golden files."""
        items[:] = [item for item in items if any("golden" in source for source in _sources(item))]

    def unread(self) -> list[str]:
        """Golden files that no test reads."""
        files = {path.stem for path in (golden.SHARED / "golden").glob("*.safetensors")}
        return sorted(files - {file for _, file in self.worst})

    def without_test(self) -> list[str]:
        """Methods of files that some test reads, of which nothing is compared."""
        held = {"labels", "train", "val", "test", "text", "image_features", *(method for method, _ in self.worst)}
        return sorted({_method(*where) for where in self.known.values()} - held)


def _method(file: str, key: str) -> str:
    return key.split(".")[0] if file in WITH_SEVERAL else file


def _sources(item: Any) -> list[str]:
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return [inspect.getsource(item.function), *(inspect.getsource(found[-1].func) for found in fixtures)]


def main() -> int:
    """Run the tests, print the table and write it as CSV and Markdown; returns pytest's exit status."""
    torch.set_num_threads(1)
    comparisons = Comparisons()
    files = [str(path) for path in sorted((ROOT / "tests/learners").glob("test_*.py")) if "golden" in path.read_text()]
    status = pytest.main(["-q", "-p", "no:xdist", "-p", "no:cacheprovider", *files], plugins=[comparisons])
    header = ["method", "golden file", *COLUMNS, "tensors"]
    rows = [
        [
            method,
            file,
            *(f"{row[kind]:.1e}" if kind in row else "" for kind in COLUMNS),
            len(comparisons.compared[method]),
        ]
        for (method, file), row in sorted(comparisons.worst.items())
    ]
    with (HERE / "agreement.csv").open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (header, ["---"] * len(header), *rows)]
    lines.append(f"\nNo test reads, of the golden files: {', '.join(comparisons.unread()) or 'none'}.")
    (HERE / "agreement.md").write_text("\n".join(lines) + "\n")
    print(
        "\n".join(
            [*lines, f"methods in the files that are read, without a test: {', '.join(comparisons.without_test())}"]
        )
    )
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
