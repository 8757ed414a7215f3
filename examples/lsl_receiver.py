"""Print what arrives by LSL: python examples/lsl_receiver.py [NAME], beside python -m demo.live --lsl"""

from __future__ import annotations

import math
import sys

import pylsl


def main(name: str = "mmadfer") -> None:
    """Wait for a session, and print its samples until Ctrl-C."""
    (found,) = pylsl.resolve_byprop("name", name)
    inlet = pylsl.StreamInlet(found)
    labels = inlet.info().get_channel_labels()
    while True:
        sample, time_s = inlet.pull_sample()
        if math.isnan(sample[0]):
            print(f"{time_s:10.3f} s no answer", flush=True)
        else:
            print(f"{time_s:10.3f} s", dict(zip(labels, sample, strict=True)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
