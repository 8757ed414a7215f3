"""What is said of a file while it is read, such as that parts of it are damaged, passed on by the file's own name."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

from mmadfer.files.trouble import renamed


@contextlib.contextmanager
def warnings_about(path: str | os.PathLike[str], name: str, take: Callable[[str], object]) -> Iterator[None]:
    """Give each warning that the package logs meanwhile to ``take``, in one line.

    Args: path: the file that is read; name: as the user named it, to stand in the warnings in its place.
    """
    handler = _Handler(lambda text: take(renamed(text, path, name)))
    logger = logging.getLogger(__package__.partition(".")[0])
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, take: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(record.getMessage())
