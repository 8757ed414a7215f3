"""The page in other languages: every phrase is in each of them, and the page shows itself in the browser's own."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import SLOW, part

PAGE = Path(__file__).parents[3] / "demo" / "page"
LANGUAGES = ["de", "es", "fr", "ja", "zh"]
# The forms that Unicode's rules give for the whole numbers below a million.
FORMS = {"de": {"one", "other"}, "es": {"one", "other"}, "fr": {"one", "other"}, "ja": {"other"}, "zh": {"other"}}

_LITERAL = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
_LITERALS = rf"{_LITERAL}(?:\s*\+\s*{_LITERAL})*"
_SAY = re.compile(rf"\bsay\(\s*({_LITERALS})")
_SAY_MANY = re.compile(rf"\bsayMany\(\s*({_LITERALS}),\s*({_LITERALS})")
_CALL = re.compile(r"\b(?:say|sayMany)\(")
_NAME = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Za-z]{2}|[a-z]$")


def text_of(literals: str) -> str:
    """Return what a script's strings, put together by +, say."""
    return "".join(ast.literal_eval(literal) for literal in re.findall(_LITERAL, literals))


def phrases_of_scripts() -> tuple[set[str], set[str]]:
    """Return the phrases of the page's scripts: plain ones, and those that have a form for each number."""
    plain, counted = set(), set()
    for file in PAGE.glob("words*.js"):
        script = file.read_text(encoding="utf-8")
        found, many = _SAY.findall(script), _SAY_MANY.findall(script)
        assert len(found) + len(many) == len(_CALL.findall(script)), (
            f"{file.name} says something that is no plain string"
        )
        plain |= {text_of(literals) for literals in found}
        counted |= {text_of(others) for _, others in many}
    return plain, counted


class Panel(HTMLParser):
    """Collects the phrases of panel.html as ``translate`` in language.js finds them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.phrases: set[str] = set()
        self._open: list[tuple[str, bool]] = []  # the tags that are open, each with whether it is left as it is
        self._whole: list[str] | None = None  # what stands in the element that is taken as a whole
        self._depth = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        told = [named.get(name) for name in ("aria-label", "title", "placeholder")]
        self.phrases |= {" ".join(words.split()) for words in told if words}
        if self._whole is not None:
            self._whole.append(self.get_starttag_text() or "")
        if tag in ("input", "meta", "br"):
            return
        self._open.append((tag, named.get("translate") == "no"))
        if "data-words" in named:
            self._whole, self._depth = [], len(self._open)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in ("input", "meta", "br"):
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._whole is not None and len(self._open) == self._depth:
            self.phrases.add(" ".join("".join(self._whole).split()))
            self._whole = None
        elif self._whole is not None:
            self._whole.append(f"</{tag}>")
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._whole is not None:
            self._whole.append(data)
        elif not any(left for _, left in self._open):
            self.phrases.add(" ".join(data.split()))


def phrases_of_panel() -> set[str]:
    panel = Panel()
    panel.feed((PAGE / "panel.html").read_text(encoding="utf-8"))
    return {phrase for phrase in panel.phrases if _WORD.search(phrase)}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_phrase_is_there_and_none_too_many(code: str) -> None:
    made = json.loads((PAGE / "languages" / f"{code}.json").read_text(encoding="utf-8"))
    plain, counted = phrases_of_scripts()
    plain |= phrases_of_panel()
    assert made.keys() ^ (plain | counted) == set()
    for english, words in made.items():
        if english in counted:
            assert words.keys() == FORMS[code], english
        for form, text in words.items() if english in counted else [("", words)]:
            assert text, english
            optional = {"count"} if form == "one" else set()  # "one file" needs no number
            assert set(_NAME.findall(text)) | optional == set(_NAME.findall(english)) | optional, english
            for mark in ("`", "<code>", "<kbd>", "<span>"):
                assert text.count(mark) == english.count(mark), english


@pytest.mark.parametrize("code", LANGUAGES)
def test_limits_and_law_say_as_much_in_each(code: str) -> None:
    english, other = [(PAGE / name).read_text(encoding="utf-8") for name in ("about.md", f"about.{code}.md")]
    for mark in (r"^## ", r"^- ", r"\*\*", "2024/1689"):
        assert len(re.findall(mark, other, re.M)) == len(re.findall(mark, english, re.M)), mark


ENGLISH_LEFT = """english => {
    const texts = document.createTreeWalker(document.querySelector('.mm-live'), NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const text = texts.currentNode.nodeValue.replaceAll(/\\s+/g, ' ').trim();
        if (!texts.currentNode.parentElement.closest('template') && english.includes(text)) found.push(text);
    }
    return found;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["de-AT", "es-MX", "fr-FR", "ja-JP", "zh-CN"])
def test_the_page_speaks_the_browsers_language(app: Any, browser: Any, locale: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    code = locale[:2]
    made = json.loads((PAGE / "languages" / f"{code}.json").read_text(encoding="utf-8"))
    context = browser.new_context(locale=locale, viewport={"width": 320, "height": 640})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(app.url)
    page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
    assert page.evaluate("document.documentElement.lang").startswith(code)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name=made["Start"], exact=True).click()
    page.wait_for_selector(".mm-top", timeout=SLOW)
    label = part(page, "label").inner_text()
    bars = page.locator(".mm-bar .mm-name").all_inner_texts()
    assert made["happiness"] in [name[0].lower() + name[1:] for name in bars] or made["happiness"] in bars
    assert label in [*bars, made["Mixed"], made["First guess"]] or not label.startswith("Unsure")
    percentage = re.sub(r"\d+", "{number}", page.locator(".mm-bar .mm-value").first.inner_text())
    assert percentage == made["{number} %"]
    page.evaluate("document.querySelector('.mm-details').open = true")
    english = [phrase for phrase, words in made.items() if isinstance(words, str) and words != phrase]
    assert page.evaluate(ENGLISH_LEFT, english) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    found = axe.Axe().run(page, context=".mm-live").response["violations"]
    assert [violation["id"] for violation in found] == []
    with context.expect_page() as opened:
        part(page, "limits").evaluate("link => link.click()")
    about = (PAGE / f"about.{code}.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert opened.value.locator("h1").inner_text() == about
    assert not errors, errors
    context.close()


@pytest.mark.browser
def test_a_language_that_was_chosen_holds_and_an_unknown_one_is_english(app: Any, browser: Any) -> None:
    context = browser.new_context(locale="it-IT")
    page = context.new_page()
    page.goto(app.url)
    page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
    assert part(page, "start").inner_text() == "Start"
    assert page.evaluate("document.documentElement.lang") == "en"
    page.keyboard.press("s")
    part(page, "settings-language").select_option("fr")
    assert part(page, "settings-language-later").inner_text() == "Holds once the page is loaded anew."
    page.reload()
    page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
    assert page.evaluate("document.documentElement.lang") == "fr"
    context.close()


@pytest.mark.browser
def test_without_its_file_a_language_is_english(app: Any, browser: Any) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.route("**/languages/*", lambda route: route.abort())
    page.goto(app.url)
    page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
    assert part(page, "start").inner_text() == "Start"
    assert page.evaluate("document.documentElement.lang") == "en"
    context.close()
