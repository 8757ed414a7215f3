"""Print what arrives by OSC: python examples/osc_receiver.py [PORT], beside python -m demo.live --osc 127.0.0.1:9000"""

from __future__ import annotations

import sys

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer


def show(address: str, *values: object) -> None:
    """Print one message; an answer is a bundle of several."""
    print(address, *values, flush=True)


def main(port: str = "9000") -> None:
    """Print every message until Ctrl-C."""
    dispatcher = Dispatcher()
    dispatcher.map("/mmadfer/label", show)  # empty where no label may be shown
    dispatcher.map("/mmadfer/unsure", show)
    dispatcher.map("/mmadfer/probability/*", show)
    BlockingOSCUDPServer(("127.0.0.1", int(port)), dispatcher).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
