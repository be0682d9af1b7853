"""A statement as CSV, and as a page for any browser, phone or printer: it fetches nothing and runs nothing."""

import csv
import io
from html import escape
from typing import Any

from fastapi import Response
from starlette.responses import HTMLResponse

from refledger.core.ledger_words import OWN_ACCOUNTS, words
from refledger.core.money import to_text
from refledger.core.payouts import harmless
from refledger.services.affiliate_ledger import Statement
from refledger.services.periods import local

_COLUMNS = ("at", "what", "conversion_id", "payout_id", "from", "to", "amount", "currency")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;line-height:1.25}h2{font-size:1.1rem;margin-top:2rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-top:1px solid #8886}
.amount{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.id{font-family:ui-monospace,monospace;font-size:.8em;overflow-wrap:anywhere}
.quiet{opacity:.75}
@media print{body{max-width:none;padding:0;font-size:11pt}tr{break-inside:avoid}thead{display:table-header-group}}
"""


def sheet(found: Statement) -> Response:
    """Opening balances, entries, closing balances: each line an amount. The times are the program's."""
    written, currency = io.StringIO(), found.program["currency"]
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    for what, at_ms, balances in (
        ("opening balance", found.from_ms, found.opening),
        ("closing balance", found.to_ms, found.closing),
    ):
        if what == "closing balance":
            rows.writerows(_cells(found, line) for line in found.lines)
        for account, minor in balances.items():
            rows.writerow(
                [_time(found, at_ms), what, "", "", "", account, to_text(minor, currency), currency]
            )
    name = f"statement-{found.affiliate['id']}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(written.getvalue().encode(), media_type="text/csv; charset=utf-8", headers=headers)


def _cells(found: Statement, line: dict[str, Any]) -> list[str]:
    of = (line["conversion_id"], line["payout_id"] or "", line["debit"], line["credit"])
    told = [harmless(cell) for cell in (_time(found, line["at_ms"]), words(line["kind"]), *of)]
    return [*told, to_text(line["amount_minor"], line["currency"]), line["currency"]]


def page(found: Statement) -> Response:
    who = escape(found.affiliate["name"] or found.affiliate["email"])
    program = escape(found.program["name"])
    mode = " · test mode" if found.mode == "test" else ""
    period = f"{_time(found, found.from_ms)} up to, not including, {_time(found, found.to_ms)}"
    return HTMLResponse(
        '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width, '
        f'initial-scale=1"><title>Statement: {who}</title><style>{_STYLE}</style>'
        f"<h1>{who}<br>{program}{mode}</h1><p>{period}<br><span class=quiet>Times of "
        f"{escape(found.program['time_zone'])}; amounts in {escape(found.program['currency'])}; "
        f"<span class=id>{escape(found.affiliate['id'])}</span></span></p>"
        f"{_balances(found)}{_payouts(found)}{_lines(found)}</html>",
        headers=_HEADERS,
    )


def _balances(found: Statement) -> str:
    rows = [
        [_account(account), _amount(found, found.opening[account]), _amount(found, found.closing[account])]
        for account in OWN_ACCOUNTS
        if found.opening[account] or found.closing[account] or account == "payable"
    ]
    return _table("Balances", ["account", "at the beginning", "at the end"], rows, {1, 2})


def _payouts(found: Statement) -> str:
    rows = [
        [
            _time(found, item["created_ms"]),
            f"<span class=id>{escape(item['payout_id'])}</span>",
            escape(" ".join(filter(None, (item["status"], item["reference"], item["reason"])))),
            _amount(found, item["amount_minor"]),
        ]
        for item in found.payouts
    ]
    total = _amount(found, sum(item["amount_minor"] for item in found.payouts))
    rows.append(["", "", "<b>all</b>", f"<b>{total}</b>"])
    return _table("Payouts of the period", ["made", "payout", "now", "amount"], rows, {3})


def _lines(found: Statement) -> str:
    rows = [
        [
            _time(found, line["at_ms"]),
            f"{escape(words(line['kind']))}<br><span class=id>"
            f"{escape(line['conversion_id'] or line['payout_id'] or '')}</span>",
            f"{_account(line['debit'])} → {_account(line['credit'])}",
            _amount(found, line["amount_minor"]),
        ]
        for line in found.lines
    ]
    return _table("Every entry", ["when", "what", "moved", "amount"], rows, {3})


def _table(title: str, heads: list[str], rows: list[list[str]], amounts: set[int]) -> str:
    """Cells are HTML."""
    kinds = [" class=amount" if column in amounts else "" for column in range(len(heads))]
    head = "".join(f"<th scope=col{kind}>{words}" for words, kind in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}" for cell, kind in zip(row, kinds, strict=True)) for row in rows
    )
    return f"<h2>{title}</h2><div class=wide><table><thead><tr>{head}<tbody>{body}</table></div>"


def _account(account: str) -> str:
    return "the program" if account == "expense" else account.replace("_", " ")


def _amount(found: Statement, minor: int) -> str:
    return to_text(minor, found.program["currency"]).replace("-", "−")


def _time(found: Statement, at_ms: int) -> str:
    """2026-01-31 13:05:00+01:00."""
    return local(at_ms, found.program["time_zone"]).isoformat(sep=" ")
