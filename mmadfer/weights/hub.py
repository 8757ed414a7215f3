"""Weights of the Hugging Face hub by the name ``org/name[@revision]``: fetched, checked, listed, removed and pushed.

Files lie in the cache of the hub's own client, where every program finds them. Its switches hold: HF_HUB_OFFLINE,
HF_ENDPOINT, HF_HOME, HF_TOKEN.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from mmadfer import cli
from mmadfer.weights.header import read_header

FILE = "model.safetensors"
"""Name of our file in a repository."""
_NAME = re.compile(
    r"(?P<repository>[a-z0-9][\w.-]*/[a-z0-9][\w.-]*)(?:@(?P<revision>[^@\s]+))?", re.ASCII | re.IGNORECASE
)
_NO_NAMES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".onnx")
"""Endings that tell a path, which may have two parts as well."""
LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


@dataclass(frozen=True)
class HubName:
    """Weights of the hub: a repository, at a branch, a tag or a commit."""

    repository: str
    revision: str = ""
    """Empty for the newest."""

    @classmethod
    def parse(cls, text: str) -> HubName | None:
        """Return what ``text`` names; None where it is no name of this form."""
        found = _NAME.fullmatch(text)
        if found is None or found["repository"].lower().endswith(_NO_NAMES):
            return None
        return cls(found["repository"], found["revision"] or "")

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


def fetch(name: HubName) -> Path:
    """Return the file of ``name``, fetched where its newest version is not here yet, and checked in any case.

    Without a network it is the version that came last. Raises OSError where there is none, ValueError where it is
    damaged or no weights of ours: one sentence each.
    """
    with _told(name, f"{name} is no file here and could not be fetched"):
        path = _newest(name)
    _verify(name, path)
    return path


def find(name: HubName) -> Path:
    """Return the file of ``name`` that is here. Raises FileNotFoundError where it is not."""
    path = _in_cache(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not here: run `python -m mmadfer.weights fetch {name}`")
    return path


def here() -> Iterator[tuple[HubName, Path]]:
    """Yield what there is of our weights in the cache: each file with its name, by branch or tag where it has one."""
    for repository in _cached():
        for revision in repository.revisions:
            path = revision.snapshot_path / FILE
            if path.is_file() and _is_ours(path):
                version = min(revision.refs, default=revision.commit_hash)
                yield HubName(repository.repo_id, "" if version == "main" else version), path


def remove(name: HubName) -> list[Path]:
    """Delete what is here of the repository of ``name``, of its revision alone where it gives one; returns the folders.

    Raises FileNotFoundError where nothing of it is here.
    """
    found = [
        revision
        for repository in _cached()
        if repository.repo_id == name.repository
        for revision in repository.revisions
        if not name.revision or name.revision in (revision.commit_hash, *revision.refs)
    ]
    if not found:
        raise FileNotFoundError(f"nothing of {name} is in the hub's cache")
    _client().scan_cache_dir().delete_revisions(*(revision.commit_hash for revision in found)).execute()
    return [revision.snapshot_path for revision in found]


def push(file: str | os.PathLike[str], name: HubName, card: str, private: bool = False) -> str:
    """Put the weights in ``file`` onto the hub, with ``card`` where the repository has none; returns the page.

    The repository is made where there is none. ``file`` must hold whole weights of ours, see
    `mmadfer.weights.checkpoint`. Raises OSError or ValueError in one sentence where the hub does not take them.
    """
    client = _client()
    api = client.HfApi(library_name="mmadfer")
    with _told(name, f"{file} could not be pushed to {name}"):
        api.create_repo(name.repository, private=private, exist_ok=True)
        added = [client.CommitOperationAdd(FILE, os.fspath(file))]
        if not api.file_exists(name.repository, "README.md", revision=name.revision or None):
            added.append(client.CommitOperationAdd("README.md", card.encode()))
        api.create_commit(name.repository, added, commit_message="Push weights", revision=name.revision or None)
    return page(name)


def page(name: HubName) -> str:
    """Return the address of the repository of ``name``, for people."""
    return f"{_client().constants.ENDPOINT}/{name.repository}"


def _client() -> ModuleType:
    try:
        import huggingface_hub  # here, for it takes a third of a second
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ImportError(
            f"weights of the Hugging Face hub need the package huggingface_hub ({error}): pip install huggingface_hub"
        ) from error
    return huggingface_hub


def _newest(name: HubName) -> Path:
    """Return the newest file of ``name`` that can be had: the one in the cache where the hub does not give any."""
    client, asked = _client(), {"revision": name.revision or None}
    try:
        # First once by itself: without a network the download would ask for half a minute, and tell of each attempt.
        client.get_hf_file_metadata(client.hf_hub_url(name.repository, FILE, **asked))
        return Path(client.hf_hub_download(name.repository, FILE, library_name="mmadfer", **asked))
    except (client.errors.RevisionNotFoundError, client.errors.EntryNotFoundError):
        raise
    except (client.errors.HTTPError, client.errors.OfflineModeIsEnabled):
        if path := _in_cache(name):
            return path
        raise


def _in_cache(name: HubName) -> Path | None:
    path = _client().try_to_load_from_cache(name.repository, FILE, revision=name.revision or None)
    return Path(path) if isinstance(path, str) else None


def _cached() -> list[Any]:
    """Return the repositories of models in the cache."""
    client = _client()
    try:
        found = client.scan_cache_dir().repos
    except client.errors.CacheNotFound:
        return []
    return sorted((each for each in found if each.repo_type == "model"), key=lambda each: str(each.repo_id))


def _is_ours(path: Path) -> bool:
    try:
        read_header(path)
    except (OSError, ValueError):
        return False
    return True


def _verify(name: HubName, path: Path) -> None:
    """Compare the file with its digest, which names it in the cache, and with our format."""
    digest, size = path.resolve().name, path.stat().st_size
    # The hub names large files by SHA-256 and small ones as git does. Where the system has no links, there is no name.
    sums = {64: hashlib.sha256(), 40: hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)}
    if re.fullmatch(r"[0-9a-f]+", digest) and (found := sums.get(len(digest))):
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
        if found.hexdigest() != digest:
            raise ValueError(
                f"{path} is damaged: its sum is not the hub's; run `python -m mmadfer.weights remove {name}` and fetch "
                "it again"
            )
    read_header(path)


@contextmanager
def _told(name: HubName, what: str) -> Iterator[None]:
    """Turn the client's errors, which go over several lines, into one sentence that begins with ``what``."""
    errors = _client().errors
    try:
        yield
    except errors.HfHubHTTPError as error:
        raise _refusal(name, what, error) from error
    except errors.OfflineModeIsEnabled as error:
        raise OSError(f"{what}: HF_HUB_OFFLINE is set, so the hub is not asked") from error
    except errors.HTTPError as error:  # of whichever library the client asks with
        raise OSError(f"{what}: there is no connection to {_host()} ({cli.sentence(error)})") from error
    except (OSError, RuntimeError) as error:
        raise OSError(f"{what}: {cli.sentence(error)}") from error


def _refusal(name: HubName, what: str, error: Any) -> OSError | ValueError:
    """Return what to raise for an answer of the hub that is no file."""
    errors, host = _client().errors, _host()
    if isinstance(error, errors.GatedRepoError):
        return OSError(f"{what}: it asks for consent; agree on {page(name)}, and {LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return ValueError(f"{what}: {name.repository} has no revision {name.revision or 'main'}; see {page(name)}")
    if isinstance(error, errors.EntryNotFoundError):
        return FileNotFoundError(f"{what}: the repository has no {FILE}, so it holds no weights of mmadfer")
    status = error.response.status_code
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):  # nobody is told what is private
        return OSError(f"{what}: {host} has no such repository, or not for you; check the name, or {LOG_IN}")
    return OSError(f"{what}: {host} answered {status} {error.response.reason_phrase}")


def _host() -> str:
    return urlsplit(_client().constants.ENDPOINT).netloc
