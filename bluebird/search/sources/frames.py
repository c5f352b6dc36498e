"""An open video: which moments it has, and the picture that is shown at one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_FORWARD_SECONDS = 5.0  # up to here decoding goes on; seeking would start at a key frame, mostly before that
_TOLERANCE_SECONDS = 1.0  # by which a container may be wrong about its length
_LONGEST_SECONDS = 30 * 86400.0  # of one file; beyond, a time in it is wrong
_HALF_A_NAME = 0.0005  # names have milliseconds


class Video:
    """A video, from which pictures are taken by their time; cheapest in order.

    Raises:
        av.FFmpegError, OSError, ValueError, LookupError: in every method, where the file is broken.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self._path = path
        self._container = container
        self._stream = container.streams.video[0]
        self._start = self._seconds(self._stream.start_time or 0)
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._shown: av.VideoFrame | None = None
        self._next: av.VideoFrame | None = None
        self._damages: list[float] = []

    @classmethod
    def open(cls, path: Path) -> Video:
        return cls(path, _open(path))

    def close(self) -> None:
        self._container.close()

    def times(self, every_seconds: float) -> Iterator[float]:
        """0, `every_seconds`, twice that ... in seconds before the end, rounded to milliseconds.

        Raises:
            ValueError: before the first, where it would last for more than a month; after the last, where the file
                ends before the video does. A transport stream (`.mts`) does not say how long it is, so there it is
                not seen.
        """
        end, promised = self._ends()
        if end > _LONGEST_SECONDS:
            raise ValueError(f"its times cannot be right: they say that it lasts {end / 86400:,.0f} days")
        number = 0
        while number == 0 or number * every_seconds < end - _HALF_A_NAME:
            yield round(float(number * every_seconds), 3)
            number += 1
        if promised > end + _TOLERANCE_SECONDS:
            raise ValueError(f"cut short, {end:.1f} of {promised:.1f} seconds are there")

    def picture(self, seconds: float) -> Image.Image:
        """What is on the screen `seconds` after the start, upright, RGB."""
        frame = self._frame(self._start + seconds + _HALF_A_NAME)
        picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
        return picture.rotate(frame.rotation, expand=True)  # both count counterclockwise

    def _ends(self) -> tuple[float, float]:
        """Seconds from the start to the end of the last picture in the file, and to where it should be."""
        length = self._container.duration or 0  # in microseconds, of the longest stream
        with suppress(OSError):  # or it is gone through from the start
            self._container.seek((self._container.start_time or 0) + length)
        pictures = others = 0.0
        for packet in self._container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._start
            if packet.stream_index == self._stream.index:
                pictures = max(pictures, end)
            else:
                others = max(others, end)
        promised = self._promised()
        if not promised and length / 1e6 > others + _TOLERANCE_SECONDS:
            promised = length / 1e6
        return pictures, promised

    def _promised(self) -> float:
        """The length of the pictures by the words of the container, in seconds; 0 where it only tells that of all."""
        stream = self._stream
        by_number = stream.frames / stream.average_rate if stream.average_rate else 0
        return max(self._seconds(stream.duration or 0), float(by_number))

    def _frame(self, moment: float) -> av.VideoFrame:
        if self._shown is None or not 0 <= moment - self._time(self._shown) <= _FORWARD_SECONDS:
            self._seek(moment)
        while self._next is not None and self._time(self._next) <= moment:
            self._shown, self._next = self._next, next(self._frames, None)
        frame = self._shown or self._next  # the first may be shown a little late
        if frame is None or (self._next is None and moment > self._until(frame)):
            raise LookupError("the video ends before")
        if frame.is_corrupt or any(self._time(frame) < damage <= moment for damage in self._damages):
            raise ValueError("the picture at this time is damaged")
        return frame

    def _seek(self, moment: float) -> None:
        """To the key frame before; to the very first frame where there is no way to go by time."""
        try:
            self._container.seek(int(moment / (self._stream.time_base or 1)), stream=self._stream)
            self._begin()
        except OSError:
            self._next = None
        if self._next is None or self._time(self._next) > moment:
            self._container.close()
            self._container = _open(self._path)
            self._stream = self._container.streams.video[0]
            self._begin()

    def _begin(self) -> None:
        self._shown, self._damages = None, []
        self._frames = self._decode()
        self._next = next(self._frames, None)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """The frames that can be decoded; `_damages` has the times of those that cannot."""
        for packet in self._container.demux(self._stream):
            try:
                if packet.is_corrupt:
                    raise ValueError("cut short")
                yield from packet.decode()
            except ValueError:  # which is also what PyAV makes of invalid data
                self._damages.append(self._seconds(packet.pts or 0))

    def _until(self, frame: av.VideoFrame) -> float:
        by_rate = 1 / float(self._stream.average_rate) if self._stream.average_rate else 0.0
        return self._time(frame) + max(self._seconds(frame.duration or 0), by_rate) + _HALF_A_NAME

    def _time(self, frame: av.VideoFrame) -> float:
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            raise ValueError("its frames do not tell their time")
        return self._seconds(pts)

    def _seconds(self, ticks: int) -> float:
        return float(ticks * (self._stream.time_base or 1))


def _open(path: Path) -> InputContainer:
    import av

    container = av.open(path)
    if not container.streams.video:
        container.close()
        raise LookupError("it has no pictures, perhaps only sound")
    return container
