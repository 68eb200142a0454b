import inspect

import pytest
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

from promptlab.class_text.templates import template_for
from promptlab.support.errors import DatasetError
from promptlab.support.paths import conf_dir
from tests.helpers.benchmarks import TEMPLATES

CONFIGS = sorted((conf_dir() / "dataset").glob("*.yaml"))
OURS = [path for path in CONFIGS if path.stem in {*TEMPLATES, "features"}]


def load(path, root=None):
    config = OmegaConf.create({"data": {"root": root}, "dataset": OmegaConf.load(path)})
    resolved = OmegaConf.to_container(config, resolve=True)["dataset"]
    return resolved.pop("about"), resolved


def test_every_benchmark_has_its_file():
    assert set(TEMPLATES) <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_dataset_says_what_it_is(path):
    about, config = load(path)
    assert {"summary", "source"} <= set(about)
    assert config["name"] == path.stem


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_keys_are_the_constructors_arguments(path):
    _, config = load(path)
    target = get_method(config.pop("_target_"))
    inspect.signature(target).bind(**config)
    assert config["template"] == template_for(path.stem) == TEMPLATES.get(path.stem, "a photo of a {}.")


@pytest.mark.parametrize("name", ["eurosat", "caltech101"])
def test_shared_datasets_build_from_their_configuration(shared_data, name):
    about, config = load(conf_dir() / "dataset" / f"{name}.yaml", str(shared_data))
    data = instantiate(config)
    assert len(data.class_names) == about["classes"]
    assert len(data.train) + len(data.val) + len(data.test) == about["images"]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_without_files_the_message_says_what_to_set(path):
    _, config = load(path)
    target = get_method(config.pop("_target_"))
    config |= {key: get_method(node["_target_"]) for key, node in config.items() if isinstance(node, dict)}
    with pytest.raises(DatasetError, match=r"set (data\.root|dataset\.train)="):
        target(**config)


def test_every_dataset_takes_one_line_and_one_by_name_says_all(capsys):
    from promptlab.cli.main import main

    assert main(["list", "datasets"]) == 0
    text = capsys.readouterr().out
    entries = [line for line in text.splitlines()[1:] if not line.startswith(" ")]  # the others go on with one
    assert [line.split()[0] for line in entries] == [path.stem for path in CONFIGS]
    assert any(line.startswith("eurosat") for line in entries)
    assert "(10 classes, 27,000 images)" in " ".join(text.split())
    assert main(["list", "datasets", "cub", "csv"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "unpacked into CUB/" in text
    assert "set dataset.path to the file" in text
    assert main(["list", "datasets", "cubb"]) == 2
