import pytest

from promptlab.class_text.templates import SELECT_TEMPLATES, check_template, template_for, template_of
from tests.helpers.benchmarks import TEMPLATES


def test_templates_are_coops():
    assert template_for("dtd") == "{} texture."
    assert template_for("food101") == "a photo of {}, a type of food."
    assert template_for("eurosat") == "a centered satellite photo of {}."
    assert template_for("fgvc_aircraft") == "a photo of a {}, a type of aircraft."
    assert template_for("ucf101") == "a photo of a person doing {}."
    assert template_for("anything else") == "a photo of a {}."
    assert template_for("../learner/coop") == "a photo of a {}."
    assert {name: template_for(name) for name in TEMPLATES} == TEMPLATES
    assert len(TEMPLATES) == 15
    assert len(SELECT_TEMPLATES) == 7


def test_every_template_has_one_place_for_the_name():
    for template in (*TEMPLATES.values(), *SELECT_TEMPLATES):
        assert check_template(template) == template
    with pytest.raises(ValueError, match="exactly one"):
        check_template("a photo.")


def test_a_text_file_may_hold_the_template(tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"\xef\xbb\xbfa drawing of a {}.\r\n\r\n")
    assert template_of(str(file)) == "a drawing of a {}."
    assert template_of("a {}.") == "a {}."
    file.write_text("a {}.\nthe {}.\n")
    with pytest.raises(ValueError, match="has 2 lines; a dataset has one prompt"):
        template_of(str(file))
    file.write_text("a photo.\n")
    with pytest.raises(ValueError, match=r"template 'a photo\.' needs exactly one"):
        template_of(str(file))
    with pytest.raises(ValueError, match="a text file may hold it"):
        template_of(str(tmp_path / "gone.txt"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="can't be read"):
        template_of(str(file))
