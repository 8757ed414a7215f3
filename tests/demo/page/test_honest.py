"""What the page says before, at the start of, and after a run: nothing that it has no grounds for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demo.app import App
from tests.support.pages import SLOW, part, reading, start

pytestmark = pytest.mark.browser
RECORD = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
window.seen = { label: [], notices: [], heard: [], basis: [] };
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  for (const [name, list] of Object.entries(window.seen)) {
    const words = document.querySelector(`[data-part=${name}]`)?.textContent;
    if (words !== undefined && words !== list.at(-1)) list.push(words);
  }
}).observe(document, { subtree: true, childList: true, characterData: true }));
"""
"""Adds up how far the page has moved by itself, and keeps every word that stood there."""


@pytest.fixture
def open_page(app: App, browser: Any) -> Iterator[Callable[..., Any]]:
    contexts, errors = [], []

    def make(script: str = "", width: int = 1280, height: int = 720) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(RECORD + script)
        page.goto(app.url)  # type: ignore[attr-defined]
        page.wait_for_selector(".mm-live[data-phase=idle]", timeout=SLOW)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.mark.parametrize(("width", "height"), [(1366, 650), (1280, 720), (1440, 780), (390, 664), (320, 568)])
def test_start_and_where_the_picture_goes_are_seen_without_scrolling(
    open_page: Callable[..., Any], width: int, height: int
) -> None:
    page = open_page(width=width, height=height)
    button = page.get_by_role("button", name="Start").bounding_box()
    words = part(page, "privacy").bounding_box()
    assert button["y"] + button["height"] <= height
    assert words["y"] + words["height"] <= height
    assert "this machine" in part(page, "privacy").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_timeout(300)
    assert page.evaluate("window.shift") < 0.05


def test_the_first_seconds_are_a_first_guess_and_no_word_comes_before_its_cause(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start(page)
    reading(page)
    seen = page.evaluate("window.seen")
    answers = [word for word in seen["label"] if word not in ("–", "Nothing to read")]
    assert answers[0] == "First guess", answers
    first = next(words for words in seen["notices"] if words)
    assert first.startswith("Filling the window"), seen["notices"]
    assert not any("No sound" in words or "No microphone" in words for words in seen["notices"]), seen["notices"]
    assert seen["basis"][-1] == "Reading · last 3 s"
    assert page.evaluate("window.shift") < 0.05


def test_a_screen_reader_is_told_of_changes_without_seconds(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start(page)
    part(page, "notices").get_by_text("Face and voice are coming in").wait_for(timeout=SLOW)
    spoken = page.evaluate("window.seen.heard")
    assert "Live" in spoken and spoken[-1] == "Face and voice are coming in"
    assert not any(character.isdigit() for words in spoken for character in words), spoken
    assert len(spoken) <= 8, spoken
    assert part(page, "panel-live").locator("[role=status]").count() == 2


def test_half_of_it_is_said_above_the_answer(open_page: Callable[..., Any]) -> None:
    page = open_page(
        "const list = MediaDevices.prototype.enumerateDevices;"
        "MediaDevices.prototype.enumerateDevices = async function () {"
        "  return (await list.call(this)).filter(({ kind }) => kind !== 'audioinput'); };"
    )
    start(page)
    reading(page)
    assert part(page, "basis").inner_text() == "Reading · face alone · last 3 s"
    assert "Very sure" not in part(page, "certainty").inner_text()


def test_after_stop_nothing_of_the_old_answer_is_left(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start(page)
    reading(page)
    assert page.evaluate("document.activeElement.dataset.part") == "stop"
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".mm-live[data-phase=stopped]", timeout=SLOW)
    assert page.evaluate("document.activeElement.dataset.part") == "start"
    page.wait_for_timeout(600)  # an answer that was on its way
    assert part(page, "label").inner_text() == "–"
    values = page.locator(".mm-value").all_inner_texts()
    assert len(values) == 7 and set(values) == {"–"}
    assert page.locator(".mm-top").count() == 0
    blank = """() => {
        const canvas = document.querySelector('[data-part=spectrogram]');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const ground = data.slice(0, 3).join();
        for (let i = 0; i < data.length; i += 400) if (data.slice(i, i + 3).join() !== ground) return false;
        return true;
    }"""
    line = "document.querySelector('[data-part=spectrogram]').dataset.columns"
    assert int(page.evaluate(line)) > 100, "nothing had been drawn"
    # The dashed line of the heard window is all that may stand there.
    assert page.evaluate(blank) or page.evaluate(blank.replace("i += 400", "i += 4 * canvas.width"))


RUNS = """async () => {
    const { Timeline } = await import(new URL('live/page/timeline.js', location));
    const made = (tag, style = '') => document.body.appendChild(Object.assign(document.createElement(tag), { style }));
    const canvas = made('canvas', 'width: 600px; height: 100px');
    const parts = { timeline: canvas };
    for (const name of ['from', 'to', 'moment', 'summary', 'now', 'spans']) parts[`timeline-${name}`] = made('span');
    const timeline = new Timeline({ ...parts, legend: made('ul') });
    timeline.setLabels(['happiness', 'fear']);
    const now = performance.now() / 1000;
    for (const age of [9, 8, 7]) timeline.push(now - age, [0.5, 0.5], true);
    if (BROKEN) timeline.interrupt();
    for (const age of [3, 2, 1]) timeline.push(now - age, [0.5, 0.5], true);
    await new Promise(resolve => setTimeout(resolve, 300));
    const { context, width } = { context: canvas.getContext('2d'), width: canvas.width };
    const later = performance.now() / 1000 - now;
    const drawn = age => { // the lines over a gap are faint
        const { data } = context.getImageData(Math.round(width * (1 - (age + later) / 60)), 3, 1, 1);
        return data[3] > 128;
    };
    return [8, 5, 2].map(drawn);
}"""


@pytest.mark.parametrize("broken", [True, False])
def test_nothing_is_drawn_through_a_pause(open_page: Callable[..., Any], broken: bool) -> None:
    page = open_page()
    assert page.evaluate(RUNS.replace("BROKEN", str(broken).lower())) == [True, not broken, True]


def test_the_timeline_tells_what_the_pointer_rests_on_and_is_held_by_a_click(open_page: Callable[..., Any]) -> None:
    page = open_page()
    start(page)
    reading(page)
    page.get_by_text("All", exact=True).click()
    page.wait_for_timeout(1500)
    part(page, "timeline").scroll_into_view_if_needed()
    box = part(page, "timeline").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 20)
    page.wait_for_function(
        "/^\\d+ s ago: (happiness|surprise) \\d+ %, /.test("
        "document.querySelector('[data-part=timeline-moment]').textContent)",
        timeout=SLOW,
    )
    page.mouse.click(box["x"] + 50, box["y"] + 20)
    assert part(page, "timeline-now").is_visible()
    page.wait_for_timeout(2000)
    assert int(part(page, "timeline-to").inner_text().removesuffix(" s ago")) >= 1
    part(page, "timeline-now").click()
    page.wait_for_timeout(400)
    assert part(page, "timeline-to").inner_text() == "now"
    page.wait_for_function(
        "document.querySelector('[data-part=timeline-summary]').textContent.startsWith('The whole run: ')", timeout=SLOW
    )


WORDS = """async () => {
    const { sureOf, basisOf, heardOf, notices, summaryOf } = await import(new URL('live/page/words.js', location));
    const ranked = (a, b) => [{ name: 'anger', value: a }, { name: 'fear', value: b }];
    return {
        both: sureOf(ranked(0.9, 0.05), 'both'),
        half: sureOf(ranked(0.9, 0.05), 'voice'),
        least: sureOf(ranked(0.5, 0.3), 'face'),
        mixed: sureOf(ranked(0.4, 0.35), 'both'),
        basis: ['both', 'face', 'voice', null].map(basis => basisOf(basis, 3)),
        lost: heardOf(notices({ states: ['face lost'], faceLost: 2, windowSeconds: 3 }), {}),
        timeline: summaryOf(60, {
            shares: [{ name: 'anger', share: 0.72 }, { name: 'fear', share: 0.04 }],
            changes: 14, longest: { name: 'anger', seconds: 41.4 }, missing: 8.2,
        }),
        long: summaryOf(Infinity, {
            shares: [{ name: 'anger', share: 1 }], changes: 1, longest: { name: 'anger', seconds: 305 }, missing: 0,
        }),
        empty: summaryOf(60, { shares: [], changes: 0, longest: null, missing: 0 }),
    };
}"""


def test_certainty_knows_which_half_is_missing(open_page: Callable[..., Any]) -> None:
    said = open_page().evaluate(WORDS)
    assert said["both"] == {"word": "Anger", "line": "Very sure.", "mixed": False}
    assert said["half"]["line"] == "Fairly sure."
    assert said["least"]["line"] == "Leaning this way, with some fear."
    assert said["mixed"] == {"word": "Mixed", "line": "Anger or fear.", "mixed": True}
    alone = ["Reading · face alone · last 3 s", "Reading · voice alone · last 3 s"]
    assert said["basis"] == ["Reading · last 3 s", *alone, "Reading · last 3 s"]
    assert said["lost"] == "No face in view"
    assert said["timeline"] == "Last minute: anger 72 %, no answer for 8 s; 14 changes; longest: anger 41 s"
    assert said["long"] == "The whole run: anger 100 %; 1 change; longest: anger 5:05 min"
    assert said["empty"] == "No answers yet"


SUMMARY = """async (answers) => {
    const { summarize } = await import(new URL('live/page/summary.js', location));
    const made = answers.map(([at, top, part]) => (
        { at, part, trusted: top !== null, values: [0, 1].map(k => (k === top ? 0.8 : 0.2)) }
    ));
    return summarize(made, ['anger', 'fear'], 30);
}"""
STEADY = [(at, 0, 0) for at in range(20)]
FEAR, NONE = [(at, 1, 0) for at in range(20, 25)], [(at, None, 0) for at in range(25, 30)]
SPLIT = [*STEADY[:10], *((at, 0, 1) for at in range(20, 30))]


@pytest.mark.parametrize(
    ("answers", "shares", "changes", "longest", "missing"),
    [
        ([], {"anger": 0, "fear": 0}, 0, None, 0),
        ([*STEADY, *FEAR, *NONE], {"anger": 0.8, "fear": 0.2}, 1, ("anger", 20), 5),
        ([(at, at % 2, 0) for at in range(30)], {"anger": 0.5, "fear": 0.5}, 29, ("anger", 1), 0),
        # Seldom answers count for as long as they stand, often ones for as short; over a pause none does.
        (
            [*((at, 0, 0) for at in (0, 5)), *((10 + k / 10, 1, 0) for k in range(200))],
            {"anger": 1 / 3},
            1,
            ("fear", 20),
            0,
        ),
        (SPLIT, {"anger": 1}, 0, ("anger", 10), 11),
        ([*STEADY[:5], (15, 1, 0), *((at, 1, 0) for at in range(16, 30))], {"anger": 4 / 19}, 0, ("fear", 15), 11),
        ([*STEADY[:3], (3, None, 0), *((at, 0, 0) for at in range(4, 30))], {"anger": 1}, 0, ("anger", 26), 1),
    ],
)
def test_a_stretch_of_answers_in_a_few_numbers(
    open_page: Callable[..., Any], answers: Any, shares: dict[str, float], changes: int, longest: Any, missing: float
) -> None:
    told = open_page().evaluate(SUMMARY, answers)
    found = {one["name"]: one["share"] for one in told["shares"]}
    assert {name: found[name] for name in shares} == pytest.approx(shares)
    assert told["shares"][0]["share"] >= told["shares"][1]["share"]
    assert told["changes"] == changes and told["missing"] == pytest.approx(missing)
    if longest is None:
        assert told["longest"] is None
    else:
        assert (told["longest"]["name"], told["longest"]["seconds"]) == (longest[0], pytest.approx(longest[1]))


COUNT = """
window.bytes = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data.byteLength && new Uint8Array(data.buffer ?? data)[0] === 1) window.bytes += data.byteLength;
  return send.call(this, data);
};
"""


def test_pictures_upwards_stay_below_150_kilobytes_a_second(open_page: Callable[..., Any]) -> None:
    page = open_page(COUNT)
    start(page)
    page.wait_for_timeout(4000)  # the quality finds its level
    before = page.evaluate("[window.bytes, performance.now()]")
    page.wait_for_timeout(4000)
    after = page.evaluate("[window.bytes, performance.now()]")
    rate = (after[0] - before[0]) / (after[1] - before[1])
    assert 20 < rate <= 150, f"{rate:.0f} kB/s"


def test_limits_and_law_are_one_click_away(open_page: Callable[..., Any]) -> None:
    page = open_page()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Limits and law").click()
    about = opened.value
    about.wait_for_load_state()
    text = about.locator("main").inner_text()
    assert "Article 5(1)(f)" in text and "Article 50(3)" in text and "not feelings" in text
