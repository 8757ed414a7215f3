"""Which pages may open the socket: a WebSocket is outside the browser's same-origin rule, so the server decides.

A page may where its own address (the header `Origin`) is one under which this server was asked: `Host`, or what proxies
in front say that it was (`X-Forwarded-Host`, `Forwarded`). Where no proxy says so, the browser may: it alone writes the
header `Sec-Fetch-Site`, and "same-origin" there means that the page came from the very address that the request went
to. Chromium leaves that header out of WebSockets, so its pages bring a ticket that they got by an ordinary request.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers

DEFAULT_PORTS = {"http": 80, "https": 443}
TICKET_SECONDS = 60.0
MOST_TICKETS = 256
SHOWN = 100
"""Characters of a foreign text that are repeated in a log or on a page."""
_PLACE = re.compile(r"""(\[[0-9A-Za-z:.%]+\]|[^\s\x00-\x20\x7f-\x9f:/?#@\[\]\\,"]+)(?::([0-9]{1,5}))?""")


@dataclass(frozen=True)
class Place:
    """A host in small letters, and its port; None where it is the one that its scheme has anyway."""

    host: str
    port: int | None = None

    @classmethod
    def of(cls, text: str) -> Place | None:
        """Return the place that ``text`` ("host", "host:port", "[IPv6]:port") names, or None where it names none."""
        with contextlib.suppress(ValueError):
            return cls(f"[{ipaddress.IPv6Address(text).compressed}]")  # as some proxies write it
        match = _PLACE.fullmatch(text)
        if match is None or int(match.group(2) or 0) > 65535:
            return None
        host, port = match.group(1).lower(), match.group(2)
        with contextlib.suppress(ValueError):
            host = f"[{ipaddress.IPv6Address(host.strip('[]')).compressed}]"
        return cls(host, int(port) if port else None)

    def __str__(self) -> str:
        """Return the place as browsers write it."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Origin:
    """Where a page came from: its scheme and place."""

    scheme: str
    place: Place

    @classmethod
    def of(cls, text: str) -> Origin | None:
        """Return the origin that a browser wrote, or None for "null", other schemes and whatever is none."""
        scheme, separator, rest = text.partition("://")
        place = Place.of(rest)
        if not separator or place is None or scheme.lower() not in DEFAULT_PORTS:
            return None
        if place.port == DEFAULT_PORTS[scheme.lower()]:
            place = Place(place.host)
        return cls(scheme.lower(), place)

    def is_at(self, place: Place) -> bool:
        """Return whether ``place`` is this origin's; the default port may be written or left out."""
        default = DEFAULT_PORTS[self.scheme]
        return (self.place.host, self.place.port or default) == (place.host, place.port or default)

    def __str__(self) -> str:
        """Return the origin as browsers write it."""
        return f"{self.scheme}://{self.place}"


@dataclass(frozen=True)
class Refusal:
    """Why a page is not served: ``reason`` for the page's code, ``words`` for who reads it."""

    reason: str
    words: str


class Admission:
    """The rule, the owner's exceptions to it, and the tickets given out."""

    def __init__(self, source: str, allowed: Sequence[str] = ()) -> None:
        """Args: source: as in `LiveServer`. allowed: further hosts, or hosts with ports, whose pages may connect.

        Raises ValueError for a host that is none.
        """
        self._source = source
        self._allowed = [allowed_place(text) for text in allowed]
        self._tickets: dict[str, tuple[Origin, float]] = {}
        self._lock = threading.Lock()

    def refusal(self, headers: Headers, ticket: str | None = None, share_url: str | None = None) -> Refusal | None:
        """Return why a connection is not taken, or None.

        Args: headers: of its handshake. ticket: that came with it. share_url: the public link, where there is one.
        """
        written = headers.get("origin")
        origin = None if written is None else Origin.of(written)
        if written is not None and origin is None:
            return Refusal("origin", f"A page of {shown(written)} may not use this server.")
        if origin is not None and not self._is_own(origin, headers, share_url):
            vouched = headers.get("sec-fetch-site") == "same-origin" or self._redeem(ticket, origin)
            if not vouched:
                return Refusal("origin", _what_to_send(origin, headers))
            if self._source == "local" and not self._shows_camera(origin.place):
                return _only_at_home(origin.place.host)
        own = Place.of(headers.get("host", ""))
        if self._source == "local" and (own is None or not self._shows_camera(own)):
            return _only_at_home(shown(headers.get("host", "")))
        return None

    def ticket(self, headers: Headers) -> str | None:
        """Return a ticket for a page whose browser says that it is this server's own, or None.

        It opens one connection from the same origin, within a minute. Only the page itself can read it, and no page
        can write the two headers that it is given for.
        """
        origin = Origin.of(headers.get("origin", ""))
        if origin is None or headers.get("sec-fetch-site") != "same-origin":
            return None
        made = secrets.token_urlsafe(24)
        with self._lock:
            if len(self._tickets) >= MOST_TICKETS:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[made] = (origin, time.monotonic() + TICKET_SECONDS)
        return made

    def _redeem(self, ticket: str | None, origin: Origin) -> bool:
        with self._lock:
            given_to, end = self._tickets.pop(ticket or "", (None, 0.0))
        return given_to == origin and time.monotonic() < end

    def _is_own(self, origin: Origin, headers: Headers, share_url: str | None) -> bool:
        shared = Origin.of((share_url or "").rstrip("/"))
        own = [*told_places(headers), *self._allowed, *([shared.place] if shared else [])]
        return any(origin.is_at(place) for place in own)

    def _shows_camera(self, place: Place) -> bool:
        return is_this_machine(place.host) or any(place.host == allowed.host for allowed in self._allowed)


def allowed_place(text: str) -> Place:
    """Return the place that an owner has named as "host", "host:port" or an address. Raises ValueError."""
    origin = Origin.of(text.rstrip("/"))
    place = origin.place if origin else Place.of(text)
    if place is None or not re.search(r"[0-9a-z\]]$", place.host):
        words = "--allow-origin must be a host such as emotions.example or emotions.example:8443"
        raise ValueError(f"{words}, got {shown(text) or 'an empty text'}")
    return place


def told_places(headers: Headers) -> Iterator[Place]:
    """Yield the addresses under which this server was asked, as the request and the proxies before it say.

    No page can write these headers of its own WebSocket.
    """
    texts = [headers.get("host", "")]
    for line in [*headers.getlist("x-forwarded-host"), *headers.getlist("x-original-host")]:
        texts += line.split(",")
    for line in headers.getlist("forwarded"):
        texts += re.findall(r"(?:^|[;,\s])host=(\"[^\"]*\"|[^;,\s]+)", line, re.IGNORECASE)
    ports = [port.strip() for line in headers.getlist("x-forwarded-port") for port in line.split(",")]
    for text in texts:
        place = Place.of(text.strip().strip('"'))
        if place is None:
            continue
        yield place
        if place.port is None:
            yield from (told for port in ports if (told := Place.of(f"{place.host}:{port}")))


def is_this_machine(host: str) -> bool:
    """Return whether ``host`` (without a port) is an address, or this machine's own name.

    A foreign name may have been pointed at this machine by a hostile page (DNS rebinding), which would then pass the
    origin check and watch the camera; an address cannot be, and neither can the machine's own name.
    """
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host.strip("[]")))
    return host in ("localhost", socket.gethostname().lower(), socket.getfqdn().lower())


def shown(text: str) -> str:
    """Return a foreign text as it may be written to a log or a page: short, and in plain characters."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match.group()):02x}", plain)
    return plain if len(plain) <= SHOWN else plain[:SHOWN] + "..."


def _what_to_send(origin: Origin, headers: Headers) -> str:
    told = next(told_places(headers), None)
    asked = f"asked for {shown(str(told))}" if told else "asked for no host at all"
    if told is not None and told.host == origin.place.host:
        asked += ", which is another port"
    return (
        f"This page is at {shown(str(origin))}, but the server was {asked}, so it cannot know the page as its own. "
        "If a proxy is in front of it, let the proxy pass the page's address on, with its port. "
        "For nginx: `proxy_set_header Host $http_host;` For others: the header `X-Forwarded-Host`. "
        f"Or start the server with `--allow-origin {shown(str(origin.place))}`"
    )


def _only_at_home(host: str) -> Refusal:
    words = f"This machine's camera is shown only under its own address, not under {host or 'no name at all'}."
    return Refusal("local", words)
