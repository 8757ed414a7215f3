"""Answers by Open Sound Control over UDP: one bundle an answer, for music, light and media programs."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Iterator

from .answer import Answer

log = logging.getLogger(__name__)

_FORM = re.compile(r"(\[[^\[\]\s]+\]|[^:\[\]\s]+):(\d{1,5})")


class OscSender:
    """Sends to one address, where somebody listens or not."""

    def __init__(self, target: str) -> None:
        """Args: target: "HOST:PORT" or "[IPv6]:PORT".

        Raises ValueError for what is no address, ImportError where the package python-osc is absent.
        """
        _require_package()
        family, self._address = _address(target)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # the model never waits for a network
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._trouble = ""

    def take(self, answer: Answer) -> None:
        """Send one answer as a bundle that carries the time of its window's end."""
        if self._socket.fileno() < 0:  # closed while the model was computing
            return
        try:
            self._socket.sendto(bundle(answer), self._address)
            self._trouble = ""
        except OSError as error:  # no route, a full buffer: the next answer may get through
            if str(error) != self._trouble:
                log.warning("OSC does not reach %s:%d: %s", *self._address[:2], error)
            self._trouble = str(error)

    def end(self, session: int) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()


def bundle(answer: Answer) -> bytes:
    """Return the datagram of one answer."""
    from pythonosc.osc_bundle_builder import OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    made = OscBundleBuilder(answer.end)  # type: ignore[arg-type]  # takes seconds, and is annotated as if whole ones
    for address, kind, value in _messages(answer):
        message = OscMessageBuilder(f"/mmadfer/{address}")
        message.add_arg(value, kind)
        made.add_content(message.build())
    return bytes(made.build().dgram)


def _messages(answer: Answer) -> Iterator[tuple[str, str, str | int | float]]:
    """Yield address, type and value of each message: s string, i int32, f float32."""
    yield "session", "i", answer.session
    yield "label", "s", answer.label or ""
    yield "unsure", "i", int(answer.unsure is not False)  # without a label, too: nobody should act on that
    for name, value in answer.smoothed.items():
        yield f"probability/{address_part(name)}", "f", value


def address_part(name: str) -> str:
    """Return a class's name as OSC allows it in an address: what means something there becomes "_"."""
    return re.sub(r"[^!-~]|[#*,/?\[\]{}]", "_", name)


def _address(target: str) -> tuple[int, tuple[str, int]]:
    form = _FORM.fullmatch(target)
    if form is None or not 1 <= int(form[2]) <= 65535:
        raise ValueError(f"--osc must be HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:9000; got {target!r}")
    with contextlib.suppress(OSError, UnicodeError):
        family, _, _, _, address = socket.getaddrinfo(form[1].strip("[]"), int(form[2]), type=socket.SOCK_DGRAM)[0]
        return family, address  # type: ignore[return-value]  # IPv6 has two more numbers, which sendto takes as they are
    raise ValueError(f"--osc names a host that is not known here, {form[1]!r}; name another, or its address")


def _require_package() -> None:
    try:
        import pythonosc.osc_bundle_builder  # noqa: F401
    except ImportError as error:
        raise ImportError("--osc needs the package python-osc: pip install 'mmadfer[osc]'") from error
