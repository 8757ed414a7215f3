"""A real nginx of a test's own, and a certificate for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
UPGRADE = """proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";
"""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx(folder: Path, *servers: str) -> Iterator[Path]:
    """Run an nginx with these server blocks; gives its access log. All that it writes stays in ``folder``."""
    if NGINX is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    folder.mkdir(parents=True)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    lines = [
        "user root;" if os.geteuid() == 0 else "",  # else its workers could not read what belongs to root
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;",
        "events { worker_connections 256; }",
        f"http {{ access_log {folder}/access.log; {temporary}",
        *servers,
        "}",
    ]
    (folder / "nginx.conf").write_text("\n".join(lines))
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 20
        while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
            assert process.poll() is None and time.monotonic() < end, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield folder / "access.log"
    finally:
        process.terminate()
        process.wait(10)


def certificate(folder: Path, host: str) -> str:
    """Return nginx's settings for TLS with a certificate that ``host`` signs itself."""
    key, signed = folder / "key.pem", folder / "certificate.pem"
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}"]
    subprocess.run(["openssl", "req", *made, "-keyout", key, "-out", signed], check=True, capture_output=True)
    return f"ssl_certificate {signed}; ssl_certificate_key {key};"
