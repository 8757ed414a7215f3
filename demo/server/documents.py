"""The model card of the starter weights and the words on limits and law, as pages to which the live page links."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from mmadfer.weights import starter

if TYPE_CHECKING:
    from starlette.requests import Request

CARD_PLACE, ABOUT_PLACE = "/live/card/", "/live/about/"
ABOUT = Path(__file__).parents[1] / "page" / "about.md"
"""In English; its translations stand beside it as about.de.md and so on."""

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 46rem; margin: 2rem auto 4rem; padding: 0 1rem;
  font: 16px/1.55 "Inter", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1, h2 {{ line-height: 1.25; }}
h2 {{ margin-top: 2.2rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.9rem; }}
th, td {{ padding: 0.3rem 0.7rem; border-bottom: 1px solid color-mix(in srgb, currentcolor 20%, transparent); }}
td {{ vertical-align: top; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.wide:focus-visible {{ outline: 3px solid #5b76e0; outline-offset: 2px; }}
img {{ max-width: 100%; background: #fff; border-radius: 8px; }}
code {{ padding: 0.1em 0.35em; border-radius: 5px; background: color-mix(in srgb, currentcolor 10%, transparent);
  overflow-wrap: anywhere; }}
pre {{ overflow-x: auto; }}
pre code {{ overflow-wrap: normal; }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


_NUMBER = re.compile(r"<t([dh])>((?:[-+–]|\d[\d,.]*)(?: ?%)?)</t\1>")
"""A cell that holds a number, or a dash in its place."""


def document_routes() -> list[Route]:
    """Return the routes of the card, its pictures, and the words on limits and law."""
    return [Route(CARD_PLACE, card), Route(CARD_PLACE + "{name}", picture), Route(ABOUT_PLACE, about)]


async def card(request: Request) -> Response:
    """Answer with the card as a page."""
    return _page("Model card: starter weights", starter.CARD, "en")


async def about(request: Request) -> Response:
    """Answer with what the app may and may not be used for, in the language of ``?lang=`` or of the browser."""
    named = [request.query_params.get("lang", ""), *request.headers.get("accept-language", "").split(",")]
    for tag in named:
        code = re.split("[-;]", tag.strip().lower())[0]
        if code == "en":
            break
        file = ABOUT.with_name(f"about.{code}.md")
        if re.fullmatch("[a-z]{2}", code) and file.exists():
            return _page(_first_heading(file), file, {"zh": "zh-Hans"}.get(code, code))
    return _page(_first_heading(ABOUT), ABOUT, "en")


def _first_heading(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _page(title: str, file: Path, language: str) -> Response:
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(file.read_text(encoding="utf-8"))
    number = itertools.count(1)
    # A wide table scrolls, by keyboard too; each is a region with a name of its own.
    wide = '<div class="wide" tabindex="0" role="region" aria-label="Table {}"><table>'
    body = re.sub("<table>", lambda _: wide.format(next(number)), body).replace("</table>", "</table></div>")
    body = body.replace("<th></th>", "<td></td>")
    return HTMLResponse(
        _PAGE.format(title=title, language=language, body=_NUMBER.sub(r'<t\1 class="number">\2</t\1>', body))
    )


async def picture(request: Request) -> Response:
    """Answer with one of the card's pictures."""
    pictures = {file.name: file for file in starter.CARD.parent.glob("starter-*.png")}
    file = pictures.get(request.path_params["name"])
    return FileResponse(file) if file else Response("there is no such picture", 404, media_type="text/plain")
