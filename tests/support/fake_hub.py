"""A stand-in for the Hugging Face hub: as much of its HTTP interface as fetching and pushing a file of a model takes.

Large files go by LFS: `resolve` redirects to another address, uploads are announced, put and committed. Headers, status
codes and error codes are those of the real one. Xet, its other way for large files, is not spoken.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

TOKEN = "hf_of_the_test"


@dataclass
class Repository:
    """What lies in one repository: files by commit, and commits by branch or tag."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        files = {**self.commits.get(self.refs.get(ref, ""), {}), **files}
        name = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[name] = files
        self.refs[ref] = name
        return name

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.refs["main"]]


@dataclass
class Hub:
    """What the hub holds, and what it was asked."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """Contents by SHA-256."""
    down: bool = False
    requests: list[str] = field(default_factory=list)

    def add(self, name: str, files: dict[str, bytes], **settings: bool) -> Repository:
        repository = self.repositories[name] = Repository(**settings)
        repository.commit(files)
        return repository


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, hub: Hub, *args: object) -> None:
        self.hub = hub
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(
            (r"/large/(\w+)", self._large),
            (r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", self._resolve),
            (r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([^/]+))?", self._info),
        )

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self._answer((r"/put/(\w+)", self._put))

    def do_POST(self) -> None:
        self._answer(
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._validate),
            (r"/api/models/([\w.-]+/[\w.-]+)/preupload/([^/]+)", self._announce),
            (r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch", self._batch),
            (r"/verify/(\w+)", self._verify),
            (r"/api/models/([\w.-]+/[\w.-]+)/commit/([^/]+)", self._commit),
        )

    def _answer(self, *routes: tuple[str, Any]) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.hub.down:
            self._send(503)
            return
        for pattern, answer in routes:
            if found := re.fullmatch(pattern, self.path.split("?")[0]):
                answer(*found.groups())
                return
        self._send(404)

    def _send(self, status: int, body: bytes | dict[str, Any] = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def _logged_in(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repository(self, name: str) -> Repository | None:
        """Return what may be read; else answer as the hub does: whoever has not logged in is not told what is there."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._logged_in):
            if self._logged_in:
                self._send(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            else:
                self._send(401, X_Error_Message="Invalid username or password.")
            return None
        if repository.gated:
            self._send(403, X_Error_Code="GatedRepo", X_Error_Message=f"Access to model {name} is restricted")
            return None
        return repository

    def _resolve(self, name: str, revision: str, path: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            self._send(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
            return
        data = repository.commits[commit].get(path)
        if data is None:
            self._send(404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found", X_Repo_Commit=commit)
        elif path.endswith(".safetensors"):
            digest = hashlib.sha256(data).hexdigest()
            self.hub.large[digest] = data
            linked = {"X_Linked_Size": str(len(data)), "X_Linked_Etag": f'"{digest}"', "X_Repo_Commit": commit}
            # Another host, as the real one: the client follows a redirect to the same host by itself.
            place = self.hub.address.replace("127.0.0.1", "localhost")
            self._send(302, Location=f"{place}/large/{digest}", **linked)
        else:
            digest = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self._send(200, data, ETag=f'"{digest}"', X_Repo_Commit=commit)

    def _large(self, digest: str) -> None:
        self._send(200, self.hub.large[digest], ETag=f'"{digest}"')

    def _info(self, name: str, revision: str | None) -> None:
        if (repository := self._repository(name)) is not None:
            self._send(200, {"id": name, "sha": repository.refs[revision or "main"], "private": False, "siblings": []})

    def _create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self._logged_in:
            self._send(401, {"error": "Invalid username or password."})
        elif name in self.hub.repositories:
            self._send(409, {"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"})
        elif asked["organization"] == "others":
            self._send(403, {"error": "You don't have the rights"}, X_Error_Message="You don't have the rights")
        else:
            self.hub.add(
                name, {".gitattributes": b""}, private=asked.get("private") or asked.get("visibility") == "private"
            )
            self._send(200, {"url": f"{self.hub.address}/{name}", "name": name})

    def _validate(self) -> None:
        head = re.match(r"---\n(.*?)\n---\n", json.loads(self.body)["content"], re.S)
        errors = [] if head and isinstance(yaml.safe_load(head[1]), dict) else [{"message": "no metadata"}]
        self._send(400 if errors else 200, {"errors": errors, "warnings": []})

    def _announce(self, name: str, revision: str) -> None:
        repository = self.hub.repositories[name]
        if revision not in repository.refs:
            self._send(404, X_Error_Code="RevisionNotFound", X_Error_Message=f"Invalid rev id: {revision}")
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._send(200, {"files": files})

    def _batch(self, name: str) -> None:
        objects = [
            {
                **wanted,
                "actions": {
                    "upload": {"href": f"{self.hub.address}/put/{wanted['oid']}"},
                    "verify": {"href": f"{self.hub.address}/verify/{wanted['oid']}"},
                },
            }
            for wanted in json.loads(self.body)["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _put(self, digest: str) -> None:
        self.hub.large[digest] = self.body
        self._send(200)

    def _verify(self, digest: str) -> None:
        right = hashlib.sha256(self.hub.large[digest]).hexdigest() == digest
        self._send(200 if right else 400, {})

    def _commit(self, name: str, revision: str) -> None:
        files = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        commit = self.hub.repositories[name].commit(files, revision)
        self._send(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit})


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub on a free port."""
    hub = Hub()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, hub)) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        hub.address = f"http://127.0.0.1:{listening.server_address[1]}"
        try:
            yield hub
        finally:
            listening.shutdown()
            thread.join()
