"""The model card of the starter weights as a page of its own, to which the live page links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from mmadfer.weights import starter

if TYPE_CHECKING:
    from starlette.requests import Request

PLACE = "/live/card/"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model card: starter weights</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 46rem; margin: 2rem auto 4rem; padding: 0 1rem;
  font: 16px/1.55 "Inter", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1, h2 {{ line-height: 1.25; }}
h2 {{ margin-top: 2.2rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.9rem; }}
th, td {{ padding: 0.3rem 0.7rem; border-bottom: 1px solid color-mix(in srgb, currentcolor 20%, transparent); }}
td:not(:first-child), th:not(:first-child) {{ text-align: right; }}
img {{ max-width: 100%; background: #fff; border-radius: 8px; }}
code {{ padding: 0.1em 0.35em; border-radius: 5px; background: color-mix(in srgb, currentcolor 10%, transparent);
  overflow-wrap: anywhere; }}
pre {{ overflow-x: auto; }}
pre code {{ overflow-wrap: normal; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def card_routes() -> list[Route]:
    """Return the routes of the card and of its pictures."""
    return [Route(PLACE, card), Route(PLACE + "{name}", picture)]


async def card(request: Request) -> Response:
    """Answer with the card as a page."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(starter.CARD.read_text(encoding="utf-8"))
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return HTMLResponse(_PAGE.format(body=body))


async def picture(request: Request) -> Response:
    """Answer with one of the card's pictures."""
    pictures = {file.name: file for file in starter.CARD.parent.glob("starter-*.png")}
    file = pictures.get(request.path_params["name"])
    return FileResponse(file) if file else Response("there is no such picture", 404, media_type="text/plain")
