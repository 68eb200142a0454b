import pytest

from promptlab import load_clip
from promptlab.features.bank import FeatureBank
from tests.helpers.own_pictures import copy_into, write_adapted_folder, write_pictures

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="package")
def clip():
    return load_clip("demo")


@pytest.fixture(scope="package")
def bank(tmp_path_factory):
    return FeatureBank(tmp_path_factory.mktemp("bank") / "features.sqlite")


@pytest.fixture(scope="package")
def world(tmp_path_factory, clip, bank):
    """A folder with ``pictures`` and what was adapted to them: a wrong label, a near-copy under another, a bad name."""
    base = tmp_path_factory.mktemp("world")
    pictures = base / "pictures"
    files = write_pictures(pictures, 8, 4)
    names = list(dict.fromkeys(file.partition("/")[0] for file in files))
    wrong = f"{names[1]}/wrong.png"
    (pictures / files[0]).rename(pictures / wrong)
    copy = copy_into(pictures, files[10], f"{names[2]}/copy.jpg")
    again = copy_into(pictures, files[12], f"{names[1]}/again.jpg")
    (pictures / EVIL).mkdir()
    evil = [copy_into(pictures, file, f"{EVIL}/{place}.jpg") for place, file in enumerate(files[20:22])]
    given = [wrong, *files[1:], copy, again, *evil]
    write_adapted_folder(base / "adapted", pictures, given, clip, bank=bank)
    return base
