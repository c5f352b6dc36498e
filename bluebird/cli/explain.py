"""`bluebird explain`: where a trained model looked, picture by picture, on a page and as files."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from tqdm import tqdm

from bluebird.bundle import Bundle, load_model
from bluebird.cli.choose import choose_device, choose_target
from bluebird.cli.explain_files import SIGN, files_of, panels_of
from bluebird.cli.mute import mute_c_libraries
from bluebird.engines.engine import Engine
from bluebird.engines.opened import open_engine
from bluebird.errors import DataError, UnreadablePictureError
from bluebird.files import write_whole
from bluebird.pages import Picture, Table, jpeg, render
from bluebird.pixels.decode import decode
from bluebird.pixels.squeeze import squeeze
from bluebird.pixels.thumbnail import encoded
from bluebird.report.why import CAUTION, COLOURS, METHODS, explained, legend
from bluebird.search.names import printable

_PAGE = "explain.html"
_HANDFUL = 16
_TOP = 3
_PANEL_PX = 224  # least side of a square in a PNG file


@dataclass(frozen=True, slots=True)
class _Card:
    """One picture on the page."""

    name: str
    folder: str
    pictures: Sequence[Picture]
    table: Table


def run(options: Namespace) -> int:
    """Load, look, write, say where it lies."""
    model = load_model(options.model)
    asked = _asked(model.classes, options.classes)
    device = choose_device(options.device, "torch")
    files, notes = files_of(options.pictures, options.limit, options.out)
    panels = panels_of(files, options.out)
    engine, _ = open_engine(model, options.model, "torch", device)
    model.network.to(device)
    explainer = _Explainer(model, engine, asked)
    with mute_c_libraries():
        cards = explainer.cards(panels)
    _write_page(options, explainer, cards, notes)
    _report(options, explainer, notes)
    return 3 if explainer.failures else 0


class _Explainer:
    """Goes through pictures; afterwards `method` and `failures` say how, and what could not be read."""

    def __init__(self, model: Bundle, engine: Engine, asked: Sequence[str]) -> None:
        self.asked, self.method = asked, ""
        self.failures: list[UnreadablePictureError] = []
        self._model, self._engine = model, engine
        self._numbers = [model.classes.index(name) for name in asked]

    def cards(self, panels: dict[Path, Path]) -> list[_Card]:
        """Of each picture that can be read, whose panel is written to the path that `panels` gives."""
        cards: list[_Card] = []
        paths = list(panels)
        with tqdm(total=len(paths), desc="explaining", unit=" pictures", disable=None, leave=False) as bar:
            for start in range(0, len(paths), _HANDFUL):
                squares = dict(self._read(paths[start : start + _HANDFUL]))
                cards += self._explain(squares, panels) if squares else []
                bar.update(min(_HANDFUL, len(paths) - start))
        if not cards:
            raise DataError(f"no picture that can be read; {self.failures[0]}")
        return cards

    def _read(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Tensor]]:
        for path in paths:
            try:
                yield path, squeeze(decode(path), self._model.preprocessing.image_size)
            except UnreadablePictureError as error:
                self.failures.append(error)

    def _explain(self, squares: dict[Path, Tensor], panels: dict[Path, Path]) -> Iterator[_Card]:
        pixels = torch.stack(list(squares.values()))
        probs = self._engine.ask(pixels).probs  # (N, K)
        first = probs.argmax(1, keepdim=True)
        classes = torch.tensor(self._numbers).expand(len(pixels), -1) if self.asked else first  # (N, C)
        each = pixels.repeat_interleave(classes.shape[1], 0)
        overlays, self.method = explained(self._model, each, classes.flatten())
        overlays = overlays.view(*classes.shape, *pixels.shape[1:])  # (N, C, 3, S, S)
        for row, path in enumerate(squares):
            write_whole(panels[path], _panel([pixels[row], *overlays[row]]))
            yield self._card(path, pixels[row], overlays[row], classes[row].tolist(), probs[row])

    def _card(self, path: Path, pixels: Tensor, overlays: Tensor, classes: Sequence[int], probs: Tensor) -> _Card:
        name = printable(path.name)
        pictures = [jpeg(encoded(pixels), f"{name}, as the network sees it", f"seen at {pixels.shape[-1]} px")]
        for number, laid in zip(classes, overlays, strict=True):
            label = self._model.classes[number]
            alt = f"Where the network looked in {name} for {label}"
            pictures.append(jpeg(encoded(laid), alt, f"{label}, {float(probs[number]):.1%}"))
        best, numbers = probs.topk(min(_TOP, len(probs)))
        likeliest = zip(numbers.tolist(), best.tolist(), strict=True)
        rows = [(self._model.classes[number], f"{prob:.1%}") for number, prob in likeliest]
        return _Card(name, printable(str(path.parent)), pictures, Table(("likeliest", "probability"), rows))


def _asked(classes: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The classes that are asked for; none where each picture's first is meant."""
    return choose_target(classes, wanted, "--class") if wanted else []


def _panel(squares: Sequence[Tensor]) -> bytes:
    """Squares uint8 (3, S, S) side by side as a PNG file, each pixel enlarged by a whole number."""
    scale = -(-_PANEL_PX // squares[0].shape[-1])
    wide = torch.cat(list(squares), 2).repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    file, info = io.BytesIO(), PngInfo()
    info.add_text("Software", SIGN)
    Image.fromarray(wide.permute(1, 2, 0).numpy()).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _write_page(options: Namespace, explainer: _Explainer, cards: Sequence[_Card], notes: Sequence[str]) -> None:
    failures = [(printable(str(error.path)), printable(error.reason)) for error in explainer.failures]
    count = f"{len(cards):,} pictures" if len(cards) > 1 else "One picture"
    asked = " and ".join(explainer.asked) or "the class it names first"
    page = render(
        "explain",
        title="Why does it think so?",
        lead=f"{count}, and where the network looked for {asked}.",
        method=METHODS[explainer.method],
        colours=COLOURS,
        caution=CAUTION,
        legend=jpeg(encoded(legend()), "colours from grey by violet and orange to yellow"),
        notes=[printable(note) for note in notes],
        cards=cards,
        failures=failures and Table(("file", "reason"), failures),
        model=printable(str(options.model)),
    )
    write_whole(options.out / _PAGE, page.encode(errors="backslashreplace"))


def _report(options: Namespace, explainer: _Explainer, notes: Sequence[str]) -> None:
    for note in notes:
        print(f"pictures     {note}")
    for error in explainer.failures:
        print(f"unreadable   {error}")
    print(f"method       {explainer.method}")
    print(f"look         {options.out / _PAGE}\neach         {options.out / 'NAME.png'}")
