"""Makes invoices as PDF files with a text layer, the same from the same seed, and what is true of them.

python make_invoices.py --count 100 --seed 7 --to many-invoices
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

COMPANIES = ["Acme Übersee GmbH", "Côté Jardin SARL", "Nordisk Ærø ApS", "Smith & Sons Ltd", "Żółw Sp. z o.o."]
GOODS = ["Desk lamp", "Café table", "Steel shelf", "Door mat 40 × 60", "Garden chair", "Wall clock", "Ladder – 3 m"]
RATES = [None, 7, 19, 20]
PAGE_LINES = 48

Cell = tuple[int, str]
Line = list[Cell]
"""Pieces of text of one line, each with where it begins, in points from the left."""


def amount(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def invoice(number: int, chance: random.Random) -> tuple[list[Line], dict]:
    """The lines of one invoice, and its true values."""
    items, lines = [], []
    truth = {"invoice_number": f"INV-{2020 + number % 6}-{number:03d}", "company_name": chance.choice(COMPANIES)}
    for description in chance.sample(GOODS, chance.randint(1, 5)):
        quantity, cents = chance.randint(1, 12), chance.randint(500, 90_000)
        items.append((description, quantity, cents, quantity * cents))
    net, rate = sum(item[3] for item in items), chance.choice(RATES)
    tax = net * (rate or 0) // 100
    lines += [
        [(60, f"Company name: {truth['company_name']}")],
        [(60, f"Invoice number: {truth['invoice_number']}")],
        [],
    ]
    lines.append([(60, "Description"), (300, "Quantity"), (370, "Unit price"), (460, "Total")])
    for description, quantity, cents, total in items:
        lines.append([(60, description), (300, str(quantity)), (370, amount(cents)), (460, amount(total))])
    lines += [[], [(60, f"Net: {amount(net)} EUR")]]
    if rate:
        lines.append([(60, f"Tax rate: {rate} %")])
    lines.append([(60, f"Total amount: {amount(net + tax)} EUR")])
    truth["total_amount"] = (net + tax) / 100
    truth["items"] = [
        {"description": d, "quantity": q, "unit_price": c / 100, "total": t / 100} for d, q, c, t in items
    ]
    truth["tax_rate"] = rate
    return lines, truth


def pdf(lines: list[Line]) -> bytes:
    """A PDF of these lines: Helvetica where it has the letters, else a font that is known by Unicode alone."""
    pages = [lines[at : at + PAGE_LINES] for at in range(0, len(lines), PAGE_LINES)] or [[]]
    kids = " ".join(f"{6 + 2 * number} 0 R" for number in range(len(pages)))
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        WIDE,
        stream(UNICODE),
    ]
    for number, page in enumerate(pages):
        content = 7 + 2 * number
        parts.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {content} 0 R"
            "/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>>>".encode()
        )
        parts.append(stream(b"\n".join(drawn(page))))
    return assembled(parts)


WIDE = b"""<</Type/Font/Subtype/Type0/BaseFont/Wide/Encoding/Identity-H/ToUnicode 5 0 R
/DescendantFonts[<</Type/Font/Subtype/CIDFontType2/BaseFont/Wide/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)
/Supplement 0>>/DW 600/FontDescriptor<</Type/FontDescriptor/FontName/Wide/Flags 4>>>>]>>"""
UNICODE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap
/CMapName /Wide def 1 begincodespacerange <0000> <FFFF> endcodespacerange
1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end"""


def drawn(page: list[Line]) -> list[bytes]:
    """One text object a line."""
    found = []
    for row, line in enumerate(page):
        for left, text in line:
            found.append(f"BT 1 0 0 1 {left} {790 - 15 * row} Tm".encode())
            try:
                plain = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
                found.append(b"/F1 10 Tf (" + plain + b") Tj ET")
            except UnicodeEncodeError:
                found.append(f"/F2 10 Tf <{text.encode('utf-16-be').hex()}> Tj ET".encode())
    return found


def stream(data: bytes) -> bytes:
    return b"<</Length %d>>\nstream\n%s\nendstream" % (len(data), data)


def assembled(parts: list[bytes]) -> bytes:
    """Numbered objects with their table of places."""
    out, places = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(parts) + 1, table) + end


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=100)
    words.add_argument("--seed", type=int, default=7)
    words.add_argument("--to", type=Path, default=Path("invoices"))
    given = words.parse_args()
    chance = random.Random(given.seed)
    given.to.mkdir(parents=True, exist_ok=True)
    truths = {}
    for number in range(1, given.count + 1):
        name = f"invoice_{number:03d}.pdf"
        lines, truths[name] = invoice(number, chance)
        (given.to / name).write_bytes(pdf(lines))
    truth = given.to.with_name(f"{given.to.name}-truth.json")
    truth.write_text(json.dumps(truths, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{given.count} invoices in {given.to}, what is true of them in {truth}")


if __name__ == "__main__":
    main()
