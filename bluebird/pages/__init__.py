"""Pages that a browser opens from disk: one file each, with everything inside and nothing from the network."""

from bluebird.pages.page import Picture, Table, drawn, house_style, jpeg, json_block, policy, render

__all__ = ["Picture", "Table", "drawn", "house_style", "jpeg", "json_block", "policy", "render"]
