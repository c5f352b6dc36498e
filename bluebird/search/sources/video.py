"""A video as a source: a picture every few seconds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources.disk import found_file, reason_of
from bluebird.search.sources.frames import Video
from bluebird.search.sources.handles import Handles

_HANDLES = Handles(Video.open, keep=1)  # a decoder keeps a dozen large frames


@dataclass(frozen=True, slots=True)
class VideoSource:
    """Frames of one video, as `name#t=12.0`; their size and time are those of the whole file.

    A video that is broken, cut short, or cannot be opened for want of PyAV is itself found, under `name`; to
    read it tells why.

    Args:
        path: the video.
        name: what results call it.
        every_seconds: from one frame to the next.
    """

    path: Path
    name: str
    every_seconds: float

    def __iter__(self) -> Iterator[Found]:
        video_file = found_file(self.path, self.name)
        try:
            with _failures(self.name), closing(Video.open(self.path)) as video:
                for time in video.times(self.every_seconds):
                    yield replace(video_file, name=f"{self.name}#t={time}")
        except UnreadablePictureError:
            yield video_file

    def read(self, name: str) -> bytes:
        """The frame as a BMP file, which loses nothing and every decoder takes."""
        with _failures(name):
            if name == self.name:
                with closing(Video.open(self.path)) as video:
                    list(video.times(every_seconds=60))
                raise LookupError("a video that opens again, whose frames are found by themselves in the next search")
            picture = _HANDLES.get(self.path).picture(float(name.removeprefix(f"{self.name}#t=")))
        file = io.BytesIO()
        picture.save(file, "BMP")
        return file.getvalue()


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """What goes wrong inside makes `name` unreadable."""
    try:
        import av
    except ImportError:
        raise UnreadablePictureError(name, "videos need PyAV; pip install 'bluebird[video]'") from None
    try:
        yield
    except LookupError as error:
        raise UnreadablePictureError(name, str(error.args[0])) from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadablePictureError(name, f"broken video: {reason_of(error)}") from None
