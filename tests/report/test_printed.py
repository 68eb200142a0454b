import json

from tests.report.printing import PRINTED, everything


def test_the_console_shows_character_for_character_what_it_showed_before():
    expected = json.loads(PRINTED.read_text(encoding="utf-8"))
    found = everything()
    assert list(found) == list(expected)
    for name, lines in found.items():
        assert lines == expected[name], f"{name}: if it is meant, `python -m tests.report.printing` writes it anew"
