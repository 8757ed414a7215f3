"""Finds faces in one image with MediaPipe's BlazeFace models, which lie in `assets`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from mmadfer.postprocess import Box
from mmadfer.preprocess import check_rgb
from mmadfer.runtimes import explain_missing, load_runtime

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

    @property
    def eye_angle(self) -> float:
        """The eyes' tilt in degrees, clockwise; 0 where they are level."""
        (left_x, left_y), (right_x, right_y) = self.points[:2]
        return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


class FaceDetector:
    """Short-range model first; the full-range one only where that finds nothing. Not thread-safe: one per stream."""

    def __init__(self) -> None:
        """Load MediaPipe and the short-range model. Raises ImportError naming what to install where it cannot."""
        self._mediapipe = load_runtime("mediapipe")
        self._tasks: dict[str, Any] = {SHORT_RANGE.file: self._load(SHORT_RANGE)}

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces in ``rgb`` `(height, width, 3)` uint8, the best score first; [] where there is none."""
        check_rgb(rgb)
        image, factor = _shrunk(rgb)
        return self._run(SHORT_RANGE, image, factor) or self._run(FULL_RANGE, image, factor)

    def close(self) -> None:
        """Free the models; the detector cannot be used after."""
        while self._tasks:
            self._tasks.popitem()[1].close()

    def _load(self, model: DetectorModel) -> Any:
        vision = load_runtime("mediapipe.tasks.python.vision")
        base = load_runtime("mediapipe.tasks.python").BaseOptions
        data = resources.files("mmadfer.assets").joinpath(model.file).read_bytes()
        options = vision.FaceDetectorOptions(
            base_options=base(model_asset_buffer=data), min_detection_confidence=model.min_score
        )
        with explain_missing("mediapipe"):  # only now does it load its own compiled library
            return vision.FaceDetector.create_from_options(options)

    def _run(self, model: DetectorModel, image: np.ndarray, factor: float) -> list[Detection]:
        if model.file not in self._tasks:
            self._tasks[model.file] = self._load(model)
        height, width = image.shape[:2]
        mp = self._mediapipe
        found = self._tasks[model.file].detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=image)).detections
        faces = []
        for face in found:
            b = face.bounding_box
            box = Box(b.origin_x * factor, b.origin_y * factor, b.width * factor, b.height * factor)
            points = tuple((p.x * width * factor, p.y * height * factor) for p in face.keypoints)
            faces.append(Detection(box, face.categories[0].score, points, model))
        upright = [face for face in faces if abs(face.eye_angle) <= _LARGEST_TILT]
        return sorted(upright, key=lambda face: -face.score)


def _shrunk(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """Return ``rgb``, contiguous and at most `_LARGEST_SIDE` px, and the factor from its px back to the original's."""
    factor = max(rgb.shape[:2]) / _LARGEST_SIDE
    if factor <= 1:
        return np.ascontiguousarray(rgb), 1.0
    size = (max(1, round(rgb.shape[1] / factor)), max(1, round(rgb.shape[0] / factor)))
    cv2 = load_runtime("cv2")
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), factor
