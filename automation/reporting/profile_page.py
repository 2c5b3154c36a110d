"""The profile report as one self-contained HTML page, with bars drawn as SVG."""

from __future__ import annotations

from html import escape

from automation.reporting.profile_report import Distribution, ProfileReport
from automation.types.plural import format_count

_ROW, _LABEL, _BAR = 22, 190, 460
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2433}"
    "h1{font-size:1.5rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}svg{width:100%;height:auto}"
    "text{font:13px system-ui,sans-serif;fill:#1d2433}rect{fill:#3566a8}p{margin:.2rem 0;color:#5a6275}"
)


def profile_page(found: ProfileReport, shop: str, as_of: str) -> str:
    """The whole page. shop: its name; as_of: the report's instant as the shop writes it."""
    title = f"Customer profiles of {escape(shop)}"
    customers = f"{format_count(found.customers, 'customer')}, {found.outliers:,} of them outliers"
    summary = f"{customers}; as of {as_of}"
    parts = "\n".join(_section(one) for one in found.distributions)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1><p>{summary}</p>\n{parts}\n</body></html>\n"
    )


def _section(one: Distribution) -> str:
    note = f"<p>{escape(one.note)}</p>" if one.note else ""
    return f"<section><h2>{escape(one.title)}</h2>{_chart(one)}{note}</section>"


def _chart(one: Distribution) -> str:
    most = max((customers for _, customers in one.bars), default=0) or 1
    height, width = _ROW * len(one.bars), _LABEL + _BAR + 90
    rows = []
    for n, (label, customers) in enumerate(one.bars):
        length, middle = round(_BAR * customers / most, 1), n * _ROW + 15
        rows.append(
            f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LABEL}" y="{n * _ROW + 3}" width="{length}" height="{_ROW - 6}" rx="2"/>'
            f'<text x="{_LABEL + length + 6}" y="{middle}">{customers:,}</text>'
        )
    name = escape(one.title, quote=True)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}">{"".join(rows)}</svg>'
