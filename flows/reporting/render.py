"""Rendering of reports, as Markdown for Prefect's UI and as one HTML file. All text is escaped here."""

import base64
import html
import re
from collections.abc import Sequence

from flows.reporting.document import Code, Heading, Image, Part, Table, Text

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f4f6f8; --ink: #1f2328; --back: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #1b2028; --ink: #e6edf3; --back: #0d1117; } }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--ink); background: var(--back);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-top: 2rem; }
h1, p, pre, td { overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { background: var(--soft); vertical-align: bottom; } .left { text-align: left; }
td:not(.left) { white-space: nowrap; } td.left { min-width: 5rem; }
pre { padding: 0.75rem; background: var(--soft); border-radius: 6px; white-space: pre-wrap; }
"""
_SECURITY_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_markdown(parts: Sequence[Part]) -> str:
    """Return the report in GitHub's dialect of Markdown, with images as data URIs, as Prefect's UI shows them."""
    return "\n\n".join(_markdown(part) for part in parts)


def _markdown(part: Part) -> str:
    match part:
        case Heading(level, text):
            return f"{'#' * level} {_escaped(text)}"
        case Text(text, label):
            return f"**{_escaped(label)}:** {_escaped(text)}" if label else _paragraph(text)
        case Table(names, rows, left):
            alignments = (":---" if name in left else "---:" for name in names)
            head, *body = (f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in (names, *rows))
            return "\n".join([head, f"|{'|'.join(alignments)}|", *body])
        case Image(text, png):
            return f"![{_escaped(text)}]({_data_uri(png)})"
        case Code(text):
            # The fence has to be longer than any run of backticks in the text.
            fence = "`" * max([2, *(len(run) for run in re.findall("`+", text))]) + "`"
            return f"{fence}\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """Escape a text so that no part of it becomes markup, HTML or a link."""
    line = re.sub(r"([\\`*_\[\]<>&|~!#@$])", r"\\\1", " ".join(text.splitlines()))
    return re.sub(r"(?i)(:|www)(//|\.)", r"\1\\\2", line)


def _paragraph(text: str) -> str:
    """Escape a text at the beginning of a line, so that it becomes no list and no rule either."""
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _escaped(text).lstrip())


def as_html(parts: Sequence[Part]) -> str:
    """Return the report as one HTML file with style and images inside, without scripts or anything to fetch."""
    title = next((part.text for part in parts if isinstance(part, Heading)), "")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_SECURITY_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(_html(part) for part in parts)
        + "\n</body>\n</html>\n"
    )


def _html(part: Part) -> str:
    match part:
        case Heading(level, text):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Text(text, label):
            bold = f"<strong>{html.escape(label)}:</strong> " if label else ""
            return f"<p>{bold}{html.escape(text)}</p>"
        case Table(names, rows, left):
            classes = [' class="left"' if name in left else "" for name in names]
            lines = [_row("th", names, classes), *(_row("td", row, classes) for row in rows)]
            return f'<div class="wide"><table>\n{chr(10).join(lines)}\n</table></div>'
        case Image(text, png):
            return f'<p><img alt="{html.escape(text)}" src="{_data_uri(png)}"></p>'
        case Code(text):
            return f"<pre>{html.escape(text)}</pre>"


def _row(tag: str, cells: Sequence[str], classes: Sequence[str]) -> str:
    elements = (f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for cell, kind in zip(cells, classes, strict=True))
    return f"<tr>{''.join(elements)}</tr>"


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
