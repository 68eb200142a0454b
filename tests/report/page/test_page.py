"""The page as text: everything is in it, nothing from elsewhere, names are text. A browser opens it in test_browser."""

import re
from html.parser import HTMLParser
from itertools import pairwise

from promptlab.report.comparison import comparisons
from promptlab.report.page.runs import settings
from promptlab.report.page.tables import section_tables
from promptlab.report.study import sections
from promptlab.results.schema import SeenUnseenCurve
from tests.helpers.pages import page
from tests.helpers.results import make_fit, make_result
from tests.helpers.studies import study

EVIL = '<script>alert(1)</script> & "it\'s" $x_1$'
VOID = {"meta", "link", "input", "br"}


class Checked(HTMLParser):
    """Follows which elements are open, and what they link to."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def checked(text):
    parser = Checked()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_it_is_one_file_with_ids_of_their_own(whole):
    found = checked(whole)
    assert len(set(found.ids)) == len(found.ids)
    assert {link for link in found.links if not link.startswith(("#", "data:"))} == set()
    assert all(link[1:] in found.ids for link in found.links if link.startswith("#"))
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", whole)
    assert set(re.findall(r"url\(#([^)]*)\)", whole)) <= set(found.ids)


def test_equal_results_give_equal_pages():
    first, second = (page(study(datasets=("dtd",), shots=(1, 16), seeds=(1, 2))) for _ in range(2))
    assert first == second


def test_it_says_what_was_found_and_has_every_run(whole):
    text = "".join(checked(whole).text)
    assert "maple has the highest top-1 accuracy, averaged over 3 datasets" in text
    for run in study(shots=(1, 16)):
        assert run.fit_id in text
    for part in ("Accuracy over shots", "Base against new", "Paired tests", "Averages over datasets", "H of averages"):
        assert part in text
    assert "Nothing: every result could be read" in text


def test_it_can_be_read_out(whole):
    headings = re.findall(r"<th [^>]*>", whole)
    assert all('scope="' in heading for heading in headings)
    assert whole.count("<caption") == len(re.findall(r'<table id="', whole))
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{20,}', whole)) == whole.count("<svg") > 8
    assert '<html lang="en">' in whole
    levels = [int(level) for level in re.findall(r"<h(\d)", whole)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_names_come_out_as_text():
    fit = make_fit(class_names=(EVIL, "b", "c", "d"))
    named = {"learner": EVIL, "dataset": EVIL, "backbone": EVIL}
    run = make_result({EVIL: 0.6}, fit=fit, notes=(EVIL,), config={EVIL: EVIL}, **named)
    text = page([run, make_result({"test": 0.5}, protocol=EVIL)], damaged={EVIL: EVIL})
    found = checked(text)
    assert "<script>alert" not in text
    assert "".join(found.text).count("<script>alert(1)</script>") > 10


def test_one_run_and_runs_without_scores():
    checked(page([make_result({"test": 0.5})]))
    checked(page([make_result({"test": None}, reasons={"test": "no images"}, zero_shot={"test": None})]))
    curve = SeenUnseenCurve(bias=(0.0, 1.0), seen=(0.6, 0.5), unseen=(0.4, 0.5), area=0.3)
    checked(page([make_result({"seen": 0.7, "unseen": 0.4}, names=("seen", "unseen"), seen_unseen=curve)]))


def test_configurations_are_said_once():
    shared, own = settings(sections(study()))
    assert shared["learner.n_ctx"] == "4"
    assert own[0].heading == "few_shot, caltech101, coop, at 16 shots"
    assert dict(own[0].values) == {"seed": "1, 2, 3"}


def test_tables_of_a_section():
    (section,) = sections(study(protocol="base_to_new"))
    found = {table.caption: table for table in section_tables(section, comparisons(section), [])}
    assert list(found) == ["Scores and costs", "Averages over datasets", "Paired tests"]
    scores = found["Scores and costs"]
    names = [name for name, _ in scores.columns]
    assert names[:4] == ["dataset", "learner", "shots", "seeds"]
    assert names[-4:] == ["parameters", "training s", "images/s", "memory GB"]
    assert all(len(row) == len(names) for table in found.values() for row in table.rows for names in [table.columns])
    cell = scores.rows[0][names.index("base")]
    assert cell.text.startswith(f"{100 * cell.number:.2f} ±")
