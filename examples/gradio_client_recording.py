"""Read a clip, record, mark by Gradio's client: python examples/gradio_client_recording.py CLIP [ADDRESS] [SECONDS]"""

from __future__ import annotations

import sys
import time
import urllib.request

from gradio_client import Client, handle_file

ADDRESS = "http://127.0.0.1:7860/"  # from another machine: Client(ADDRESS, headers={"Authorization": "Bearer TOKEN"})


def main(clip: str, address: str = ADDRESS, seconds: str = "5") -> None:
    """Print what the model makes of a clip, then record the server's own source and save the recording."""
    client = Client(address, verbose=False)
    for row in client.predict(handle_file(clip), api_name="/predict"):
        print(f"{row['time_s']:8.2f} s", row["label"] or "no answer", flush=True)
    client.predict(told=True, name="by a program", api_name="/start_recording")  # everybody in view has been told
    client.predict(text="halfway", api_name="/set_marker")
    time.sleep(float(seconds))
    kept = client.predict(api_name="/stop_recording")
    urllib.request.urlretrieve(address + kept["address"], kept["file"])
    print(kept["file"], f"{kept['seconds']:.1f} s,", kept["markers"], "marker", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
