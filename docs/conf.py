"""How `make docs` makes HTML of the repository's Markdown, and finds what is broken in it.

Sphinx reads every page that GitHub shows, and MyST checks the links: to pages, to files and to headings. A
broken one is a warning, and `make docs` takes warnings for errors. So is a page that docs/index.md does not
name: that page is the navigation, with its order and its headings.
"""

from __future__ import annotations

import re
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

INDEX = "docs/index"
START = '<!doctype html><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">botfleet</a>'

project = "botfleet"
copyright = "botfleet's authors, MIT licence"
extensions = ["myst_parser"]
root_doc = INDEX
include_patterns = ["*.md", "bench/*.md", "deploy/*.md", "docs/*.md"]
exclude_patterns = [".*", "site"]

# Headings are anchors, named as on GitHub, where the same pages are read.
myst_heading_anchors = 4

# Nothing in a page comes from another host: Furo brings its style, and fonts are the reader's own.
html_theme = "furo"
html_title = "botfleet"
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    # Conversations with a bot: plain text.
    app.add_lexer("chat", TextLexer)
    app.connect("source-read", add_navigation)
    app.connect("build-finished", add_start)


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Makes the navigation of the links in docs/index.md; a heading of the second level begins a part."""
    if page == INDEX:
        parts = re.split(r"^## (.+)$", source[0], flags=re.MULTILINE)[1:]
        for caption, text in zip(parts[::2], parts[1::2], strict=True):
            links = re.findall(r"^- \[(.*?)\]\((\S+)\.md\)", text, flags=re.MULTILINE)
            pages = [f"{title} <{target}>" for title, target in links]
            lines = ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]
            source[0] += "\n".join(lines)


def add_start(app: Sphinx, failure: Exception | None) -> None:
    """Puts a page into the folder itself that leads to the first one."""
    if failure is None:
        (Path(app.outdir) / "index.html").write_text(START.format(f"{INDEX}.html"))
