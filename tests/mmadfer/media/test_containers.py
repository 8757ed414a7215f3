"""The usual clip in every container and codec that ffmpeg writes here, against its maker and against ffmpeg."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.support.made_files import FPS, ffmpeg, picture
from tests.support.media_cases import COUNT, Case, Workshop, paced
from tests.support.media_judge import check

H264 = "-c:v libx264 -pix_fmt yuv420p"
BOTH = (
    (".mp4", f"{H264} -c:a aac"),
    (".mp4", f"{H264} -movflags faststart -c:a libmp3lame"),
    (".mp4", f"{H264} -bf 0 -movflags frag_keyframe+empty_moov -c:a aac"),
    (".mp4", "-c:v libx265 -tag:v hvc1 -pix_fmt yuv420p -c:a alac"),
    (".mp4", "-c:v libaom-av1 -cpu-used 8 -c:a libopus"),
    (".mp4", "-c:v libvpx-vp9 -c:a flac -strict -2"),
    (".m4v", "-c:v mpeg4 -q:v 2 -c:a aac"),
    (".mov", f"{H264} -c:a pcm_s16le"),
    (".mov", "-c:v prores_ks -c:a pcm_s24le"),
    (".mov", "-c:v qtrle -c:a adpcm_ima_qt"),
    (".mov", "-c:v png -c:a pcm_f64le"),
    (".mov", "-c:v mjpeg -q:v 2 -c:a pcm_mulaw"),
    (".mov", "-c:v dnxhd -profile:v dnxhr_lb -s 256x128 -pix_fmt yuv422p -c:a pcm_alaw"),
    (".mkv", f"{H264} -c:a libopus"),
    (".mkv", "-c:v libx265 -pix_fmt yuv420p -c:a eac3"),
    (".mkv", "-c:v libaom-av1 -cpu-used 8 -c:a flac"),
    (".mkv", "-c:v prores -c:a pcm_f32le"),
    (".mkv", "-c:v snow -strict -2 -c:a tta"),
    (".mkv", "-c:v utvideo -c:a wavpack"),
    (".mkv", "-c:v ffv1 -pix_fmt yuv444p10le -c:a ac3"),
    (".webm", "-c:v libvpx -c:a libvorbis"),
    (".webm", "-c:v libvpx-vp9 -c:a libopus"),
    (".avi", "-c:v mpeg4 -q:v 2 -c:a libmp3lame"),
    (".avi", "-c:v msmpeg4 -q:v 2 -g 1 -c:a adpcm_ms"),
    (".avi", "-c:v cinepak -c:a pcm_u8"),
    (".avi", "-c:v huffyuv -c:a pcm_s16le"),
    (".avi", "-c:v mjpeg -q:v 2 -c:a pcm_s16le"),
    (".avi", "-c:v zmbv -c:a ac3"),
    (".wmv", "-c:v wmv2 -q:v 2 -c:a wmav2"),
    (".asf", "-c:v msmpeg4 -q:v 2 -g 1 -c:a wmav1"),
    (".flv", "-c:v flv -q:v 2 -ar 44100 -c:a libmp3lame"),
    (".flv", f"{H264} -c:a aac"),
    (".f4v", f"{H264} -c:a aac"),
    (".ts", f"{H264} -c:a aac"),
    (".ts", "-c:v mpeg2video -q:v 2 -c:a mp2"),
    (".m2ts", "-c:v libx265 -pix_fmt yuv420p -c:a ac3"),
    (".mpg", "-c:v mpeg1video -q:v 2 -c:a mp2"),
    (".vob", "-c:v mpeg2video -q:v 2 -c:a ac3"),
    (".ogv", "-c:v libtheora -q:v 9 -c:a libvorbis"),
    (".ogg", "-c:v libtheora -q:v 9 -c:a flac"),
    (".mxf", "-c:v mpeg2video -q:v 2 -c:a pcm_s16le"),
    (".3gp", "-c:v mpeg4 -q:v 2 -c:a aac"),
    (".3gp", "-c:v h263 -q:v 2 -s 176x144 -c:a aac"),
    (".rm", "-c:v rv10 -q:v 2 -s 176x144 -c:a ac3"),
    (".nut", "-c:v ffv1 -c:a flac"),
    (".wtv", "-c:v mpeg2video -q:v 2 -c:a mp2"),
    (".swf", "-c:v flv -q:v 2 -ar 44100 -c:a libmp3lame"),
    (".dv", "-s 720x576 -pix_fmt yuv420p -c:v dvvideo -c:a pcm_s16le"),
)
LATE_BY_DELAY = (
    (".avi", f"{H264} -c:a libmp3lame", 0.08),
    (".avi", "-c:v mpeg4 -q:v 2 -bf 2 -c:a libmp3lame", 0.04),
)
"""AVI knows when a picture is decoded, not when it is shown: ffmpeg shows all late by the codec's delay, s."""
PICTURES_ALONE = (
    (".y4m", "-pix_fmt yuv420p"),
    (".ivf", "-c:v libvpx"),
    (".h264", H264),
    (".h264", f"{H264} -bf 0"),
    (".hevc", "-c:v libx265 -pix_fmt yuv420p"),
    (".m4v", "-c:v mpeg4 -q:v 2 -f m4v"),
    (".m2v", "-c:v mpeg2video -q:v 2 -bf 2"),
    (".m1v", "-c:v mpeg1video -q:v 2"),
    (".mjpeg", "-c:v mjpeg -q:v 2"),
    (".obu", "-c:v libaom-av1 -cpu-used 8"),
)
NO_RATE = (".mjpeg", ".obu", ".m1v")
"""Streams that do not tell their rate, or only some rates."""
COLOURS = (
    "-pix_fmt yuv420p -colorspace bt709 -vf scale=out_color_matrix=bt709",
    "-pix_fmt yuvj420p",
    "-pix_fmt yuv420p -color_range pc -vf scale=out_range=pc",
    "-pix_fmt yuv444p",
    "-pix_fmt yuv420p10le",
    "-pix_fmt yuv422p",
)
MOST_LATE = 0.055
"""Codecs put up to so much before the sound, s."""


def both(number: int, suffix: str, arguments: str, late: float = 0.0) -> Case:
    return Case(
        f"{number:02d}-{arguments.split()[1]}{suffix}",
        lambda shop, path: shop.encode(path, arguments),
        numbers=range(COUNT),
        in_step=0.5,
        slack=MOST_LATE + late,
    )


def alone(number: int, suffix: str, arguments: str, fps: float) -> Case:
    def make(shop: Workshop, path: Path) -> None:
        ffmpeg("-i", shop.pictures(fps=fps), *arguments.split(), path)

    return Case(
        f"alone-{number:02d}-{fps:g}{suffix}",
        make,
        numbers=range(COUNT),
        times=paced(fps=fps),
        onsets=(),
        seconds=COUNT / fps,
        ffmpeg=suffix not in (".m1v", ".m2v"),  # ffprobe counts their delay
    )


def coloured(number: int, arguments: str) -> Case:
    def make(_: Workshop, path: Path) -> None:
        raw = b"".join(picture(k).tobytes() for k in range(3))
        given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-r", str(FPS), "-i", "-")
        ffmpeg(*given, "-c:v", "libx264", "-crf", "5", *arguments.split(), path, data=raw)

    return Case(f"colours-{number}.mp4", make, numbers=range(3), times=paced(3))


CASES = (
    *(both(number, *row) for number, row in enumerate(BOTH)),
    *(both(80 + number, *row) for number, row in enumerate(LATE_BY_DELAY)),
    *(
        alone(number, suffix, arguments, fps)
        for number, (suffix, arguments) in enumerate(PICTURES_ALONE)
        for fps in ((25,) if suffix in NO_RATE else (24, 25, 30, 60))
    ),
    *(coloured(number, arguments) for number, arguments in enumerate(COLOURS)),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pictures_times_and_sound_are_those_that_were_put_in(case, workshop, tmp_path):
    check(case, workshop, tmp_path)
