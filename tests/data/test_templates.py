import pytest

from promptlab.data.templates import SELECT_TEMPLATES, TEMPLATES, check_template, template_for


def test_templates_are_coops():
    assert template_for("dtd") == "{} texture."
    assert template_for("food101") == "a photo of {}, a type of food."
    assert template_for("eurosat") == "a centered satellite photo of {}."
    assert template_for("fgvc_aircraft") == "a photo of a {}, a type of aircraft."
    assert template_for("ucf101") == "a photo of a person doing {}."
    assert template_for("anything else") == "a photo of a {}."
    assert len(TEMPLATES) == 15
    assert len(SELECT_TEMPLATES) == 7


def test_every_template_has_one_place_for_the_name():
    for template in (*TEMPLATES.values(), *SELECT_TEMPLATES):
        assert check_template(template) == template
    with pytest.raises(ValueError, match="exactly one"):
        check_template("a photo.")
