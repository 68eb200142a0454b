"""Exported learners: what they hold, how they answer in other programs, and what is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

import promptlab
from promptlab.cli.main import main
from promptlab.learners import MTA, TPT, CLIPAdapter, CoCoOp, CoOp, LinearProbe, MaPLe, Optim, TipAdapter, ZeroShot
from promptlab.learners.base.decision import Decision
from promptlab.saved import export
from promptlab.saved.export import export_learner
from promptlab.saved.export_about import ExportError, about
from promptlab.saved.export_check import Agreement
from promptlab.saved.export_matrix import class_matrix
from promptlab.support.errors import UsageError
from tests.helpers.models import tiny_clip

NAMES = ["red striped star", "<b>ring</b>", "日本 \u202eabc"]
DECISION = Decision(temperature=2.0, threshold=0.5, others=("<b>ring</b>",), chosen_on="held-out folds")


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.fixture(scope="module")
def coop(clip):
    learner = CoOp(clip, NAMES, n_ctx=2, generator=torch.Generator().manual_seed(0)).eval()
    learner.decision = DECISION
    return learner


@pytest.fixture(scope="module")
def images(clip):
    test = promptlab.demo_dataset("demo_textures").test
    return torch.stack([clip.preprocess(test.source.open(i)) for i in range(5)])


@pytest.fixture(scope="module")
def onnx_file(coop, tmp_path_factory):
    pytest.importorskip("onnxscript", reason="the extra `export` isn't installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` isn't installed")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return export_learner(coop, path, "onnx")


def test_a_safetensors_file_answers_by_one_product(coop, clip, images, tmp_path):
    path = export_learner(coop, tmp_path / "classes.safetensors", "safetensors").path
    with safe_open(path, "pt") as file:
        weight, bias, scale = (file.get_tensor(name) for name in ("weight", "bias", "scale"))
        said = {key: json.loads(value) for key, value in file.metadata().items()}
    features = clip.encode_images(images)
    assert torch.allclose(scale * features @ weight.T + bias, coop(features), atol=1e-4)
    assert torch.allclose(weight, coop.text_features(), atol=1e-5)  # of learners that compare with texts, the texts
    assert said["class_names"] == NAMES
    assert (said["decision"]["temperature"], said["decision"]["threshold"]) == (2.0, 0.5)


def test_a_numpy_file_needs_no_pickle(coop, clip, images, tmp_path):
    path = export_learner(coop, tmp_path / "classes.npz", "numpy").path
    with np.load(path, allow_pickle=False) as arrays:
        features = clip.encode_images(images).numpy()
        logits = arrays["scale"] * features @ arrays["weight"].T + arrays["bias"]
        assert arrays["class_names"].tolist() == NAMES
        assert json.loads(str(arrays["about"]))["decision"]["others"] == ["<b>ring</b>"]
    assert np.allclose(logits, coop(torch.from_numpy(features)).detach().numpy(), atol=1e-4)


def test_a_probe_is_a_matrix_with_a_bias(clip):
    probe = LinearProbe(clip, NAMES, c=1.0)
    probe.weight.copy_(torch.randn(probe.weight.shape, generator=torch.Generator().manual_seed(0)))
    probe.bias.copy_(torch.tensor([1.0, -2.0, 3.0]))
    found = class_matrix(probe)
    assert torch.allclose(found.bias, probe.bias)
    assert torch.allclose(found.scale * found.weight, probe.weight, atol=1e-5)


def test_a_cache_is_a_matrix_only_while_it_is_empty(clip):
    learner = TipAdapter(clip, NAMES, search=False)
    assert class_matrix(learner).weight.shape == (3, clip.dim)
    learner.keys.data = clip.encode_texts(NAMES)
    learner.labels.data = torch.arange(3)
    with pytest.raises(ExportError, match=r"doesn't score .* by one class matrix: export it --to onnx"):
        class_matrix(learner)


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [(CoCoOp, {}, "by one class matrix"), (MaPLe, {"depth": 2}, "more of a picture than")],
)
def test_what_is_no_matrix_names_what_exports_it(clip, tmp_path, kind, arguments, said):
    with pytest.raises(ExportError, match=f"{kind.__name__} .*{said}.*--to onnx"):
        export_learner(kind(clip, NAMES, **arguments), tmp_path / "classes.npz", "numpy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (TPT, {"test_views": 4, "optim": Optim(epochs=1)}, "adapts to each picture"),
        (MTA, {"test_views": 6}, "6 random views"),
    ],
)
def test_what_needs_more_than_a_program_is_refused(clip, tmp_path, kind, arguments, said):
    with pytest.raises(ExportError, match=f"{kind.__name__} .*{said}.*promptlab.predict"):
        export_learner(kind(clip, NAMES, **arguments), tmp_path / "model.onnx", "onnx")


def test_a_backbone_of_half_precision_has_no_graph(tmp_path):
    half = promptlab.load_clip("demo", precision="bf16")
    with pytest.raises(ExportError, match=r"bf16.*backbone\.precision=fp32"):
        export_learner(ZeroShot(half, NAMES), tmp_path / "model.pt2", "torch_export")


def test_an_onnx_file_answers_as_promptlab_for_any_number_of_pictures(onnx_file, coop, clip, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx_file.path))
    expected = coop(clip.encode_images(images)).detach()
    for count in (1, 5):
        logits, probabilities = session.run(["logits", "probabilities"], {"images": images[:count].numpy()})
        assert np.allclose(logits, expected[:count], atol=1e-3)
        assert np.allclose(probabilities, DECISION.probabilities(expected[:count]), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "arguments", "form", "batch"),
    [
        (CoCoOp, {}, "torch_export", 1),  # it writes prompts for each picture
        (MaPLe, {"depth": 1}, "onnx", None),
        (CLIPAdapter, {}, "torch_export", None),
    ],
)
def test_what_is_no_matrix_is_a_graph_held_against_promptlab(tmp_path, kind, arguments, form, batch):
    pytest.importorskip("onnxscript", reason="the extra `export` isn't installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` isn't installed")
    learner = kind(tiny_clip(layers=1), ["star", "ring"], **arguments)
    exported = export_learner(learner, tmp_path / "model", form)
    assert exported.agreement.holds
    assert exported.agreement.pictures == 24
    assert exported.about["batch"] == batch


def test_an_onnx_file_says_how_pictures_are_prepared_and_answers_made(onnx_file, clip):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx_file.path))
    said = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert said["class_names"] == NAMES
    assert said["decision"]["threshold"] == 0.5
    assert said["opset"] == 20
    assert said["batch"] is None
    prepared = said["preprocessing"]
    assert (prepared["size"], prepared["interpolation"], prepared["crop"]) == (32, "bicubic", "centre")
    assert tuple(prepared["mean"]) == clip.image_mean


def test_an_int8_file_is_smaller_and_measured(onnx_file, coop, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_onnx", lambda learner, path: _copied(onnx_file, path))
    exported = export_learner(coop, tmp_path / "model.onnx", "onnx", int8=True)
    assert exported.bytes < 0.5 * onnx_file.bytes
    assert exported.agreement.same_answers >= 0.8 * exported.agreement.pictures
    assert exported.agreement.probabilities > 1e-4  # a quarter of the bits isn't free, and isn't said to be
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_torch_program_answers_as_promptlab_for_any_number_of_pictures(coop, clip, images, tmp_path):
    path = export_learner(coop, tmp_path / "model.pt2", "torch_export").path
    extra = {"about.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    expected = coop(clip.encode_images(images)).detach()
    for count in (1, 5):
        assert torch.allclose(program(images[:count])[0], expected[:count], atol=1e-3)
    assert json.loads(extra["about.json"])["class_names"] == NAMES


def test_what_answers_otherwise_is_not_written(coop, tmp_path, monkeypatch):
    (tmp_path / "classes.npz").write_bytes(b"an earlier export")
    wrong = Agreement(pictures=24, logits=0.5, probabilities=0.1, largest_logit=20.0)
    monkeypatch.setattr(export, "compare", lambda *args, **kwargs: wrong)
    with pytest.raises(ExportError, match="answers otherwise than promptlab"):
        export_learner(coop, tmp_path / "classes.npz", "numpy")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("classes.npz", b"an earlier export")]


def test_pictures_of_ones_own_count_what_is_right(coop, tmp_path):
    test = promptlab.demo_dataset("demo_textures").test
    for place, name in enumerate(["red striped star", "elsewhere", "red striped star"]):
        (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
        test.source.open(place).save(tmp_path / "pictures" / name / f"{place}.png")
    found = export_learner(coop, tmp_path / "classes.npz", "numpy", check=tmp_path / "pictures").agreement
    assert (found.pictures, found.labelled, found.right) == (3, 2, found.right_exported)
    for hidden in ("pictures/.1.png", "pictures/__MACOSX/1.png"):  # files of systems, which are no pictures
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(next((tmp_path / "pictures").glob("*/*.png")).read_bytes())
    assert export_learner(coop, tmp_path / "2.npz", "numpy", check=tmp_path / "pictures").agreement.pictures == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="holds no pictures"):
        export_learner(coop, tmp_path / "classes.npz", "numpy", check=tmp_path / "empty")


def test_a_picture_that_can_t_be_read_is_named_and_left_out(coop, tmp_path, caplog):
    test = promptlab.demo_dataset("demo_textures").test
    for place in range(18):
        test.source.open(place).save(tmp_path / f"{place:02}.png")
    (tmp_path / "05.png").write_bytes(b"torn")
    found = export_learner(coop, tmp_path / "classes.npz", "numpy", check=tmp_path).agreement
    assert found.pictures == 17  # sixteen together, and the last alone
    assert "05.png" in caplog.text
    for file in tmp_path.glob("*.png"):
        file.write_bytes(b"torn")
    with pytest.raises(ExportError, match="none of the pictures"):
        export_learner(coop, tmp_path / "classes.npz", "numpy", check=tmp_path)


def test_about_names_learner_backbone_and_preparation(coop):
    said = about(coop)
    assert said["learner"] == "promptlab.learners.CoOp"
    assert said["preprocessing"]["resize"] == ("shortest_side", 32)


def test_int8_is_of_onnx_alone(coop, tmp_path):
    with pytest.raises(UsageError, match="--to onnx"):
        export_learner(coop, tmp_path / "a", "numpy", int8=True)


def test_the_verb_writes_beside_the_learner_and_says_how_it_answers(coop, tmp_path, capsys):
    folder = str(coop.save_pretrained(tmp_path / "saved"))
    assert main(["export", folder, "--to", "numpy"]) == 0
    assert "held against promptlab on 24 pictures of the demo" in capsys.readouterr().out
    assert (tmp_path / "saved" / "classes.npz").is_file()
    assert main(["export", folder, "--to", "safetensors", "--out", str(tmp_path / "mine"), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["path"] == str(tmp_path / "mine")
    assert described["agreement"]["same_answers"] == 24
    assert main(["export", folder, "--to", "onxn"]) == 2
    assert "did you mean onnx?" in capsys.readouterr().err


def _copied(exported, path):
    path.write_bytes(exported.path.read_bytes())
    return exported.about


def test_a_folder_in_place_of_the_file_is_said_before_any_work(coop, tmp_path, monkeypatch):
    monkeypatch.setattr("promptlab.saved.export.write_matrix", pytest.fail)
    with pytest.raises(UsageError, match=r"is a folder: the name of a file is needed, such as .*classes.npz"):
        export_learner(coop, tmp_path, "numpy")
