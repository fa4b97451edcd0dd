"""Markdown to Slack's markup, over markdown-it-py's tree of a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from . import formatting as f

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def render(markdown: str) -> str:
    """The text in Slack's markup."""
    return _blocks(SyntaxTreeNode(_PARSER.parse(markdown)).children)


def _blocks(nodes: Iterable[SyntaxTreeNode], between: str = "\n\n") -> str:
    return between.join(filter(None, (_block(node) for node in nodes)))


def _block(node: SyntaxTreeNode) -> str:
    render_one = _BLOCKS.get(node.type)
    return render_one(node) if render_one else f.escape(node.content)


def _heading(node: SyntaxTreeNode) -> str:
    # Its own bold would end the line's.
    return f.bold(_inline(node.children, bold=True))


def _code_block(node: SyntaxTreeNode) -> str:
    return f.code_block(node.content.removesuffix("\n"))


def _list(node: SyntaxTreeNode) -> str:
    items = [_blocks(item.children, between="\n") for item in node.children]
    if node.type == "bullet_list":
        return f.bullets(items)
    first = int(node.attrs.get("start", 1))
    numbered = (f"{number}. " for number in range(first, first + len(items)))
    return "\n".join(
        sign + item.replace("\n", "\n" + " " * len(sign)) for sign, item in zip(numbered, items, strict=True)
    )


def _table(node: SyntaxTreeNode) -> str:
    rows = [[_plain(cell) for cell in row.children] for part in node.children for row in part.children]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return f.code_block("\n".join(lines))


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": lambda node: _inline(node.children),
    "inline": lambda node: _inline([node]),
    "heading": _heading,
    "blockquote": lambda node: f.quote(_blocks(node.children)),
    "bullet_list": _list,
    "ordered_list": _list,
    "code_block": _code_block,
    "fence": _code_block,
    "hr": lambda node: "———",
    "table": _table,
}


# Within lines


def _inline(nodes: Iterable[SyntaxTreeNode], bold: bool = False) -> str:
    """Renders what is within lines; `bold`: all of it will be bold."""
    return "".join(_span(node, bold) for node in nodes)


def _span(node: SyntaxTreeNode, bold: bool) -> str:
    match node.type:
        case "text":
            return f.escape(node.content)
        case "softbreak" | "hardbreak":
            return "\n"
        case "strong":
            inside = _inline(node.children, bold=True)
            return inside if bold else f.bold(inside)
        case "em":
            return f.italic(_inline(node.children, bold))
        case "s":
            return f.strike(_inline(node.children, bold))
        case "code_inline":
            return f.code(node.content)
        case "link":
            return f.link(str(node.attrs["href"]), _plain(node))
        case "image":
            return f.link(str(node.attrs["src"]), node.content or str(node.attrs["src"]))
    return _inline(node.children, bold) if node.children else f.escape(node.content)


def _plain(node: SyntaxTreeNode) -> str:
    """A node's words: where nothing else can stand."""
    if node.children:
        return "".join(map(_plain, node.children))
    return " " if node.type == "softbreak" else node.content
