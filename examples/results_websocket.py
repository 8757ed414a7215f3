"""Print what a running page answers, read from its WebSocket: python examples/results_websocket.py [ADDRESS]"""

from __future__ import annotations

import json
import sys

from websockets.sync.client import connect

ADDRESS = "ws://127.0.0.1:7860/live/results"  # from another machine, with the token: .../live/results?token=TOKEN


def main(address: str = ADDRESS) -> None:
    """Print a line for each answer, until the server ends."""
    with connect(address) as results:
        for text in results:
            message = json.loads(text)
            if message["type"] == "answer":
                label = message["label"] or "no answer"  # null where it may not be shown
                print(f"{message['time_s']:8.2f} s", label, message["probabilities"], flush=True)
            else:  # hello, waiting, ended, failed
                print(message["type"], message.get("message", ""), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
