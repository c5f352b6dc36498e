"""Small pictures for the page, decoded anew, since the training's squares have lost their proportions."""

from __future__ import annotations

import io

from PIL import Image

from bluebird.errors import UnreadablePictureError
from bluebird.inspection.problem import Problem, name, printable, where
from bluebird.pages import Picture, jpeg
from bluebird.pixels.decode import read_file
from bluebird.pixels.layout import Listing
from bluebird.pixels.quick import shrink
from bluebird.pixels.thumbnail import thumbnail

SIDE_PX = 224
_GAP_PX = 8


def suspect(listing: Listing, problem: Problem) -> Picture:
    """A picture whose label is doubted, with that label and the better one."""
    given, better = printable(listing.samples[problem.row].label), printable(problem.suggestion)
    caption = f"{given}?\nrather {better}\n{name(listing, problem.row)}"
    return jpeg(_small(listing, problem.row), f"labelled {given}, looks like {better}", caption)


def pair(listing: Listing, problem: Problem) -> Picture:
    """A copy, and on its right what it is a copy of."""
    rows = problem.row, problem.row if problem.other is None else problem.other
    sides = [Image.open(io.BytesIO(_small(listing, row))) for row in rows]
    sheet = Image.new("RGB", (2 * SIDE_PX + _GAP_PX, max(side.height for side in sides)), "white")
    for number, side in enumerate(sides):
        room = number * (SIDE_PX + _GAP_PX)
        sheet.paste(side, (room + (SIDE_PX - side.width) // 2, (sheet.height - side.height) // 2))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=82)
    how = "same bytes" if problem.same_bytes else "near copy"
    left, right = (f"{name(listing, row)} ({printable(where(listing, row))})" for row in rows)
    return jpeg(out.getvalue(), f"two copies, side by side: {left} and {right}", f"{how}\nleft: {left}\nright: {right}")


def _small(listing: Listing, row: int) -> bytes:
    """A JPEG of at most `SIDE_PX`; grey where the file has gone in the meantime."""
    path = listing.samples[row].path
    try:
        shrunk = shrink(read_file(path), path, SIDE_PX)
    except UnreadablePictureError:
        out = io.BytesIO()
        Image.new("RGB", (SIDE_PX, SIDE_PX), "grey").save(out, "JPEG")
        return out.getvalue()
    return thumbnail(shrunk.pixels, shrunk.facts)
