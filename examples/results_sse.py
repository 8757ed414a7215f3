"""Print what a running page answers, by nothing but Python's own library: python examples/results_sse.py [ADDRESS]"""

from __future__ import annotations

import json
import sys
import urllib.request

ADDRESS = "http://127.0.0.1:7860/live/results"  # from another machine, with the token: .../live/results?token=TOKEN


def main(address: str = ADDRESS) -> None:
    """Print a line for each answer, until the server ends."""
    with urllib.request.urlopen(address) as events:
        for line in events:
            if not line.startswith(b"data: "):
                continue  # an empty line, or a comment that keeps the connection open
            message = json.loads(line[len("data: ") :])
            if message["type"] == "answer":
                unsure = "unsure" if message["unsure"] else ""
                print(f"{message['time_s']:8.2f} s", message["label"] or "no answer", unsure, flush=True)
            else:  # hello, waiting, ended, failed
                print(message["type"], message.get("message", ""), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
