"""`/docs`: the OpenAPI document as one page, made here, so that an installation without internet has it too."""

import json
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from refledger.web.api.docs_style import STYLE

_SCHEMAS = "#/components/schemas/"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def install(app: FastAPI) -> None:
    made: list[str] = []

    async def serve(_: Request) -> HTMLResponse:
        if not made:
            made.append(render(app.openapi()))
        return HTMLResponse(made[0], headers={"Content-Security-Policy": _POLICY})

    app.add_route("/docs", serve, methods=["GET"], include_in_schema=False)


def render(document: dict[str, Any]) -> str:
    groups: dict[str, list[tuple[str, str, dict]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            groups.setdefault(operation["tags"][0], []).append((method, path, operation))
    title = escape(document["info"]["title"])
    body = [
        f"<header><h1>{title} API</h1><p class=quiet>Version {escape(document['info']['version'])} · ",
        '<a href="/openapi.json">openapi.json</a></p>',
        *(f"<p>{_inline(part)}</p>" for part in document["info"]["description"].strip().split("\n\n")),
        "</header>",
        *(_group(tag, operations) for tag, operations in groups.items()),
        "<h2 id=schemas>Schemas</h2>",
        *(_named_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title} API</title>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}</style><a class=skip href="#content">Skip to content</a>'
        f"<nav aria-label=Operations>{_contents(groups)}</nav><main id=content>{''.join(body)}</main></html>"
    )


def _contents(groups: dict[str, list]) -> str:
    parts = []
    for tag, operations in groups.items():
        items = "".join(
            f'<li><a href="#{_anchor(method, path)}"><b class={method}>{method.upper()}</b> {escape(path)}</a>'
            for method, path, _ in operations
        )
        parts.append(f'<h2><a href="#{_tag_anchor(tag)}">{escape(tag)}</a></h2><ul>{items}</ul>')
    return "".join(parts) + '<h2><a href="#schemas">Schemas</a></h2>'


def _group(tag: str, operations: list[tuple[str, str, dict]]) -> str:
    return f'<h2 id="{_tag_anchor(tag)}">{escape(tag)}</h2>' + "".join(
        _operation(*each) for each in operations
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    anchor = _anchor(method, path)
    parts = [
        f'<section id="{anchor}"><h3><a href="#{anchor}"><b class={method}>{method.upper()}</b> ',
        f"<code>{escape(path)}</code></a></h3><p>{_inline(operation.get('description') or operation['summary'])}",
        f" <span class=quiet>{_keys(operation.get('security', []))}</span></p>",
    ]
    if operation.get("parameters"):
        rows = "".join(_parameter(each) for each in operation["parameters"])
        parts.append(f"<h4>Parameters</h4><div class=wide><table>{rows}</table></div>")
    if operation.get("requestBody"):
        schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
        parts.append(f"<h4>Body</h4>{_schema(schema)}")
    rows = "".join(_response(code, each) for code, each in operation["responses"].items())
    parts.append(f"<h4>Answers</h4><div class=wide><table>{rows}</table></div></section>")
    return "".join(parts)


def _keys(security: list[dict[str, Any]]) -> str:
    if {"secret_key": []} not in security:
        return "No key."
    return "Publishable key in the body, or a secret key." if {} in security else "Secret key."


def _parameter(parameter: dict[str, Any]) -> str:
    needed = "" if parameter.get("required") else " <span class=quiet>optional</span>"
    schema = parameter["schema"]
    words = parameter.get("description") or schema.get("description") or ""
    return (
        f"<tr><th scope=row><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}{needed}"
        f"<td>{_kind(schema)}<td>{_inline(words)}"
    )


def _response(code: str, response: dict[str, Any]) -> str:
    schemas = [each["schema"] for each in response.get("content", {}).values() if "schema" in each]
    shown = _kind(schemas[0]) if schemas else ""
    return f"<tr><th scope=row>{escape(code)}<td>{_inline(response['description'])}<td>{shown}"


def _named_schema(name: str, schema: dict[str, Any]) -> str:
    words = f"<p>{_inline(schema['description'])}</p>" if schema.get("description") else ""
    return f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>{words}{_schema(schema)}</section>'


def _schema(schema: dict[str, Any]) -> str:
    properties = schema.get("properties")
    if not properties:
        return f"<p>{_kind(schema)}</p>"
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><th scope=row><code>{escape(name)}</code>"
        f"<td>{'' if name in required else '<span class=quiet>optional</span>'}"
        f"<td>{_kind(each)}<td>{_inline(each.get('description', ''))}"
        for name, each in properties.items()
    )
    example = "".join(
        f"<pre tabindex=0>{escape(json.dumps(each, indent=2, ensure_ascii=False))}</pre>"
        for each in schema.get("examples", ())
    )
    return f"<div class=wide><table>{rows}</table></div>{example}"


def _kind(schema: dict[str, Any]) -> str:
    """What a value is, in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_SCHEMAS))
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_kind(each) for each in schema[several])
    if "enum" in schema:
        shown = [f"<code>{escape(str(each))}</code>" for each in schema["enum"][:8]]
        return ", ".join(shown) + (" …" if len(schema["enum"]) > 8 else "")
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    words = " or ".join(kind) if isinstance(kind, list) else kind
    if schema.get("format"):
        words += f" ({schema['format']})"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        words += f" {least} to {most}"
    return escape(words)


def _inline(text: str) -> str:
    """Escaped, with `code` between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _anchor(method: str, path: str) -> str:
    return f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}"


def _tag_anchor(tag: str) -> str:
    return f"tag-{tag.lower()}"
