from __future__ import annotations

import html
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bluebird.report.markdown import escaped, fenced, one_line

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30) | st.text(alphabet="\\`*_[]()#!&<>|~$@:/;a1 -\n", max_size=30))
def test_any_text_comes_out_of_markdown_as_it_went_in(text: str) -> None:
    shown = one_line(text)
    assert html.unescape(MARKDOWN.render(f"so-{escaped(text)}-so")) == f"<p>so-{shown}-so</p>\n"
    table = MARKDOWN.render(f"| a |\n| --- |\n| {escaped(text)} |\n")
    assert html.unescape(re.findall("<td>(.*?)</td>", table)[0]) == shown


@given(st.lists(st.sampled_from(["```", "````", "~~~", "\n", " a", "\x1b"])).map("".join))
def test_nothing_ends_a_block_of_code_from_within(text: str) -> None:
    tokens = MARKDOWN.parse(f"{fenced(text, 'yaml')}\n\nafter")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content == text.replace("\x1b", r"\x1b") + "\n"
