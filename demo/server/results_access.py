"""Who may read the answers: programs of this machine, and whoever has the token.

A program of this machine is one that comes from a loopback address, asks for one (`Host`), and brings no proxy's
headers. The second keeps away hostile names that point at this machine (DNS rebinding), share links and proxies that
pass on their own name; a browser's page has to be this server's own besides (`Origin`, `Sec-Fetch-Site`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from .admission import Origin, Place

SHORTEST_TOKEN = 16
_PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip", "x-original-host"})


@dataclass(frozen=True)
class Denial:
    """Why somebody may not read: the HTTP status, and ``words`` for who reads it."""

    status: int
    words: str


class ResultsAccess:
    """The rule, and the token that is its only exception."""

    def __init__(self, token: str | None = None, behind_proxy: bool = False) -> None:
        """Args: token: checked by `check_token`. behind_proxy: who seems to be of this machine may be anybody."""
        self._token = token
        self.behind_proxy = behind_proxy

    def denial(self, asked: HTTPConnection, act: str = "read the answers") -> Denial | None:
        """Return why a request is not answered, or None. Args: act: what was asked for, for the words."""
        shown = shown_token(asked)
        if shown is not None:
            if self._token is not None and secrets.compare_digest(shown.encode(), self._token.encode()):
                return None
            return Denial(401, "This token is not the one that the server was started with (--results-token TOKEN).")
        if self.behind_proxy or not is_of_this_machine(asked):
            return self._without_token(f"Without a token only programs of the server's machine may {act}.")
        if not is_no_foreign_page(asked.headers):
            return self._without_token(f"A page of another address may not {act} without a token.")
        return None

    def _without_token(self, words: str) -> Denial:
        if self._token is None:
            return Denial(403, f"{words} Start the server with --results-token TOKEN to let others, too.")
        return Denial(401, f'{words} Send it as "Authorization: Bearer TOKEN", or as ?token=TOKEN.')


def check_token(token: str | None) -> None:
    """Raise ValueError for a token that could be guessed or not be sent; None is none."""
    if token is None:
        return
    if len(token) < SHORTEST_TOKEN:
        words = f"--results-token must have {SHORTEST_TOKEN} characters or more, got {len(token)}"
        raise ValueError(f"{words}; make one by: python -c 'import secrets; print(secrets.token_urlsafe())'")
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("--results-token must be of ASCII letters, digits and signs without blanks; choose another")


def is_of_this_machine(asked: HTTPConnection) -> bool:
    """Return whether a request comes from this machine, by its address, what it asked for, and proxies' headers."""
    old = asked.scope.get("http_version") == "1.0"  # what proxies speak unless told otherwise, and no program today
    return _is_from_here(asked) and _asks_for_loopback(asked.headers) and not old


def came_by_silent_proxy(page: HTTPConnection) -> bool:
    """Return whether a page that was let in came from this machine without being at an address of it."""
    return _is_from_here(page) and not (_asks_for_loopback(page.headers) and is_no_foreign_page(page.headers))


def is_no_foreign_page(headers: Headers) -> bool:
    """Return whether a request comes from no browser, from its address bar, or from a page of the address asked for."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    written, host = headers.get("origin"), Place.of(headers.get("host", ""))
    origin = Origin.of(written or "")
    return written is None or (origin is not None and host is not None and origin.is_at(host))


def _is_from_here(asked: HTTPConnection) -> bool:
    proxied = any(name in _PROXY_HEADERS or name.startswith("x-forwarded-") for name in asked.headers)
    return not proxied and asked.client is not None and _is_loopback(asked.client.host)


def _asks_for_loopback(headers: Headers) -> bool:
    host = Place.of(headers.get("host", ""))
    return host is not None and (host.host == "localhost" or _is_loopback(host.host))


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.strip("[]"))
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    return False


def shown_token(asked: HTTPConnection) -> str | None:
    """Return the token that came with a request, right or wrong; None where none did."""
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else asked.query_params.get("token")
