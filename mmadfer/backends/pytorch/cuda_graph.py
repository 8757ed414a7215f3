"""CUDA graphs: the GPU's work for a function, recorded for some shapes of input and then replayed in one launch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch

from mmadfer.backends.pytorch.device_frames import pinned

Tensors = tuple[torch.Tensor, ...]
Capture = Callable[[Callable[[], Tensors]], tuple[Tensors, Callable[[], None]]]
"""Records what it is given to run; returns the tensors that hold the results, and what computes them once more."""

_WARM_RUNS = 3
"""Runs before the recording: libraries choose their kernels and take their memory, which no recording may hold."""


@dataclass(frozen=True, eq=False)
class _Recording:
    inputs: Tensors
    outputs: Tensors
    replay: Callable[[], None]


class GraphedFunction:
    """A function of tensors on one device; input of a captured shape is answered by replaying, other input by calling.

    A graph reads and writes the same memory each time. So inputs are copied in, straight from pinned memory where they
    come from the CPU; and outputs are copied out: what a call returns is the caller's own, whatever is called later.

    Threads take turns at a graph, but their calls must be on one CUDA stream, as they are where nobody chose another:
    nothing else keeps one call's work on the GPU from overtaking another's. The live model and its drift check call
    from one thread.
    """

    def __init__(self, function: Callable[..., Tensors], device: torch.device) -> None:
        """Args: function: takes and returns float32 tensors on ``device``, and does not wait for them on the CPU."""
        self._function, self._device = function, device
        self._recordings: dict[tuple[torch.Size, ...], _Recording] = {}
        self._lock = threading.Lock()

    def captured(self) -> list[tuple[torch.Size, ...]]:
        """Return the shapes of inputs that are answered by replaying."""
        return list(self._recordings)

    def forget(self) -> None:
        """Answer by calling from now on."""
        with self._lock:
            self._recordings.clear()

    def capture(self, capture: Capture, *shapes: tuple[int, ...]) -> None:
        """Record the function for float32 inputs of ``shapes``. Raises RuntimeError where ``capture`` does."""
        inputs = tuple(torch.zeros(shape, device=self._device) for shape in shapes)
        outputs, replay = capture(lambda: self._function(*inputs))
        self._recordings[tuple(tensor.shape for tensor in inputs)] = _Recording(inputs, outputs, replay)

    def __call__(self, *inputs: torch.Tensor) -> Tensors:
        """Return the function's results, on the device; the inputs may be there or on the CPU."""
        recording = self._recordings.get(tuple(tensor.shape for tensor in inputs))
        ready = [pinned(tensor, self._device) for tensor in inputs]
        if recording is None:
            return self._function(*(tensor.to(self._device, non_blocking=True) for tensor in ready))
        with self._lock:
            for room, tensor in zip(recording.inputs, ready, strict=True):
                room.copy_(tensor, non_blocking=True)
            recording.replay()
            return tuple(tensor.clone() for tensor in recording.outputs)


class CudaCapture:
    """Records the CUDA graphs of one `GraphedFunction` on a GPU.

    They share their memory, down to that of their results: a replay may destroy the results of another graph, which
    is why each `GraphedFunction` has a capture of its own, and copies results out before its next replay.
    """

    def __init__(self, device: torch.device) -> None:
        """Args: device: the GPU."""
        self._device = device
        with torch.cuda.device(device):
            self._stream = torch.cuda.Stream()
            self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        """Record ``run``; returns its results, and what computes them anew. RuntimeError where CUDA refuses."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device):
            self._stream.wait_stream(torch.cuda.current_stream())
            # Around the recording as well: where that fails, the caller's stream is the current one again all the same.
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_RUNS):
                    run()
                # Other threads may go on using the GPU while this one records.
                with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                    outputs = run()
        return outputs, graph.replay
