"""The OpenAPI document as a page for people: plain HTML, without a script, and nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any, Final

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { overflow: auto; padding: .75rem; border: 1px solid #8884 }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 }
section { border-top: 1px solid #8884; margin-top: 2rem } summary { cursor: pointer }
"""  # noqa: E501  # a style sheet
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page's Content-Security-Policy: its one style sheet, and nothing else."""


def page(document: dict[str, Any]) -> str:
    """Return the page."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    contents = "".join(
        f'<li><a href="#{_attribute(each["operationId"])}"><code>{method} {escape(path)}</code></a></li>'
        for method, path, each in operations
    )
    title, description = document["info"]["title"], document["info"]["description"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1>{_paragraphs(description)}"
        '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"<ul>{contents}</ul>{''.join(_operation(*each) for each in operations)}"
        f"<section><h2>Schemas</h2>{''.join(_schema(*each) for each in document['components']['schemas'].items())}"
        "</section></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(each['name'])}</code> ({escape(each['in'])})</td>"
        f"<td><code>{_kind(each['schema'])}</code></td><td>{escape(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(each['description'])}</td><td>{_content(each)}</td></tr>"
        for status, each in operation["responses"].items()
    )
    body = _content(operation.get("requestBody", {}))
    return (
        f'<section id="{_attribute(operation["operationId"])}"><h2><code>{method} {escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}</p>{_paragraphs(operation['description'])}"
        f"{f'<h3>Parameters</h3><table>{parameters}</table>' if parameters else ''}"
        f"{f'<h3>Body</h3><p>{body}</p>' if body else ''}<h3>Answers</h3><table>{answers}</table></section>"
    )


def _content(described: dict[str, Any]) -> str:
    return " ".join(
        f"<code>{_kind(each['schema'])}</code>{_example(each['example']) if 'example' in each else ''}"
        for each in described.get("content", {}).values()
        if each.get("schema")
    )


def _example(value: object) -> str:
    return f"<details><summary>Example</summary><pre>{escape(json.dumps(value, indent=2))}</pre></details>"


def _kind(schema: dict[str, Any]) -> str:
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return f'<a href="#schema-{_attribute(name)}">{escape(name)}</a>'
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    return escape(str(schema.get("const", schema.get("type", "any"))))


def _schema(name: str, schema: dict[str, Any]) -> str:
    shown = escape(json.dumps(schema, indent=2))
    return (
        f'<details id="schema-{_attribute(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{shown}</pre></details>"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(each)}</p>" for each in text.split("\n\n") if each)


def _attribute(name: str) -> str:
    return escape(name, quote=True)
