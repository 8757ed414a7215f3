"""Call a function with each answer, without any page: python examples/stream_callback.py [FILE]"""

from __future__ import annotations

import sys

import mmadfer


def show(answer: mmadfer.Prediction) -> None:
    """Print one answer."""
    label = answer.label if answer.trusted else "no answer"
    print(f"{answer.time:8.2f} s", label, f"{max(answer.probabilities.values()):.2f}", flush=True)


def main(source: str = "camera") -> None:
    """Answer about a file to its end, or about this machine's camera and microphone until Ctrl-C."""
    recognizer = mmadfer.EmotionRecognizer.from_pretrained()  # the starter weights
    with recognizer.stream(source, on_result=show) as stream:
        for _ in stream:  # a file is read by this loop; a camera goes on by itself
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
