"""HTML pages: one stylesheet, no script, and a policy that lets nothing else in.

Reads ``templates/``. There is one environment, and it escapes: whatever a template puts between ``{{ }}`` is
escaped, and what is invisible in it is shown (``visible``). A misspelt name is an error, not an empty place.
"""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from plumbline.trace import show
from plumbline.trace.facts import facts
from plumbline.units import parse_time


def _shown(value: object) -> object:
    if value is None:
        return ""
    return value if isinstance(value, Markup) else show.visible(str(value))


def _lines(text: str) -> Markup:
    """Return text from others that may have several lines."""
    return escape(show.visible(text, lines=True))


_environment = Environment(
    loader=PackageLoader("plumbline"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "counted": show.show_count,
    "epoch": parse_time,
    "facts": facts,
    "json": show.show_json,
    "lines": _lines,
    "number": show.show_number,
    "offset": show.show_offset,
    "quote": lambda text: quote(text, safe=""),
    "seconds": show.show_seconds,
    "share": show.show_share,
    "tree": show.as_tree,
    "value": show.show_value,
}
_STYLE = _environment.get_template("style.css").render()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The same address answers JSON; and what is known grows.
    "Vary": "Accept",
    "Cache-Control": "no-store",
}


def render(template: str, **data: object) -> str:
    """Return a page made of a template in ``templates/``."""
    return _environment.get_template(template).render(data)


def rooted(page: str, root: str) -> str:
    """Return a page with a path before all its links.

    Nothing but a link of a template is found: the quotes of what it shows are escaped.
    """
    return page.replace('href="/', f'href="{escape(root)}/')
