"""What a name tells: whether a system put the file there, and whether it is opened as an archive or a video."""

from __future__ import annotations

LITTER = frozenset({"thumbs.db", "desktop.ini", ".ds_store", "__macosx"})
"""Names, in small letters, of what Windows and macOS leave in every folder."""

HIDDEN = "hidden file"

_KINDS = dict.fromkeys((".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz"), "archive")
_KINDS |= dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts"), "video")
_COMPRESSED_TARS = (".tar.gz", ".tar.bz2", ".tar.xz")


def is_hidden(name: str) -> bool:
    """Whether one name, without folders, starts with a dot or is a system's own litter."""
    return name[:1] == "." or name.lower() in LITTER


def passes_hidden(path: str) -> bool:
    """Whether any part of a path with forward slashes is hidden; `.` and `..` are not."""
    return any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))


def kind_of(name: str) -> str:
    """`archive`, `video`, or empty for everything else, by the ending alone."""
    low = name.lower()
    if kind := _KINDS.get(low[low.rfind(".") :]):
        return kind
    return "archive" if low.endswith(_COMPRESSED_TARS) else ""
