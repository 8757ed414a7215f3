"""From a detected face to the picture that the face encoder sees: the crop rule and the cut itself."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from mmadfer.faces.detector import Detection
from mmadfer.faces.runtimes import load_runtime
from mmadfer.preprocess import check_rgb
from mmadfer.types import Box


def square_box(face: Detection, level_eyes: bool) -> Box:
    """Return the square crop box of ``face``, px; tilted as the eyes are where ``level_eyes``, else upright.

    MediaPipe's box is tighter and lower than the MTCNN box that the encoders' data was cut with; each detector model
    brings the scale and the shift that turn one into the other.
    """
    box, angle = face.box, face.eye_angle if level_eyes else face.up_angle
    side = max(box.width, box.height)
    right, down = face.model.shift[0] * side, face.model.shift[1] * side
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    center_x = box.x + box.width / 2 + right * cos - down * sin
    center_y = box.y + box.height / 2 + right * sin + down * cos
    side *= face.model.scale
    return Box(center_x - side / 2, center_y - side / 2, side, side, angle)


def crop(rgb: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return the part of ``rgb`` inside ``box`` as a `(size, size, 3)` uint8 image, resized by PIL's bilinear filter.

    An upright box is clipped at the frame's border, and what remains is stretched to the square, as in MAFW. A tilted
    one is turned level about its centre; there the frame's edge is continued outwards.

    Args:
        rgb: `(height, width, 3)` uint8.
        box: px of ``rgb``; it may reach over the border, but not lie outside altogether.
        size: side of the result, px.

    Raises ValueError on a malformed frame or a box without a pixel of it.
    """
    check_rgb(rgb)
    part = _upright(rgb, box) if box.angle == 0 else _levelled(rgb, box)
    return np.asarray(Image.fromarray(part).resize((size, size), Image.Resampling.BILINEAR))


def _upright(rgb: np.ndarray, box: Box) -> np.ndarray:
    height, width = rgb.shape[:2]
    left, top = max(0, round(box.x)), max(0, round(box.y))
    right, bottom = min(width, round(box.x + box.width)), min(height, round(box.y + box.height))
    if left >= right or top >= bottom:
        raise ValueError(f"the face box {box} does not hold a pixel of the frame of {width} x {height} px")
    return rgb[top:bottom, left:right]


def _levelled(rgb: np.ndarray, box: Box) -> np.ndarray:
    height, width = rgb.shape[:2]
    center_x, center_y = box.x + box.width / 2, box.y + box.height / 2
    side = round(max(box.width, box.height))
    if side < 1 or not (-side < center_x < width + side and -side < center_y < height + side):
        raise ValueError(f"the face box {box} does not hold a pixel of the frame of {width} x {height} px")
    cos, sin = math.cos(math.radians(box.angle)), math.sin(math.radians(box.angle))
    middle = (side - 1) / 2  # of the result, in px whose centres are whole numbers
    to_source = np.array(
        [
            [cos, -sin, center_x - 0.5 - middle * (cos - sin)],
            [sin, cos, center_y - 0.5 - middle * (sin + cos)],
        ]
    )
    cv2 = load_runtime("cv2")
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, to_source, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
