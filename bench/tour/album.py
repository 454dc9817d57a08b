"""The pictures of a tour: an index for programs, and one page on which to look at them side by side."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Tour</title><style>
body{font:14px/1.4 system-ui,sans-serif;margin:24px;background:#888}
section{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:0 0 28px}
h2{grid-column:1/-1;margin:0} figure{margin:0} img{width:100%;display:block} figcaption{font-size:12px}</style>
"""


def write_album(folder: Path, pictures: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Write `index.json` and `index.html` beside the pictures: a row a view, a column a variant."""
    index = json.dumps({**result, "pictures": pictures}, indent=1, ensure_ascii=False)
    (folder / "index.json").write_text(index + "\n", encoding="utf-8")
    views: dict[str, list[str]] = {}
    for picture in pictures:
        views.setdefault(picture["file"].split(".")[0], []).append(picture["file"])
    rows = [
        f"<section><h2>{escape(view)}</h2>"
        + "".join(
            f'<figure><a href="{escape(file)}"><img loading="lazy" src="{escape(file)}" alt="{escape(file)}"></a>'
            f"<figcaption>{escape(file)}</figcaption></figure>"
            for file in files
        )
        + "</section>"
        for view, files in sorted(views.items())
    ]
    (folder / "index.html").write_text(_HEAD + "\n".join(rows) + "\n", encoding="utf-8")
