"""The Gradio page around the live panel, and the launch that puts our routes before Gradio's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read by gradio when it is imported

import gradio as gr
from starlette.middleware import Middleware

from ..session.protocol import MAX_MESSAGE_BYTES
from .api import Api
from .gate import Gate
from .proxied import Proxied
from .server import LiveServer

PANEL = (Path(__file__).parents[1] / "page" / "panel.html").read_text(encoding="utf-8")

# The page's own path leads to our files, whatever proxy or share link is in front of the server. A page that is open
# before they are there (a share link takes seconds to make, and they come after it) tries again for half a minute; each
# try has an address of its own, because browsers remember a module that failed.
MOUNT = """
const base = window.location.pathname.replace(/\\/+$/, "");
const load = (left) =>
  import(`${window.location.origin}${base}/live/page/main.js${left < 30 ? `?again=${left}` : ""}`).catch((error) => {
    if (!left) {
      element.append("The page's files cannot be loaded. A proxy must pass on all requests below this address.");
      throw error;
    }
    return new Promise((resolve) => setTimeout(resolve, 1000)).then(() => load(left - 1));
  });
load(30).then((page) => page.mount(element));
"""

QUIET_FRAME = """
.gradio-container .main.app { max-width: none; padding: 8px clamp(10px, 2vw, 28px); }
#live .html-container { padding: 0; }
"""


LARGEST_UPLOAD = "1gb"
"""Of the client API; the page's own uploads have their limits (`file_routes.limits`)."""


def limit_sockets(config: Any) -> None:
    """Let uvicorn, by its ``config``, read no more of a message than is taken.

    Gradio makes the configuration and takes no settings for it; it is looked at for each new connection.
    """
    config.ws_max_size = MAX_MESSAGE_BYTES + 1024  # a little more than is taken gets its answer in words


def launch(server: LiveServer, host: str, port: int | None, share: bool, root_path: str = "") -> tuple[gr.Blocks, str]:
    """Serve the page and return it with its address. Raises OSError where ``port`` is taken.

    Args: root_path: the path that a proxy leaves before every request's own, such as "/emotions".
    """
    server.shared_publicly = share
    with gr.Blocks(title="Live emotion recognition", fill_width=True) as page:
        gr.HTML(html_template=PANEL, js_on_load=MOUNT, apply_default_css=False, elem_id="live")
        Api(server).add()
    app, local_url, share_url = page.launch(
        prevent_thread_lock=True,
        ssr_mode=False,  # the Node server of SSR would stand between the page and our routes
        quiet=True,
        server_name=host,
        server_port=port,
        share=share,
        footer_links=[],
        css=QUIET_FRAME,
        app_kwargs={
            "middleware": [Middleware(Proxied, root_path=root_path), Middleware(Gate, access=server.results.access)]
        },
        max_file_size=LARGEST_UPLOAD,
    )
    limit_sockets(page.server.config)
    app.router.routes[:0] = server.routes()
    server.share_url = share_url
    server.results.access.behind_proxy |= bool(root_path)
    return page, share_url or local_url
