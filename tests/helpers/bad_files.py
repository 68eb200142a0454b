"""Files that are not what they should be: real forms with anything in them, cut, mixed and of other encodings."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save
from scipy.io import savemat

from tests.helpers import xlsa17
from tests.helpers.settings import FEATURES

FEW = ["protocol=few_shot", "learner=zero_shot", "views=0", "shots=1", "val=none", "trainer.enable_progress_bar=false"]
GIVEN = [f"dataset.{split}={FEATURES / f'source_{split}.npz'}" for split in ("train", "val", "test")]
TINY = {
    "embed_dim": 128,
    "quick_gelu": True,
    "vision_cfg": {"layers": 1, "width": 64, "patch_size": 16, "image_size": 32},
    "text_cfg": {"width": 64, "heads": 2, "layers": 1},
}
"""An architecture for open_clip's catalogue, by the name ``tiny-quickgelu``: one of its own takes seconds to build."""
SOURCE = ["dataset=features", *GIVEN, f"dataset.class_names={FEATURES / 'source.txt'}"]

_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.just(10**18), st.floats(), _TEXT, st.just("\ud800")
)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3))


@st.composite
def _cut(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A file as it is, cut short, with bytes put in, or in another encoding."""
    content = draw(whole)
    place = draw(st.integers(0, max(0, len(content) - 1)))
    spoilt = [content, content, content[:place], content[:place] + draw(st.binary(max_size=6)) + content[place:]]
    return draw(st.sampled_from([*spoilt, content.decode("latin-1").encode("utf-16")]))


def _of_text(lines: st.SearchStrategy[list[str]]) -> st.SearchStrategy[bytes]:
    return _cut(lines.map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")))


def _of_json(values: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    return _cut(values.map(lambda value: json.dumps(value).encode()))


def _array(values: dict[str, object]) -> bytes:
    held = io.BytesIO()
    np.savez(held, **{name: np.asarray(value) for name, value in values.items()})
    return held.getvalue()


def _picture(mode: str, size: int) -> bytes:
    held = io.BytesIO()
    Image.new(mode, (size, size)).save(held, "PNG")
    return held.getvalue()


_ROW = st.lists(st.one_of(st.sampled_from(["a.png", 0, 1, "ring"]), _SCALARS), min_size=2, max_size=4)
_SPLIT = st.dictionaries(st.sampled_from(["train", "val", "test", "x"]), st.lists(_ROW, max_size=3) | _JSON, max_size=4)
_TABLE = st.lists(
    st.lists(st.sampled_from(["path", "label", "split", "a.png", "", "x"]) | _TEXT, max_size=4), max_size=4
)
_FEATURES = st.fixed_dictionaries(
    {"features": st.sampled_from([[[1.0, 0.0]], [], [[np.nan] * 128], [["a"]], 5, [[0.0] * 128], [[1e30] * 128]])},
    optional={"labels": st.sampled_from([[0], [-1], [10**12], [0.5], [], ["a"], 3]), "other": st.just([1])},
)
_SENTENCES = st.dictionaries(
    st.sampled_from(["ring", "red ring", "RED_RING"]) | _TEXT, _JSON | st.just(["a"]), max_size=3
)
_NODE = st.dictionaries(
    st.sampled_from(["_target_", "name", "about", "optim", "n_ctx", "defaults"]),
    _JSON | st.just("promptlab.learners.CoOp") | st.just("os.getcwd") | st.just("${nope}"),
    max_size=4,
)
_CARD = st.dictionaries(
    st.sampled_from(["format", "learner", "arguments", "class_names", "backbone"]), _JSON, max_size=5
)


class Running:
    """What a pickle runs when it is read by something that trusts it: a file beside the data is made."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (Path("ran"), "code in a file was run")


def _pickled(value: object) -> bytes:
    return pickle.dumps({"state_dict": {"ctx": value}, "features": Running()})


def _objects(form: str) -> bytes:
    """numpy's file of Python objects, which it can read by unpickling alone."""
    held, values = io.BytesIO(), np.array([Running(), [1]], dtype=object)
    np.save(held, values, allow_pickle=True) if form == "npy" else np.savez(held, features=values, labels=[0, 1])
    return held.getvalue()


def _tensors(values: dict[str, object], names: str | None) -> bytes:
    arrays = {key: np.asarray(value) for key, value in values.items()}
    known = {key: array for key, array in arrays.items() if array.dtype.kind in "iuf"}
    return bytes(save(known, None if names is None else {"class_names": names}))


def _matlab(values: dict[str, object]) -> bytes:
    held = io.BytesIO()
    savemat(held, {"x": 1, **{key: np.asarray(value) for key, value in values.items()}})
    return held.getvalue()


def _with_images(splits: Path) -> Path:
    """The folder of datasets around a file of splits, which gets the sound file that belongs beside it."""
    content = splits.read_bytes()
    xlsa17.write(splits.parent.parent)
    splits.write_bytes(content)
    return splits.parent.parent


_TROUBLED = st.sampled_from([
    "path,label\n" + "a" * 200_000 + ",x\n", "path,label\na.png,x\0y\n", 'path,label\n"a.png,x\n', "\0", "path\n" * 9,
    "path,label,split\na.png,ring,training\n\u202ea.png,ring,test\n", "path;label\na.png;'ring\n", "sep=\n" * 50,
])  # fmt: skip
_NAMES = st.one_of(
    _JSON.map(lambda value: json.dumps(value)), _TROUBLED, st.just("[" * 5000), st.just('{"a": 1, "a": 2}')
)
_FORMS = st.dictionaries(
    st.sampled_from(["image_files", "labels", "allclasses_names", "trainval_loc", "test_seen_loc", "test_unseen_loc"]),
    st.sampled_from([[], [1], [0], [2.5], [[1, 2]], [np.nan], [10**12], ["a"], "text", [[]], [-1]]),
    min_size=3,
)
_RESULT = st.dictionaries(
    st.sampled_from(["schema", "dataset", "protocol", "learner", "evaluations", "fit_id", "checksum"]),
    _JSON,
    max_size=7,
)


KINDS: dict[str, tuple[str, st.SearchStrategy[bytes], Callable[[Path], list[str]]]] = {
    "split file": ("split.json", _of_json(_SPLIT | _JSON),
                   lambda file: ["dataset=json", f"dataset.path={file}", f"dataset.images={file.parent}", *FEW]),
    "table": ("rows.csv", _of_text(_TABLE.map(lambda rows: [",".join(row) for row in rows])),
              lambda file: ["dataset=csv", f"dataset.path={file}", *FEW]),
    "class names": ("names.txt", _of_text(st.lists(_TEXT, max_size=9)),
                    lambda file: ["dataset=features", *GIVEN, f"dataset.class_names={file}", *FEW]),
    "template": ("template.txt", _of_text(st.lists(st.sampled_from(["a {}.", "{} {}", "{x}"]) | _TEXT, max_size=2)),
                 lambda file: [*SOURCE, f"dataset.template={file}", *FEW]),
    "sentences": ("prompts.json", _of_json(_SENTENCES | _JSON),
                  lambda file: [*SOURCE, f"learner.prompts={file}", *FEW]),
    "features": ("rows.npz", _cut(_FEATURES.map(_array)),
                 lambda file: ["dataset=features", f"dataset.train={file}", f"dataset.test={file}", *FEW]),
    "picture": ("ring/a.png", _cut(st.builds(_picture, st.sampled_from(["RGB", "L", "1"]), st.just(4))),
                lambda file: ["dataset=folder", f"dataset.path={file.parent.parent}", *FEW]),
    "configuration": ("learner/mine.yaml", _of_json(_NODE | _JSON),
                      lambda file: ["learner=mine", "--config-dir", str(file.parent.parent), *SOURCE, "views=0"]),
    "troubled table": ("rows.csv", _cut(_TROUBLED.map(lambda text: text.encode("utf-8"))),
                       lambda file: ["dataset=csv", f"dataset.path={file}", *FEW]),
    "names by key": ("names.json", _cut(_NAMES.map(lambda text: text.encode("utf-8", "replace"))),
                     lambda file: ["dataset=features", *GIVEN, f"dataset.class_names={file}", *FEW]),
    "templates": ("templates.txt", _of_text(st.lists(st.sampled_from(["a {}.", "{} {}", "{x}"]) | _TEXT, max_size=3)),
                  lambda file: [*SOURCE, f"learner.templates={file}", *FEW]),
    "safetensors": ("rows.safetensors", _cut(st.builds(_tensors, _FEATURES, st.none() | _NAMES)),
                    lambda file: ["dataset=features", f"dataset.train={file}", f"dataset.test={file}", *FEW]),
    "objects": ("rows.npz", _cut(st.just("npz").map(_objects)),
                lambda file: ["dataset=features", f"dataset.train={file}", f"dataset.test={file}", *FEW]),
    "labels of objects": ("labels.npy", _cut(st.just("npy").map(_objects)),
                          lambda file: ["dataset=features", f"dataset.train={FEATURES / 'source_train.npz'}",
                                        f"dataset.train_labels={file}", "dataset.test=none", *FEW]),
    "pickle": ("rows.pt", _cut(st.sampled_from([1, [], Running()]).map(_pickled)),
               lambda file: ["dataset=features", f"dataset.train={file}", f"dataset.test={file}", *FEW]),
    "weights": ("weights.pt", _cut(st.sampled_from([1, [], Running()]).map(_pickled)),
                lambda file: ["backbone.name=tiny-quickgelu", f"backbone.pretrained={file}", "backbone.quick_gelu=true",
                              *SOURCE, *FEW]),
    "xlsa17": ("CUB/att_splits.mat", _cut(_FORMS.map(_matlab)),
               lambda file: ["dataset=cub", f"data.root={_with_images(file)}", *FEW]),
    "state of a table": ("saved/state.json", _of_json(_CARD | _JSON),
                         lambda file: ["dataset=hf", f"dataset.path={file.parent}", *FEW]),
    "result": ("a/b/c/d/result.json", _of_json(_RESULT | _JSON), lambda file: ["report", str(file.parents[4])]),
    "verified": ("a/b/c/d/result.json", _of_json(_RESULT | _JSON), lambda file: ["verify", str(file.parents[4])]),
    "card": ("card.json", _of_json(_CARD | _JSON), lambda file: ["interpret", str(file.parent)]),
}  # fmt: skip
"""By kind: the file's name, what it holds, and the command that reads it."""
