"""The page in a browser: no errors, no requests, nothing cut, tables that sort and filter, also by keyboard, and axe's
rules for screen readers and contrast."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium isn't installed (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def address(tmp_path_factory, whole):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(whole, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, address):
    """A function of width and colour scheme that opens the page; afterwards nothing may have gone wrong."""
    wrong = []

    def open_page(width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url in (address, "data:,") or wrong.append(request.url))
        page.goto(address)
        return page

    yield open_page
    assert wrong == []


def column(page, name):
    return page.locator("#few-shot-demo-scores tbody tr:not([hidden])").evaluate_all(
        "(rows, name) => { const at = [...rows[0].closest('table').tHead.rows[0].cells]"
        ".findIndex((cell) => cell.textContent === name); return rows.map((row) => row.cells[at].textContent); }",
        name,
    )


def test_tables_sort_by_number_and_by_word(opened):
    page = opened()
    heading = page.locator("#few-shot-demo-scores th", has_text="test").first
    heading.locator("button").click()
    found = [float(text.split()[0]) for text in column(page, "test")]
    assert found == sorted(found, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    heading.locator("button").press("Enter")
    assert [float(text.split()[0]) for text in column(page, "test")] == sorted(found)
    assert heading.get_attribute("aria-sort") == "ascending"
    page.locator("#few-shot-demo-scores th button", has_text="learner").press("Space")
    assert column(page, "learner") == sorted(column(page, "learner"))
    assert page.locator("#few-shot-demo-scores th[aria-sort]").count() == 1


def test_tables_filter_by_words(opened):
    page = opened()
    page.get_by_label("Filter").first.fill("MAPLE eurosat")
    assert column(page, "learner") == ["maple", "maple"]
    assert page.locator('output[data-counts="few-shot-demo-scores"]').text_content() == "2 of 12 rows"
    page.get_by_label("Filter").first.fill("")
    assert len(column(page, "learner")) == 12


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate(
        """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter((text) => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1
                    || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
            }).map((text) => text.textContent);
        })"""
    )
    assert cut == []


def test_dark_is_dark_and_figures_follow(opened):
    page = opened(scheme="dark")
    ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    assert ink == page.evaluate("getComputedStyle(document.body).color") == "rgb(230, 232, 234)"


def test_it_can_be_read_and_heard_by_all(opened):
    from axe_playwright_python.sync_playwright import Axe

    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        found = Axe().run(opened(390, scheme), options=options).response
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
        checked = {"color-contrast"} if options else {"svg-img-alt", "scrollable-region-focusable"}
        assert checked <= {rule["id"] for rule in found["passes"]}


def test_everything_can_be_reached_by_keyboard(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + (document.activeElement.getAttribute('role') || '')")
        )
    assert reached >= {"A", "INPUT", "DIVgroup", "BUTTON"}


def test_it_prints_without_its_tools(opened):
    page = opened()
    page.emulate_media(media="print")
    assert not page.get_by_label("Filter").first.is_visible()
    assert page.locator(".table .scroll").first.evaluate("box => box.scrollHeight <= box.clientHeight + 1")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    edges = "rows => rows.map(row => [...row.cells].map(cell => Math.round(cell.getBoundingClientRect().left)))"
    heading, *rows = page.locator("#few-shot-demo-scores tr").evaluate_all(edges)
    assert all(row == heading for row in rows)
