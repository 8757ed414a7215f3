"""``python -m mmadfer.weights list|fetch|path|remove|push``: weights by name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmadfer import cli
from mmadfer.files import checksums
from mmadfer.weights import hub, starter, store
from mmadfer.weights.card import Measured, write_card
from mmadfer.weights.catalogue import DEFAULT_FOLD, DEFAULT_SIZE, SOURCES, UNTRAINED, folder
from mmadfer.weights.header import Header


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of list, fetch, path, remove and push; returns the exit code."""
    description = "Weights by name: list, fetch, find, remove and push them."
    parser = cli.Parser(cli.as_typed("python -m mmadfer.weights"), description)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what, command in (
        ("list", "what there is, where it comes from and what is here", _list),
        ("fetch", "get a file where it is not here, check it and tell where it lies", _fetch),
        ("path", "tell where a file lies that is here", _path),
        ("remove", "delete a file and what was noted of it", _remove),
        ("push", "put a file of weights onto the Hugging Face hub, with a model card", _push),
    ):
        sub = commands.add_parser(name, prog=f"{parser.prog} {name}", description=what, help=what)
        sub.set_defaults(run=command)
        if name == "push":
            _add_push(sub)
        elif name != "list":
            sub.add_argument("name", metavar="NAME", help="name of `list`, or org/name[@revision] of the hub")
    return cli.run(parser, lambda arguments: int(arguments.run(arguments)), argv)


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="weights as .safetensors")
    parser.add_argument("name", metavar="NAME", help="repository as org/name; with @branch to one that is there")
    known = "their license by the hub's names, such as apache-2.0; known of the starter weights, else left out"
    parser.add_argument("--license", default="", metavar="ID", help=known)
    parser.add_argument("--metrics", metavar="JSON", help="metrics.json of `mmadfer train evaluate` for these weights")
    parser.add_argument("--private", action="store_true", help="make a new repository that only its owners see")


def _list(_: argparse.Namespace) -> int:
    page = ""
    sys.stdout.write(f"folder: {folder()}\n")
    for source in SOURCES.values():
        if source.page != page:
            page = source.page
            sys.stdout.write(f"\nfrom {page}\n")
        try:
            state = store.state(source)
        except (ValueError, OSError) as error:  # two files for one name, say: the other names are none the worse for it
            state = cli.sentence(error)
        sys.stdout.write(f"  {source.name:<17}{state}\n")
    sys.stdout.write("\nfrom the Hugging Face hub, any org/name[@revision]\n")
    for name, path in hub.here():
        sys.stdout.write(f"  {name}  {path.stat().st_size / 1e6:,.0f} MB\n")
    default = f"fold{DEFAULT_FOLD}-{DEFAULT_SIZE}"
    sys.stdout.write(f"\nWhat the starter weights can do: {starter.CARD}\n")
    sys.stdout.write(f"{UNTRAINED} stands for random weights: everything runs, no answer means anything.\n")
    sys.stdout.write(f"dfew and mafw alone stand for dfew-{default} and mafw-{default}.\n")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{store.fetch(arguments.name)}\n")
    return 0


def _path(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{store.file_of(arguments.name)}\n")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    sys.stdout.writelines(f"deleted {path}\n" for path in store.remove(arguments.name))
    return 0


def _push(arguments: argparse.Namespace) -> int:
    name, file = hub.HubName.parse(arguments.name), Path(arguments.file)
    if name is None:
        raise ValueError(f"name the repository to push to as org/name, got {arguments.name!r}")
    if file.suffix != ".safetensors":
        raise ValueError(f"the hub gets our .safetensors only, got {file.name}; make one with `mmadfer convert`")
    from mmadfer.weights import checkpoint  # here, for it imports PyTorch

    model = checkpoint.load_model(file)  # whole weights only: whoever fetches them relies on it
    header = Header(model.spec, model.config, model.info)
    measured = Measured.read(arguments.metrics, checksums.sha256(file)) if arguments.metrics else None
    card = write_card(header, name.repository, arguments.license, measured)
    sys.stdout.write(f"{hub.push(file, name, card, arguments.private)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
