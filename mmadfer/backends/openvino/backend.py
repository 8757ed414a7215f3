"""OpenVINO on the CPU: the fastest engine there, and real time with the streaming step."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmadfer.backends.base import Backend, Encoded
from mmadfer.backends.device import choose_device, device_name, instruction_limit, limited_to_fp32
from mmadfer.backends.openvino import int8
from mmadfer.backends.openvino.compiled import Compiled, Compiler, Source
from mmadfer.backends.openvino.core import openvino_core, openvino_precision
from mmadfer.backends.openvino.faces_graph import without_sound
from mmadfer.backends.proof import CannotCompute, Unproven, prove, prove_faces, tolerance
from mmadfer.graphs import graph
from mmadfer.graphs.cache import graphs_again, graphs_of
from mmadfer.weights.lazy import LazyModel

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

log = logging.getLogger(__name__)


class OpenVINOBackend(Backend):
    """The two graphs of `mmadfer.graphs.graph` in OpenVINO; the encoders in ``precision``, the head in float32.

    What int8 leaves as it is (attention, norms, sums) runs in bf16 where the CPU computes that in hardware.
    """

    def __init__(self, graphs: graph.GraphFolder, precision: str = "auto") -> None:
        """Args: graphs: float32 graphs; precision: "auto", "bf16", "fp32" or "int8".

        Raises ImportError where OpenVINO is not installed, ValueError where it cannot read the graphs or answers the
        probe wrongly, FileNotFoundError for int8 where the encoders were not calibrated.
        """
        core = openvino_core()
        self.spec, self.config = graphs.spec, graphs.config
        self.device = "cpu"
        self.precision = openvino_precision(core, precision)
        self.description = f"OpenVINO {self.precision} on {device_name(torch.device('cpu'))}"
        self._compiler = Compiler(core)
        self._sources = _sources(graphs, self.precision, openvino_precision(core))
        self._reference = graphs.reference()
        self._tolerance = tolerance("openvino", self.precision, graphs.precision)
        self._local = threading.local()
        self._faces: Compiled | None = None
        self._keeps_sound: bool | None = None
        self._lock = threading.Lock()
        self._start()

    @classmethod
    def of_model(cls, model: MMADFER | LazyModel, device: str = "auto", precision: str = "auto") -> OpenVINOBackend:
        """Return the backend for ``model``, whose graphs are written to the cache where they are not there yet.

        Where it is wrong the graphs are written once more. Where that does not help, and "auto" has chosen bf16, it
        runs in float32, as its ``reason`` says.
        Raises ValueError where ``device`` is a GPU or the answers are wrong, OSError where the cache cannot be written.
        """
        if device != "auto" and choose_device(device).type != "cpu":
            raise ValueError(f"the backend openvino runs on the CPU, but device {device!r} was asked for")
        lazy = LazyModel.of(model)
        try:
            return cls._of_graphs(lazy, precision)
        except Unproven as error:
            if precision != "auto" or openvino_precision(openvino_core()) == "fp32":
                raise
            log.warning("%s: float32 is used", error)
            loaded = cls._of_graphs(lazy, "fp32")
            loaded.reason = f"float32 is used, for {error}"
            return loaded

    @classmethod
    def _of_graphs(cls, lazy: LazyModel, precision: str) -> OpenVINOBackend:
        graphs = graphs_of(lazy)
        try:
            return cls(graphs, precision)
        except Unproven as error:
            innocent = precision == "int8" or isinstance(error, CannotCompute)
            try:
                again = None if innocent else graphs_again(lazy, graphs)
            except OSError:
                again = None
            if again is None:
                raise
            log.warning("%s: its graphs were written again", error)
            return cls(again, precision)

    def _start(self) -> None:
        """Compile both graphs, or find them compiled, and let them prove themselves; what is wrong is compiled anew."""
        encoder, head = self._sources["encoder"], self._sources["head"]
        if encoder.precision == "bf16" and limited_to_fp32():
            # Its kernels go by the processor and oneDNN's by the limit: where they disagree it may end the process.
            raise CannotCompute(
                f"{self.description}: OpenVINO has no bf16 with oneDNN limited to {instruction_limit()}; "
                "unset ONEDNN_MAX_CPU_ISA or choose fp32"
            )
        for anew in (False, True):
            self._encoder, self._head = self._compiler.open(encoder, anew), self._compiler.open(head, anew)
            self._check_precision(encoder.precision)
            self._local = threading.local()  # requests belong to what was compiled before
            try:
                prove(self, self._reference, self._tolerance)
            except Unproven as error:
                if not (self._encoder.was_kept or self._head.was_kept):
                    hint = f"; calibrate again with {int8.COMMAND}" if self.precision == "int8" else ""
                    raise Unproven(f"{error}{hint}") from error
                log.info("%s: its graphs are compiled again", error)
                for source in (encoder, head):
                    self._compiler.forget(source)
            else:
                break
        self._compiler.keep(encoder, self._encoder)
        self._compiler.keep(head, self._head)

    def _check_precision(self, precision: str) -> None:
        """Refuse float32 under the name of bf16: without AVX-512 OpenVINO computes in float32 whatever it is asked."""
        found = self._encoder.model.get_property("INFERENCE_PRECISION_HINT").to_string()
        if precision == "bf16" and found != precision:
            raise CannotCompute(f"{self.description}: this CPU cannot compute bf16 in OpenVINO; choose fp32")

    def _infer(self, name: str, compiled: Compiled, *inputs: torch.Tensor) -> list[torch.Tensor]:
        # A request belongs to one thread: the live model and the drift meter run at the same time.
        _, request = getattr(self._local, name, (None, None))
        if request is None:
            request = compiled.model.create_infer_request()
            # It reads the weights for as long as it lives: so it is the last item, which a tuple lets go of first.
            setattr(self._local, name, (compiled, request))
        request.infer([np.ascontiguousarray(t.numpy()) for t in inputs], share_inputs=True)
        # Copies: the request's own memory is written again by its next call.
        outputs = range(len(compiled.model.outputs))
        return [torch.from_numpy(request.get_output_tensor(i).data.copy()) for i in outputs]

    def encode(self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor) -> Encoded:
        """Encode k new frames; shapes as in `Backend.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)``, means."""
        return Encoded(*self._infer("encoder", self._encoder, frames, spectrogram, kept_sum))

    def encode_faces(self, frames: torch.Tensor, audio_means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode k new frames with kept sound; as `Backend.encode_faces`: ``(k, 3, S, S)`` -> ``(k, D)``, means."""
        assert self.keeps_sound and self._faces
        cls, means = self._infer("faces", self._faces, frames, audio_means)
        return cls, means

    @property
    def keeps_sound(self) -> bool:
        """Whether `encode_faces` may be used: compiled, and asked the probe, when somebody wants to know.

        Only a live machine that is behind does.
        """
        with self._lock:
            if self._keeps_sound is None:
                self._keeps_sound, self._faces = False, self._start_faces()
                self._keeps_sound = self._faces is not None
            return self._keeps_sound

    @keeps_sound.setter
    def keeps_sound(self, value: bool) -> None:
        self._keeps_sound = value

    def _start_faces(self) -> Compiled | None:
        """As `_start`, for the frames without their sound; returns nothing where they are wrong."""
        source = self._sources["faces"]
        for anew in (False, True):
            compiled: Compiled | None = None
            self._local.faces = (None, None)
            try:
                compiled = self._compiler.open(source, anew)
                prove_faces(self, partial(self._infer, "faces", compiled), self._reference, self._tolerance)
            except ValueError as error:  # of `without_sound`, too
                if compiled is None or not compiled.was_kept:
                    log.warning("%s: the sound is encoded with every frame", error)
                    break
                log.info("%s: its graph is compiled again", error)
                self._compiler.forget(source)
            else:
                self._compiler.keep(source, compiled)
                return compiled
        return None

    def warmup(self) -> None:
        """Run a step and the frames alone on blank input.

        An exact pass is not run: after a step its first run is hardly slower than its second (1.1 s on two cores).
        """
        spec = self.spec
        frames = torch.zeros(1, 3, spec.image_size, spec.image_size)
        spectrogram = torch.full((1, 1, spec.mel.frames, spec.mel.bins), spec.mel.padding)
        nothing = torch.zeros(self.config.depth, self.config.context_width)
        encoded = self.encode(frames, spectrogram, nothing)
        self.head(encoded.cls.expand(spec.num_frames, -1), encoded.audio_cls)
        if self.keeps_sound:
            self.encode_faces(frames, nothing)

    def head(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``, float32 on the CPU."""
        return self._infer("head", self._head, cls, audio_cls)[0]

    def close(self) -> None:
        """Free the weights; the backend cannot be called afterwards."""
        del self._local, self._encoder, self._faces, self._head


def _sources(graphs: graph.GraphFolder, precision: str, hardware: str) -> dict[str, Source]:
    """Return part -> its graph. Args: hardware: what an int8 encoder computes in where it is not quantised."""
    if precision == "int8":
        quantised = int8.read(graphs)
        path, mark, inner = quantised.encoder, quantised.mark, hardware
    else:
        path, mark, inner = graphs.encoder, graphs.mark(graphs.encoder), precision
    return {
        "encoder": Source("encoder", path, mark, inner),
        "faces": Source("faces", path, mark, inner, without_sound),
        "head": Source("head", graphs.head, graphs.mark(graphs.head), "fp32"),
    }
