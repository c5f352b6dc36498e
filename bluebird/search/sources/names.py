"""What sources say of names: which are hidden, and which are opened as archives or videos."""

from __future__ import annotations

HIDDEN = "hidden file"

UNLISTED = "a folder that cannot be listed"
"""How the reason begins for a folder, found under its name with a slash, whose files are not known this time."""

_KINDS = dict.fromkeys((".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz"), "archive")
_KINDS |= dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts"), "video")
_COMPRESSED_TARS = (".tar.gz", ".tar.bz2", ".tar.xz")


def kind_of(name: str) -> str:
    """`archive`, `video`, or empty for everything else, by the ending alone."""
    low = name.lower()
    if kind := _KINDS.get(low[low.rfind(".") :]):
        return kind
    return "archive" if low.endswith(_COMPRESSED_TARS) else ""
