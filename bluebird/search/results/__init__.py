"""A ranked search as what a person and other tools open: tables, MegaDetector's format, a folder, a page."""

from bluebird.search.results.collect import How, Outcome, collect
from bluebird.search.results.find import Failure, Find, Results
from bluebird.search.results.megadetector import write_megadetector
from bluebird.search.results.page import Thumbnail, write_page
from bluebird.search.results.tables import write_csv, write_failures, write_jsonl, write_parquet

__all__ = [
    "Failure",
    "Find",
    "How",
    "Outcome",
    "Results",
    "Thumbnail",
    "collect",
    "write_csv",
    "write_failures",
    "write_jsonl",
    "write_megadetector",
    "write_page",
    "write_parquet",
]
