"""Of a search, the pictures that a person looks at to tell how many finds there are in all."""

from bluebird.search.sample.labels import Looked, Row, look, read_labels, refuse_labelled, write_table
from bluebird.search.sample.page import write_page
from bluebird.search.sample.plan import Plan, read_plan, write_plan
from bluebird.search.sample.scored import Scored, read_paths, read_scored

__all__ = [
    "Looked",
    "Plan",
    "Row",
    "Scored",
    "look",
    "read_labels",
    "read_paths",
    "read_plan",
    "read_scored",
    "refuse_labelled",
    "write_page",
    "write_plan",
    "write_table",
]
