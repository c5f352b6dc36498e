"""A ranked search as what a person and other tools open: tables, MegaDetector's format, a folder, a page."""

from bluebird.search.results.collect import How, Outcome, collect
from bluebird.search.results.find import Failure, Find, Results
from bluebird.search.results.megadetector import write_megadetector
from bluebird.search.results.page import Thumbnails, write_page
from bluebird.search.results.tables import write_csv, write_failures, write_jsonl, write_parquet
from bluebird.search.results.thumbnails import thumbnails

__all__ = [
    "Failure",
    "Find",
    "How",
    "Outcome",
    "Results",
    "Thumbnails",
    "collect",
    "thumbnails",
    "write_csv",
    "write_failures",
    "write_jsonl",
    "write_megadetector",
    "write_page",
    "write_parquet",
]
