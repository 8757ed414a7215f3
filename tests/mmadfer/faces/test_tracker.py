from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from mmadfer.config import InputSpec
from mmadfer.faces import runtimes
from mmadfer.faces.crop import crop, square_box
from mmadfer.faces.detector import FULL_RANGE, SHORT_RANGE, Detection, FaceDetector
from mmadfer.faces.one_euro import OneEuroFilter, OneEuroSpec
from mmadfer.faces.tracker import FaceTracker, TrackerSpec
from mmadfer.media.media_file import open_media
from mmadfer.types import Box

SPEC = InputSpec(image_size=112)
UPRIGHT = InputSpec(image_size=112, level_eyes=False)


class ScriptedDetector:
    """Gives the faces it is told to, in place of the models."""

    def __init__(self, *script):
        self.script = list(script)

    def detect(self, rgb, turned=False):
        return [] if turned else self.script.pop(0)

    def close(self):
        self.script.clear()


def face_at(x, y, side=100.0, tilt=0.0, score=0.9, model=SHORT_RANGE):
    """Return a detection whose box is centred on (x, y)."""
    dx, dy = 0.2 * side * math.cos(math.radians(tilt)), 0.2 * side * math.sin(math.radians(tilt))
    points = ((x - dx, y - dy), (x + dx, y + dy)) + ((x, y),) * 4
    return Detection(Box(x - side / 2, y - side / 2, side, side), score, points, model)


def follow(script, step=1 / 30, spec=UPRIGHT, size=(480, 640)):
    tracker = FaceTracker(spec, ScriptedDetector(*script))
    frame = np.zeros((*size, 3), np.uint8)
    return [tracker.update(frame, k * step) for k in range(len(script))]


def center(face):
    return face.box.x + face.box.width / 2, face.box.y + face.box.height / 2


def paste(canvas, still, x, y):
    canvas[y : y + still.shape[0], x : x + still.shape[1]] = still


@pytest.fixture(scope="module")
def detector():
    detector = FaceDetector()
    yield detector
    detector.close()


@pytest.fixture(scope="module")
def stills(clips):
    """Two faces of different size, each alone in its picture."""

    def load(name, box, height):
        picture = Image.open(clips / name).convert("RGB").crop(box)
        return np.asarray(picture.resize((round(picture.width * height / picture.height), height)))

    return load("obama.jpg", (200, 0, 760, 620), 440), load("biden.jpg", (250, 80, 950, 800), 210)


@pytest.mark.parametrize(
    ("name", "model", "center_px", "reach"),
    [
        ("obama.jpg", SHORT_RANGE, (485, 270), 60),
        ("biden.jpg", SHORT_RANGE, (590, 400), 80),
        ("pyfeat_single_face.jpg", SHORT_RANGE, (277, 290), 40),
    ],
)
def test_stills_show_one_face_where_it_is(clips, detector, name, model, center_px, reach):
    faces = detector.detect(np.asarray(Image.open(clips / name).convert("RGB")))
    assert len(faces) == 1
    box = faces[0].box
    assert faces[0].model is model and faces[0].score > 0.7
    assert math.dist((box.x + box.width / 2, box.y + box.height / 2), center_px) < reach
    (left, _), (right, _) = faces[0].points[:2]
    assert left < right, "the eyes are swapped"


def test_a_4k_frame_gives_the_same_face_in_its_own_px(clips, detector):
    still = Image.open(clips / "pyfeat_single_face.jpg").convert("RGB")
    small = np.zeros((540, 960, 3), np.uint8)
    paste(small, np.asarray(still.resize((480, 480))), 200, 30)
    large = np.asarray(Image.fromarray(small).resize((3840, 2160), Image.Resampling.BILINEAR))
    near, far = detector.detect(small)[0], detector.detect(large)[0]
    ours = np.array([far.box.x, far.box.y, far.box.width, *far.points[0]]) / 4
    expected = np.array([near.box.x, near.box.y, near.box.width, *near.points[0]])
    difference = np.abs(ours - expected).max()
    assert difference < 0.05 * near.box.width, f"largest difference {difference} px"


def test_small_faces_are_left_to_the_full_range_model(clips, detector):
    still = Image.open(clips / "obama.jpg").convert("RGB")
    frame = np.zeros((480, 640, 3), np.uint8)
    paste(frame, np.asarray(still.resize((140, 175))), 250, 150)
    faces = detector.detect(frame)
    assert [face.model for face in faces] == [FULL_RANGE]


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (480, 640)])
def test_no_face_is_an_empty_list(detector, shape):
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_the_clip_without_a_face_shows_none(clips, detector):
    shown = [time for time, rgb in open_media(clips / "pyfeat_no_face.mp4").frames() if detector.detect(rgb)]
    assert shown == []


UPSIDE_DOWN = ["obama.jpg", "biden.jpg", "pyfeat_single_face.jpg"]


@pytest.mark.parametrize("level_eyes", [True, False])
@pytest.mark.parametrize("name", UPSIDE_DOWN)
def test_a_face_upside_down_is_cut_upright(clips, name, level_eyes):
    rgb = np.asarray(Image.open(clips / name).convert("RGB"))
    tracker = FaceTracker(InputSpec(image_size=112, level_eyes=level_eyes))
    upright = crop(rgb, tracker.update(rgb, 0.0).box, 112)
    tracker.reset()
    turned = np.ascontiguousarray(rgb[::-1, ::-1])
    found = tracker.update(turned, 0.0)
    tracker.close()
    assert 130 < found.box.angle < 230
    # Pixels at a half px away: an upright crop's edge falls between pixels where the turned one's does not.
    difference = np.abs(crop(turned, found.box, 112).astype(int) - upright).mean()
    assert difference < 3, f"mean difference from the upright face {difference:.1f}"


def test_a_video_upside_down_is_followed_upside_down(clips):
    tracker, angles = FaceTracker(SPEC), []
    for time, rgb in open_media(clips / "pyfeat_single_face.mp4").frames():
        face = tracker.update(np.ascontiguousarray(rgb[::-1, ::-1]), time)
        angles.append(None if face is None else face.box.angle)
    tracker.close()
    assert None not in angles and min(angles) > 150 and max(angles) < 210


@pytest.mark.parametrize("name", ["pyfeat_single_face.mp4", "intel_asl_sorry.mkv", "intel_asl_yes.mkv"])
def test_upright_faces_stay_upright(clips, name):
    tracker = FaceTracker(SPEC)
    faces = [tracker.update(rgb, time) for time, rgb in open_media(clips / name).frames()]
    tracker.close()
    assert all(face is not None and abs(face.box.angle) < 90 for face in faces)


def test_the_picture_is_turned_round_seldom():
    """The second look costs as much as the first: it is for doubts, and for once in a while."""

    class Counting(ScriptedDetector):
        turned = 0

        def detect(self, rgb, turned=False):
            Counting.turned += turned
            return super().detect(rgb, turned)

    for score, looks in ((0.95, 0), (0.6, 5)):
        Counting.turned = 0
        tracker = FaceTracker(UPRIGHT, Counting(*[[face_at(300, 200, score=score)]] * 300))
        for k in range(300):
            tracker.update(np.zeros((480, 640, 3), np.uint8), k / 30)
        assert Counting.turned == looks, f"at a score of {score}"


def test_missing_mediapipe_and_system_libraries_are_named(monkeypatch):
    def refuse(error):
        def load(name):
            raise error

        monkeypatch.setattr(runtimes.importlib, "import_module", load)

    refuse(ModuleNotFoundError("No module named 'mediapipe'"))
    with pytest.raises(ImportError, match="pip install mediapipe"):
        FaceDetector()
    refuse(ImportError("libGL.so.1: cannot open shared object file"))
    with pytest.raises(ImportError, match=r"libGL\.so\.1.*apt-get install libgl1"):
        FaceDetector()
    refuse(OSError("libEGL.so.1: cannot open shared object file"))
    with pytest.raises(ImportError, match=r"libEGL\.so\.1.*libegl1"):
        FaceDetector()


@pytest.mark.parametrize(("model", "side", "shift"), [(SHORT_RANGE, 126, (-2, -13)), (FULL_RANGE, 116, (-1, -7))])
def test_crop_rule(model, side, shift):
    box = square_box(face_at(300, 200, 100, tilt=10, model=model), level_eyes=False)
    assert (box.width, box.height, box.angle) == (pytest.approx(side), pytest.approx(side), 0.0)
    assert box.x + box.width / 2 == pytest.approx(300 + shift[0])
    assert box.y + box.height / 2 == pytest.approx(200 + shift[1])


def test_crop_rule_follows_the_tilt_where_eyes_are_levelled():
    box = square_box(face_at(300, 200, 100, tilt=90), level_eyes=True)
    assert box.angle == pytest.approx(90)
    assert box.x + box.width / 2 == pytest.approx(313)  # "up" of a head lying on its left is to the right
    assert box.y + box.height / 2 == pytest.approx(198)


@pytest.mark.parametrize("angle", [-30.0, 12.0])
def test_levelling_turns_the_eyes_level(clips, detector, angle):
    still = Image.open(clips / "obama.jpg").convert("RGB")
    tilted = np.asarray(still.rotate(-angle, Image.Resampling.BILINEAR))  # PIL turns counter-clockwise
    face = detector.detect(tilted)[0]
    assert face.eye_angle == pytest.approx(angle - 1.5, abs=5)
    level = crop(tilted, square_box(face, level_eyes=True), 224)
    again = detector.detect(level)[0]
    assert abs(again.eye_angle) < 8, f"eyes are still tilted by {again.eye_angle:.1f} degrees"
    left, right = again.points[:2]
    assert 60 < (left[0] + right[0]) / 2 < 164 and 50 < (left[1] + right[1]) / 2 < 130


def test_an_upright_crop_is_the_resized_cut():
    rgb = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    ours = crop(rgb, Box(10, 20, 40, 40), 20)
    expected = np.asarray(Image.fromarray(rgb[20:60, 10:50]).resize((20, 20), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(ours, expected)


def test_an_upright_crop_is_clipped_at_the_border_and_stretched():
    rgb = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    ours = crop(rgb, Box(-10, 60, 40, 40), 16)
    expected = np.asarray(Image.fromarray(rgb[60:80, 0:30]).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(ours, expected)


def test_a_levelled_crop_of_no_tilt_is_the_cut_itself():
    rgb = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    ours = crop(rgb, Box(10, 20, 40, 40, angle=1e-9), 40)
    np.testing.assert_array_equal(ours, rgb[20:60, 10:50])
    continued = crop(rgb, Box(-10, 20, 40, 40, angle=1e-9), 40)
    np.testing.assert_array_equal(continued[:, :10], np.repeat(rgb[20:60, :1], 10, axis=1))


@pytest.mark.parametrize("angle", [0.0, 20.0])
@pytest.mark.parametrize("place", [(-500, 0), (0, 5000)])
def test_a_box_outside_the_frame_is_refused(angle, place):
    with pytest.raises(ValueError, match="does not hold a pixel of the frame of 100 x 80 px"):
        crop(np.zeros((80, 100, 3), np.uint8), Box(*place, 40, 40, angle), 16)


def test_the_largest_face_is_followed_at_first_and_then_the_nearest():
    small, large = face_at(500, 200, 80), face_at(150, 200, 120)
    grown = [face_at(500, 200, 80 + 10 * k) for k in range(10)]  # the other one comes closer than the first
    faces = follow([[small, large]] + [[g, large] for g in grown])
    assert all(abs(center(f)[0] - 150) < 10 for f in faces)


def test_two_real_faces_that_move(stills, detector):
    first, second = stills
    tracker = FaceTracker(SPEC, detector)
    for k in range(20):
        frame = np.full((480, 1100, 3), 128, np.uint8)
        paste(frame, first, 20 + 6 * k, 20)
        paste(frame, second, 780 - 6 * k, 60 + 3 * k)
        face = tracker.update(frame, k / 15)
        assert face is not None and not face.held
        middle = 20 + 6 * k + first.shape[1] / 2
        assert abs(center(face)[0] - middle) < 40, f"frame {k}: the box is at {center(face)}, the face at {middle}"


def test_another_person_does_not_take_over_while_the_first_turns_away():
    both = [face_at(150, 200, 120), face_at(400, 200, 100)]
    other = [face_at(400, 200, 100)]
    faces = follow([both] * 5 + [other] * 20 + [both] * 5)  # away for 0.67 s
    assert all(f.held and center(f)[0] < 200 for f in faces[5:13])
    assert faces[20] is None
    assert not faces[-1].held and center(faces[-1])[0] < 200


def test_a_neighbour_within_reach_is_not_taken_for_the_face_that_is_not_found():
    both = [face_at(150, 200, 120), face_at(235, 200, 100)]
    faces = follow([both] * 5 + [[face_at(235, 200, 100)]] * 3 + [both])
    assert all(f.held and center(f)[0] < 160 for f in faces[5:8])


def test_another_person_is_followed_once_the_first_has_left():
    both = [face_at(150, 200, 120), face_at(400, 200, 100)]
    faces = follow([both] * 5 + [[face_at(400, 200, 100)]] * 40)
    assert abs(center(faces[-1])[0] - 398) < 2


def test_a_lone_face_is_found_again_at_once_wherever_it_went():
    faces = follow([[face_at(150, 200)]] * 5 + [[face_at(500, 300)]])
    assert center(faces[-1]) == pytest.approx((498, 287))


def test_a_missed_detection_keeps_the_box_for_a_moment_only():
    faces = follow([[face_at(150, 200)]] * 3 + [[]] * 20)
    held = [f for f in faces[3:] if f is not None]
    assert len(held) == 9 and all(f.held and f.box == faces[2].box for f in held)
    assert faces[-1] is None


def test_a_turned_phone_and_a_restarted_clock_start_anew():
    tracker = FaceTracker(UPRIGHT, ScriptedDetector([face_at(600, 200)], [], [face_at(600, 200)], []))
    wide, tall = np.zeros((480, 640, 3), np.uint8), np.zeros((640, 480, 3), np.uint8)
    assert tracker.update(wide, 0.0) is not None
    assert tracker.update(tall, 0.03) is None
    assert tracker.update(wide, 0.06) is not None
    assert tracker.update(wide, 0.0) is None


@pytest.mark.parametrize(("x", "y"), [(0, 240), (640, 240), (320, 0), (320, 480), (0, 0)])
@pytest.mark.parametrize("spec", [SPEC, UPRIGHT])
def test_a_face_at_the_border_can_be_cut(x, y, spec):
    (face,) = follow([[face_at(x + 3, y + 15, tilt=7)]], spec=spec)
    if face is not None:
        assert crop(np.zeros((480, 640, 3), np.uint8), face.box, 112).shape == (112, 112, 3)


def test_a_real_face_half_outside_is_still_cut(stills, detector):
    first, _ = stills
    frame = np.full((480, 640, 3), 128, np.uint8)
    paste(frame, first[:, first.shape[1] // 4 :], 0, 20)
    face = FaceTracker(UPRIGHT, detector).update(frame, 0.0)
    assert face is not None and face.box.x < 30
    assert crop(frame, face.box, 112).shape == (112, 112, 3)


def test_many_faces():
    crowd = [face_at(40 + 60 * k, 100 + 80 * j, 40 + k) for k in range(10) for j in range(5)]
    faces = follow([crowd] * 5)
    assert all(center(f)[0] == pytest.approx(580 - 0.02 * 49, abs=1) for f in faces)


def test_smoothing_calms_a_resting_box_and_keeps_up_with_a_moving_one():
    rng = np.random.default_rng(0)
    resting = follow([[face_at(300 + rng.normal(0, 1), 200)] for _ in range(300)])
    jitter = np.std([center(f)[0] for f in resting[30:]])
    assert jitter < 0.45, f"jitter {jitter:.2f} px of 1 px"
    moving = follow([[face_at(100 + 4 * k, 200)] for k in range(100)])
    lag = 100 + 4 * 99 - 2 - center(moving[-1])[0]
    assert 0 <= lag < 0.15 * 126, f"lag {lag:.1f} px at 120 px/s"


def test_one_euro_follows_its_own_definition():
    filtered = OneEuroFilter(OneEuroSpec(min_cutoff=1.0, beta=0.0))
    filtered.push(0.0, np.array([0.0]))
    share = 1 / (1 + 1 / (2 * math.pi * 0.1))
    assert filtered.push(0.1, np.array([1.0]))[0] == pytest.approx(share)
    assert filtered.push(0.2, np.array([1.0]))[0] == pytest.approx(share + share * (1 - share))
    filtered.reset()
    assert filtered.push(0.3, np.array([5.0]))[0] == 5.0


@pytest.mark.parametrize("settings", [{"hold": 2.0}, {"reach": 0.0}, {"hold": -1.0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="reach must be positive and 0 <= hold <= forget"):
        TrackerSpec(**settings)
