"""What a source is, and what it feeds."""

from __future__ import annotations

from typing import Protocol

from mmadfer.stream.intake import Intake


class Sink(Protocol):
    """What a source feeds: `mmadfer.stream.live.LiveStream`, or what passes on to one."""

    @property
    def intake(self) -> Intake:
        """Takes frames and sound."""
        ...

    def set_source_state(self, **state: str) -> None:
        """Learn how "camera" and "microphone" are: words for what is missing, "" where all is well."""
        ...


class Source(Protocol):
    """Something that feeds one stream."""

    def start(self, sink: Sink) -> None:
        """Feed ``sink``, on threads of its own, until closed."""

    def close(self) -> None:
        """Stop feeding."""
