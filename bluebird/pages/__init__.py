"""Pages that a browser opens from disk: one file each, with everything inside and nothing from the network."""

from bluebird.pages.page import Picture, Table, block_hash, drawn, house_style, jpeg, json_block, render

__all__ = ["Picture", "Table", "block_hash", "drawn", "house_style", "jpeg", "json_block", "render"]
