"""A rendered message as one HTML page, to look at in a browser."""

from __future__ import annotations

from html import escape

from automation.messages.render import Body

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 24px; background: #e9e6e0; color: #222; font: 16px/1.5 system-ui, sans-serif; }}
main {{ max-width: 1100px; margin: 0 auto; }}
h1 {{ margin: 0; font-size: 20px; }}
h2 {{ margin: 24px 0 8px; font-size: 14px; color: #555; font-weight: 600; }}
p {{ margin: 4px 0 0; color: #555; }}
iframe {{ width: 100%; height: 900px; border: 1px solid #ccc; background: #fff; }}
pre {{ margin: 0; padding: 16px; border: 1px solid #ccc; background: #fff; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{subject}</h1>
<p>{preheader}</p>
{html}{text}</main>
</body>
</html>
"""


def preview(body: Body) -> str:
    """Subject, preheader, HTML and text version on one page.

    The message is in a sandboxed frame (no scripts, no forms), because it contains product data and names.
    """
    frame = f'<iframe sandbox title="HTML version" srcdoc="{escape(body.html)}"></iframe>\n'
    return _PAGE.format(
        language=escape(body.language or "en"),
        title=escape(body.subject or "Preview"),
        subject=escape(body.subject),
        preheader=escape(body.preheader),
        html=f"<h2>HTML version</h2>\n{frame}" if body.html else "",
        text=f"<h2>Text version</h2>\n<pre>{escape(body.text)}</pre>\n" if body.text else "",
    )
