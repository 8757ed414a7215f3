"""``python -m demo.live``: recognise emotions live, from a camera and a microphone, on a page in the browser."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer import cli

from . import startup

if TYPE_CHECKING:
    from .outputs.fanout import Sink

DESCRIPTION = "Recognise emotions live from face and voice, on a page in the browser."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app until Ctrl-C; returns the exit code."""
    from mmadfer.backends import BACKENDS, PRECISIONS  # here, for it imports PyTorch: after `startup.begin`
    from mmadfer.weights import store

    parser = cli.Parser(cli.as_typed("python -m demo.live"), DESCRIPTION)
    add = parser.add_argument
    sources = "browser: each viewer's own camera and microphone; local: those of this machine; or a FILE to loop"
    add("--source", default="browser", metavar="SOURCE", help=sources)
    local = "of --source local: a number or a part of its name (see --list-devices), or none to leave it out"
    add("--camera", metavar="CAMERA", help=f"camera {local}; a path such as /dev/video2, too")
    add("--microphone", metavar="MICROPHONE", help=f"microphone {local}")
    add("--list-devices", action="store_true", help="print the cameras and microphones of this machine, and end")
    store.add_argument(parser)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--backend", default="auto", choices=BACKENDS, help="engine that runs the model")
    exact = "encode all 16 frames for every answer; without it only those that are new, where that saves time"
    add("--exact", action="store_true", help=exact)
    add("--precision", default="auto", choices=PRECISIONS, help="numbers to compute with; int8 after export.int8")
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all, where browsers then ask for https")
    add("--port", type=int, metavar="PORT", help="port to listen on; the first free one from 7860 where not given")
    add("--no-voice-activity", action="store_true", help="hear sound in which nobody speaks, too")
    proxy = "path under which a proxy serves the page, where it does not take it off, such as /emotions"
    add("--root-path", default="", metavar="PATH", help=proxy)
    allow = "a further host whose pages may connect, for a proxy that does not tell its own; may be given again"
    add("--allow-origin", action="append", default=[], metavar="HOST", help=allow)
    add("--share", action="store_true", help="also make a public https link, for 72 hours, through Gradio's servers")
    add("--max-sessions", type=int, default=4, metavar="N", help="pages served at once; further ones wait their turn")
    smoothing = "seconds over which answers are smoothed; 0 shows each as it is"
    faces = "faces that are read at once, 1 to 4: the chosen one at every answer, the others in turn"
    add("--faces", type=int, default=1, metavar="N", help=faces)
    add("--smoothing", type=float, default=0.5, metavar="S", help=smoothing)
    token = "lets programs on other machines read /live/results who send it: 16 characters or more"
    add("--results-token", metavar="TOKEN", help=token)
    add("--osc", metavar="HOST:PORT", help="send each answer there by Open Sound Control (UDP)")
    lsl = "offer the answers as streams of the Lab Streaming Layer, named mmadfer where no NAME is given"
    add("--lsl", nargs="?", const="mmadfer", metavar="NAME", help=lsl)
    add("--lsl-markers", metavar="NAME", help="take markers from the stream of that name of the Lab Streaming Layer")
    folder = "where recordings of --source local or FILE lie until somebody downloads them; in the user's state folder"
    add("--recordings", metavar="DIR", help=folder)
    keep = "hours after which a recording that nobody has downloaded is deleted"
    add("--keep-recordings", type=float, default=24.0, metavar="H", help=keep)
    return cli.run(parser, _serve, argv)


def check(arguments: argparse.Namespace) -> None:
    """Raise ValueError or OSError, in one sentence, for arguments that cannot be meant or a port that is taken."""
    if arguments.source == "local" and arguments.share:
        raise ValueError("--source local with --share would show this machine's camera to anyone; leave one out")
    _check_devices(arguments)
    if arguments.source not in ("browser", "local") and not Path(arguments.source).is_file():
        raise FileNotFoundError(f"--source must be browser, local or a file, and there is no file {arguments.source}")
    if arguments.port is not None and not 1 <= arguments.port <= 65535:
        raise ValueError(f"--port must be 1 to 65535, got {arguments.port}")
    if arguments.max_sessions < 1:
        raise ValueError(f"--max-sessions must be 1 or more, got {arguments.max_sessions}")
    if not 1 <= arguments.faces <= 4:
        raise ValueError(f"--faces must be 1 to 4, got {arguments.faces}")
    if not 0 <= arguments.smoothing <= 60:
        raise ValueError(f"--smoothing must be 0 to 60 seconds, got {arguments.smoothing}")
    if arguments.weights == "":
        raise ValueError("--weights must name a file or weights, got an empty text; leave it out for starter weights")
    _check_recordings(arguments)
    _check_proxy(arguments)
    from mmadfer.backends.device import choose_device

    choose_device(arguments.device)
    _check_address(arguments.host, arguments.port)


def _check_devices(arguments: argparse.Namespace) -> None:
    for kind in ("camera", "microphone"):
        if getattr(arguments, kind) is not None and arguments.source != "local":
            raise ValueError(f"--{kind} names a {kind} of this machine, which needs --source local; add that")
    from mmadfer.sources.devices import LocalDevices

    LocalDevices(arguments.camera, arguments.microphone).check()


def _check_recordings(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.keep_recordings <= 24 * 365:
        raise ValueError(f"--keep-recordings must be more than 0 and at most 8760 h, got {arguments.keep_recordings:g}")
    if arguments.recordings is None:
        return
    if arguments.source == "browser":
        raise ValueError("--recordings is for --source local or FILE: the browser keeps its own; leave one out")
    if arguments.recordings == "" or (Path(arguments.recordings).exists() and not Path(arguments.recordings).is_dir()):
        raise ValueError(f"--recordings must be a folder, or one that can be made, got {arguments.recordings!r}")


def _check_proxy(arguments: argparse.Namespace) -> None:
    from .server.admission import allowed_place
    from .server.proxied import check_root_path

    arguments.root_path = check_root_path(arguments.root_path)
    for host in arguments.allow_origin:
        allowed_place(host)


def _check_address(host: str, port: int | None) -> None:
    """Refuse what Gradio could not listen on, before seconds are spent on importing it and on loading the model."""
    try:
        addresses = socket.getaddrinfo(host or None, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        words = f"--host must be an address of this machine, such as 127.0.0.1; {host!r} is not known"
        raise ValueError(words) from error
    problems = []
    for family, kind, _, _, address in addresses:  # "localhost" has one of IPv4 and one of IPv6
        try:
            with socket.socket(family, kind) as probe:
                if os.name == "posix":  # elsewhere it would share the port
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            problems.append(error)
    if any(problem.errno == errno.EADDRINUSE for problem in problems):
        raise OSError(f"--port {port} is taken; choose another, or leave it out for the first free one")
    if len(problems) == len(addresses):
        where = f"--host {host} --port {port}" if port else f"--host {host}"
        raise OSError(f"cannot listen on {where} ({problems[0].strerror}); name an address of this machine, and a port")


def sinks(arguments: argparse.Namespace) -> list[Sink]:
    """Return what takes every answer. Raises ValueError for a bad token, address or name, ImportError for a package."""
    from .server.results_access import check_token

    check_token(arguments.results_token)
    made: list[Sink] = []
    if arguments.osc is not None:
        from .outputs.osc import OscSender

        made.append(OscSender(arguments.osc))
    if arguments.lsl is not None:
        from .outputs.lsl import LslOutlets

        made.append(LslOutlets(arguments.lsl))
    return made


def _serve(arguments: argparse.Namespace) -> int:
    from mmadfer.sources.devices import LocalDevices, listing

    if arguments.list_devices:
        print(listing())
        return 0
    check(arguments)
    outputs = sinks(arguments)
    from mmadfer.weights import catalogue, store

    # Before the page comes: what is missing, or has to be fetched, should be told in the terminal at once.
    untrained = arguments.weights == catalogue.UNTRAINED
    path = catalogue.UNTRAINED if untrained else store.resolve(arguments.weights)

    from .app import App

    app = App(
        arguments.source,
        path,
        arguments.backend,
        arguments.device,
        arguments.max_sessions,
        arguments.smoothing,
        arguments.exact,
        arguments.precision,
        allow_origins=arguments.allow_origin,
        devices=LocalDevices(arguments.camera, arguments.microphone),
        voice_activity=not arguments.no_voice_activity,
        results_token=arguments.results_token,
        sinks=outputs,
        recordings=arguments.recordings,
        keep_hours=arguments.keep_recordings,
        lsl_markers=arguments.lsl_markers,
        faces=arguments.faces,
    )
    try:
        url = app.launch(arguments.host, arguments.port, arguments.share, arguments.root_path)
        startup.end()
        print(f"Open {url} in a browser; Ctrl-C ends.", flush=True)
        recognizer = app.load()
        print(f"Ready: {recognizer.describe()}", flush=True)
        if words := catalogue.caveat(recognizer.info):
            print(words, flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        return 0
    finally:
        app.close()


def start(argv: Sequence[str] | None = None) -> int:
    """Run `main` in a process that has imported nothing heavy yet, with a quick start; returns the exit code."""
    startup.begin()
    return main(argv)


if __name__ == "__main__":
    sys.exit(start())
