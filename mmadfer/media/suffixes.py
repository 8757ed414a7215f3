"""What files are called that `mmadfer.media.media_file` reads: by these a folder's clips are told from its other files.

A file that is named itself is tried whatever it is called. Left out are suffixes that mostly mean something else, such
as .dat, .mod and .raw.
"""

from __future__ import annotations

from pathlib import PurePath

VIDEO_SUFFIXES = (
    # What cameras, phones, browsers and editors write.
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".mk3d", ".webm", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v",
    ".3gp", ".3gpp", ".3g2", ".3gpp2", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".m2p", ".vob", ".ts", ".mts",
    ".m2ts", ".m2t", ".tp", ".tod", ".ogv", ".ogm", ".mxf", ".dv", ".rm", ".rmvb", ".mj2", ".insv", ".lrv", ".dav",
    ".amv", ".wtv", ".nut",
    # Streams without a container, and uncompressed video.
    ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".ivf", ".obu", ".mjpeg", ".mjpg", ".y4m",
    # Moving pictures.
    ".gif", ".apng",
)  # fmt: skip
SOUND_SUFFIXES = (
    ".wav", ".wave", ".bwf", ".w64", ".rf64", ".flac", ".mp3", ".mp2", ".mpa", ".m2a", ".m4a", ".m4b", ".m4r", ".aac",
    ".adts", ".ac3", ".eac3", ".ec3", ".dts", ".thd", ".ogg", ".oga", ".ogx", ".opus", ".spx", ".wma", ".amr", ".awb",
    ".3ga", ".aif", ".aiff", ".aifc", ".caf", ".mka", ".weba", ".au", ".snd", ".ape", ".wv", ".tta", ".tak", ".mpc",
    ".voc", ".gsm", ".qcp", ".ra", ".dsf", ".sph", ".nist",
)  # fmt: skip
PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".avifs", ".heic", ".heif", ".hif", ".bmp",
    ".dib", ".tif", ".tiff", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
MEDIA_SUFFIXES = frozenset((*VIDEO_SUFFIXES, *SOUND_SUFFIXES, *PICTURE_SUFFIXES))


def is_media(path: PurePath) -> bool:
    """Return whether ``path`` is called like a video, a sound file or a picture."""
    return path.suffix.lower() in MEDIA_SUFFIXES
