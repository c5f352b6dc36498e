"""Labelled pictures looked at before anyone trains: what cannot be read, copies, probable label errors, and what to
mend first."""

from bluebird.inspection.inspect import Inspection, inspect
from bluebird.inspection.labels import Judge
from bluebird.inspection.page import write_page
from bluebird.inspection.tables import write_csv, write_json

__all__ = ["Inspection", "Judge", "inspect", "write_csv", "write_json", "write_page"]
