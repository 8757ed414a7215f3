"""Finds faces in one image with MediaPipe's BlazeFace models, which lie in `assets`."""

from __future__ import annotations

import dataclasses
import math
import weakref
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from mmadfer.faces.quiet import quiet, quiet_run
from mmadfer.faces.runtimes import explain_missing, load_runtime
from mmadfer.preprocess import check_rgb
from mmadfer.types import Box

# Larger frames are shrunk before detection: the models look at 128 and 192 px, and MediaPipe's own way down from 4K
# costs more than everything else together.
_LARGEST_SIDE = 1280
# The models know heads tilted up to here; what they report beyond is mostly something else, degrees.
_LARGEST_TILT = 45.0


@dataclass(frozen=True)
class DetectorModel:
    """One detector file, what to believe of it, and how its box becomes the crop that the encoders were trained on."""

    file: str
    min_score: float
    scale: float
    """Side of the square crop, in sides of the detected box."""
    shift: tuple[float, float]
    """Centre of the crop relative to the box's centre, in sides of the box; right and down are positive."""


SHORT_RANGE = DetectorModel("face_detection_short_range.tflite", 0.5, 1.26, (-0.02, -0.13))
"""For faces from about 80 px in a 640 px frame; few false ones."""
FULL_RANGE = DetectorModel("face_detection_full_range_sparse.tflite", 0.7, 1.16, (-0.01, -0.07))
"""For small faces; below this score every fifth picture without a face shows one."""


@dataclass(frozen=True)
class Detection:
    """A face found in one image; all lengths in px of that image."""

    box: Box
    score: float
    points: tuple[tuple[float, float], ...]
    """Eye on the left of an upright image, eye on the right, nose tip, mouth, ear on the left, ear on the right."""
    model: DetectorModel = SHORT_RANGE
    turned: bool = False
    """Whether it stands on its head: the points are those of the face, so that the left eye is on the right then."""

    @property
    def up_angle(self) -> float:
        """How far the picture is turned for this face, degrees: 0, or 180 where it stands on its head."""
        return 180.0 if self.turned else 0.0

    @property
    def eye_angle(self) -> float:
        """The eyes' tilt in degrees, clockwise; 0 where they are level, and about 180 where it stands on its head."""
        (left_x, left_y), (right_x, right_y) = self.points[:2]
        across, down = right_x - left_x, right_y - left_y
        if self.turned:
            across, down = -across, -down
        return math.degrees(math.atan2(down, across)) + self.up_angle


class FaceDetector:
    """Short-range model first; the full-range one only where that finds nothing. Not thread-safe: one per stream."""

    def __init__(self) -> None:
        """Load MediaPipe and the short-range model. Raises ImportError naming what to install where it cannot."""
        self._mediapipe = load_runtime("mediapipe")
        self._tasks: dict[str, Any] = {SHORT_RANGE.file: self._load(SHORT_RANGE)}
        self._closing = weakref.finalize(self, _close, self._tasks)
        self._closing.atexit = False  # the process frees them

    def detect(self, rgb: np.ndarray, turned: bool = False) -> list[Detection]:
        """Return the faces in ``rgb`` `(height, width, 3)` uint8, the best score first; [] where there is none.

        Args: turned: look for faces that stand on their heads instead. Without it they are at times taken for upright
        ones, mouth for eyes, with a score of up to 0.8.
        """
        check_rgb(rgb)
        image, factor = _shrunk(rgb[::-1, ::-1] if turned else rgb)
        found = self._run(SHORT_RANGE, image, factor) or self._run(FULL_RANGE, image, factor)
        return [_turned_back(face, rgb.shape) for face in found] if turned else found

    def close(self) -> None:
        """Free the models; the detector cannot be used after."""
        self._closing()

    def _load(self, model: DetectorModel) -> Any:
        vision = load_runtime("mediapipe.tasks.python.vision")
        base = load_runtime("mediapipe.tasks.python").BaseOptions
        data = resources.files("mmadfer.assets").joinpath(model.file).read_bytes()
        options = vision.FaceDetectorOptions(
            base_options=base(model_asset_buffer=data), min_detection_confidence=model.min_score
        )
        with quiet():
            try:
                with explain_missing("mediapipe"):  # only now does it load its own compiled library
                    task = vision.FaceDetector.create_from_options(options)
            except (ValueError, RuntimeError) as error:
                raise OSError(
                    f"MediaPipe refuses the face detector's file {model.file} ({error}): install mmadfer anew"
                ) from error
            # The first run prepares more, and tells of it; every later one is then as quick as it can be.
            task.detect(self._image(np.zeros((64, 64, 3), np.uint8)))
        return task

    def _image(self, rgb: np.ndarray) -> Any:
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=rgb)

    def _run(self, model: DetectorModel, image: np.ndarray, factor: float) -> list[Detection]:
        if model.file not in self._tasks:
            self._tasks[model.file] = self._load(model)
        height, width = image.shape[:2]
        with quiet_run():
            found = self._tasks[model.file].detect(self._image(image)).detections
        faces = []
        for face in found:
            b = face.bounding_box
            box = Box(b.origin_x * factor, b.origin_y * factor, b.width * factor, b.height * factor)
            points = tuple((p.x * width * factor, p.y * height * factor) for p in face.keypoints)
            faces.append(Detection(box, face.categories[0].score, points, model))
        upright = [face for face in faces if abs(face.eye_angle) <= _LARGEST_TILT]
        return sorted(upright, key=lambda face: -face.score)


def _close(tasks: dict[str, Any]) -> None:
    with quiet():
        while tasks:
            tasks.popitem()[1].close()


def _turned_back(face: Detection, shape: tuple[int, ...]) -> Detection:
    """Return ``face``, found in a picture turned round, in px of the picture of this ``shape`` as it was."""
    height, width = shape[:2]
    box = face.box
    return dataclasses.replace(
        face,
        box=Box(width - box.x - box.width, height - box.y - box.height, box.width, box.height),
        points=tuple((width - x, height - y) for x, y in face.points),
        turned=True,
    )


def _shrunk(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """Return ``rgb``, contiguous and at most `_LARGEST_SIDE` px, and the factor from its px back to the original's."""
    factor = max(rgb.shape[:2]) / _LARGEST_SIDE
    if factor <= 1:
        return np.ascontiguousarray(rgb), 1.0
    size = (max(1, round(rgb.shape[1] / factor)), max(1, round(rgb.shape[0] / factor)))
    cv2 = load_runtime("cv2")
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), factor
