"""Programs that read the answers of a running app, and answers to be read."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from demo.outputs.answer import Answer
from mmadfer.types import Basis, Box, Prediction, State

ENGINE = "test weights on CPU"


def answer(session: int = 1, trusted: bool = True, time_s: float = 12.5, end: float = 1.7e9, **changes: Any) -> Answer:
    """Return an answer whose largest smoothed class is "happiness" and whose largest raw one is "anger"."""
    settings: dict[str, Any] = {
        "states": (State.SILENCE,),
        "rests_on": Basis.FACE,
        "temperature": 1.5,
        "unsure_below": 0.5,
        "speech": 0.25,
        "face_number": 2,
        "face_count": 3,
    }
    prediction = Prediction(
        time_s,
        "anger",
        {"happiness": 0.3, "anger": 0.7},
        Box(1, 2, 30, 40, 5),
        True,
        21.04,
        trusted=trusted,
        **settings | changes,
    )
    return Answer(session, prediction, {"happiness": 0.6, "anger": 0.4}, end, "of a test", ENGINE)


@contextmanager
def socket(url: str, query: str = "", **headers: str) -> Iterator[ClientConnection]:
    """Give a WebSocket that reads answers; ``x_y`` stands for the header x-y."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with connect(f"{url.replace('http', 'ws')}live/results{query}", additional_headers=named, open_timeout=20) as made:
        yield made


def said(connection: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    return dict(json.loads(connection.recv(timeout=20)))


def request(url: str, query: str = "", method: str = "GET", **headers: str) -> urllib.request.Request:
    """Return a request for the stream of events; ``x_y`` stands for the header x-y."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib.request.Request(f"{url}live/results{query}", headers=named, method=method)


def events(response: Any) -> Iterator[dict[str, Any]]:
    """Yield the messages of a stream of events."""
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def refused(url: str, query: str = "", *, status: int, **headers: str) -> str:
    """Return the words with which a request is refused."""
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request(url, query, **headers), timeout=10)
    assert error.value.code == status
    assert "Access-Control-Allow-Origin" not in error.value.headers
    return error.value.read().decode()
