from __future__ import annotations

import io
import itertools
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bluebird.errors import UnreadablePictureError
from bluebird.search.found import Found
from bluebird.search.sources import Source, open_source
from bluebird.search.sources.video import VideoSource

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'bluebird[video]'")

MakeVideo = Callable[..., Path]
RATE = 10  # frames per second


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a film whose frame k has the grey level 2 k: `make_video("a.mp4", frames=50)`."""

    def make(name: str, *, frames: int = 50, codec: str = "mpeg4", rotation: int = 0, corner: bool = False) -> Path:
        with av.open(tmp_path / name, "w") as file:
            stream = file.add_stream(codec, rate=RATE)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 32, "yuv420p", 12
            stream.bit_rate = 4_000_000  # or frames that differ little come out the same
            if rotation:
                stream.set_display_rotation(rotation)
            for number in range(frames):
                pixels = np.full((32, 64, 3), 2 * number, np.uint8)
                if corner:
                    pixels[:16, :16] = 255
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            file.mux(stream.encode())
        return tmp_path / name

    return make


def _source(path: Path, every_seconds: float = 1.0) -> VideoSource:
    return VideoSource(path, path.name, every_seconds)


def _pixels(source: Source, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(source.read(name))) as image:
        assert image.format == "BMP"
        return np.asarray(image)


def _decoded(path: Path) -> list[np.ndarray]:
    """All frames, decoded from the first to the last."""
    with av.open(path) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len({frame.tobytes() for frame in frames}) == len(frames)  # so none is taken for another
    return frames


def _times(names: Sequence[str]) -> list[str]:
    return [name.partition("#t=")[2] for name in names]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mov", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx"),
     ("a.m4v", "mpeg4"), ("a.mts", "mpeg2video"), ("b.mp4", "libx264")],
)  # fmt: skip
def test_frames_of_every_container_are_those_of_their_time(make_video: MakeVideo, name: str, codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = make_video(name, codec=codec)
    source = pickle.loads(pickle.dumps(_source(path, 0.5)))  # noqa: S301  # our own
    names = [found.name for found in source]
    assert _times(names) == ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]
    frames = _decoded(path)
    for order in (range(10), range(9, -1, -1), (7, 2, 8, 0)):
        for place in order:  # every fifth frame
            assert (_pixels(source, names[place]) == frames[5 * place]).all()


def test_frames_have_size_and_time_of_the_file(make_video: MakeVideo) -> None:
    path = make_video("a.mp4", frames=15)
    status = path.stat()
    assert list(_source(path)) == [Found(f"a.mp4#t={t}", status.st_size, status.st_mtime_ns) for t in (0.0, 1.0)]


@pytest.mark.parametrize(
    ("every_seconds", "expected"),
    [(0.3, ["0.0", "0.3", "0.6", "0.9"]), (1.0, ["0.0"]), (60.0, ["0.0"]), (1 / 3, ["0.0", "0.333", "0.667"])],
)
def test_times_end_before_the_film_does(make_video: MakeVideo, every_seconds: float, expected: list[str]) -> None:
    assert _times([found.name for found in _source(make_video("a.mp4", frames=10), every_seconds)]) == expected


def test_a_film_of_one_frame_has_that_frame(make_video: MakeVideo) -> None:
    source = _source(make_video("a.avi", frames=1))
    assert [found.name for found in source] == ["a.avi#t=0.0"]
    assert _pixels(source, "a.avi#t=0.0").shape == (32, 64, 3)


def test_between_two_frames_the_earlier_is_shown(make_video: MakeVideo) -> None:
    path = make_video("a.mp4")
    assert (_pixels(_source(path), "a.mp4#t=2.09") == _decoded(path)[20]).all()


# where the bright upper left corner goes when turned counterclockwise, as FFmpeg counts: (row, column)
@pytest.mark.parametrize(("rotation", "corner"), [(90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1)), (0, (0, 0))])
def test_a_film_from_a_turned_phone_is_turned_upright(
    make_video: MakeVideo, rotation: int, corner: tuple[int, int]
) -> None:
    pixels = _pixels(_source(make_video("a.mp4", frames=3, rotation=rotation, corner=True)), "a.mp4#t=0.0")
    assert pixels.shape == ((64, 32, 3) if abs(rotation) == 90 else (32, 64, 3))
    assert pixels[corner].min() > 200
    assert (pixels > 128).mean() == pytest.approx(1 / 8, abs=0.02)


@pytest.mark.parametrize("data", [b"", b"garbage" * 1000, b"\x00\x00\x00\x18ftypmp42" + bytes(100)])
def test_a_broken_film_is_one_file_with_its_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes
) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    source = _source(tmp_path / "a.mp4")
    assert [(found.name, found.size, found.skipped) for found in source] == [("a.mp4", len(data), "")]
    with pytest.raises(UnreadablePictureError, match="broken video: ") as caught:
        source.read("a.mp4")
    assert "\n" not in caught.value.reason
    assert capfd.readouterr() == ("", "")


def test_a_film_with_a_time_that_cannot_be_is_one_file_with_its_reason(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.mkv", "w") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        frames = [av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8), format="rgb24") for _ in range(4)]
        *packets, last = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
        last.pts = last.dts = 56 * 365 * 86400 * RATE  # as if it had begun in 1970
        file.mux([*packets, last])
    source = _source(tmp_path / "a.mkv")
    assert [found.name for found in itertools.islice(source, 3)] == ["a.mkv"]
    with pytest.raises(UnreadablePictureError, match="its times cannot be right: they say that it lasts 20,440 days"):
        source.read("a.mkv")


def test_sound_alone_has_no_pictures(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.mp4", "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    source = _source(tmp_path / "a.mp4")
    assert [found.name for found in source] == ["a.mp4"]
    with pytest.raises(UnreadablePictureError, match="no pictures, perhaps only sound"):
        source.read("a.mp4")


def _readable(source: Source, frames: list[np.ndarray]) -> int:
    """How many frames can be read, each of which is the right one."""
    count = 0
    for found in source:
        with suppress(UnreadablePictureError):
            pixels = _pixels(source, found.name)
            count += 1
            assert (pixels == frames[round(float(found.name.partition("#t=")[2]) * RATE)]).all()
    return count


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_of_a_film_cut_short_no_frame_is_made_up_or_hushed_up(make_video: MakeVideo, name: str) -> None:
    path = make_video(name, frames=100)
    frames, whole = _decoded(path), path.read_bytes()
    for share in (0.5, 0.6):
        path.write_bytes(whole[: int(share * len(whole))])
        source = _source(path)
        *times, whole_name = [found.name for found in source]
        assert 0 < _readable(source, frames) <= len(times) < 10
        assert whole_name == name
        with pytest.raises(UnreadablePictureError, match=r"broken video: cut short, \d\.\d of 10\.0 seconds are there"):
            source.read(name)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "mpeg4")])
def test_damage_in_a_film_is_no_crash(make_video: MakeVideo, name: str, codec: str) -> None:
    path = make_video(name, frames=100, codec=codec)
    data = bytearray(path.read_bytes())
    for place in range(300, len(data) - 6000, 700):
        data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    source = _source(path, 0.2)
    for found in source:
        with suppress(UnreadablePictureError):  # and nothing else
            assert _pixels(source, found.name).shape == (32, 64, 3)


def test_a_time_past_the_end_is_no_picture(make_video: MakeVideo) -> None:
    source = _source(make_video("a.mp4", frames=20))
    for time in ("60.0", "never"):
        with pytest.raises(UnreadablePictureError):
            source.read(f"a.mp4#t={time}")


def test_films_in_a_folder_give_their_frames(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("clip.mp4", frames=25)
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "z.jpg").write_bytes(b"z")
    source = open_source(str(tmp_path), every_seconds=2)
    names = [found.name for found in source]
    assert names == ["a.jpg", "clip.mp4#t=0.0", "clip.mp4#t=2.0", "z.jpg"]
    assert (_pixels(source, "clip.mp4#t=2.0") == _decoded(tmp_path / "clip.mp4")[20]).all()
    with pytest.raises(UnreadablePictureError, match="whose frames are found by themselves"):
        source.read("clip.mp4")


def test_a_film_may_have_a_name_of_any_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    try:
        make_video("a.mp4", frames=5).rename(path)
    except OSError:
        pytest.skip("this disk takes UTF-8 only")
    source = _source(path)
    assert _pixels(source, next(iter(source)).name).shape == (32, 64, 3)
