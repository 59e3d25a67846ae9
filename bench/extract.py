"""Are citations true, and are invented values caught? Documents with known truth, a model that invents and misquotes.

Documents are PDF, text and Markdown: facts under their names, a table over page breaks, names and amounts of several
languages, dates in several forms, and around them text that repeats the same numbers where they mean something else;
a part of the PDFs has two columns. The embedded provider reads them in its inventing manner: a fifth of the values is
made up, most quotes are copied with slips. A value is right when it is the document's, else invented.

    located      citations of right values: precision, those that lie on the very place that is meant, of all there are;
                 recall, right values so cited, of all right values
    unsupported  values flagged: precision, invented ones of all flagged; recall, flagged ones of all invented
    substring    the same for a plain search of the value's usual spelling in the text

Seeds up to 1,000 were used while tuning; the scored set has the default seed, beyond them.

    python bench/extract.py [--documents 300] [--seed 71000] [--short] [--show]
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import packmule
from packmule.checks.loading import module_of
from packmule.sources.pdf import joined, read_pdf

make = module_of(Path(__file__).resolve().parent.parent / "examples" / "make_invoices.py")

BARS = {"located precision": 0.99, "located recall": 0.97, "unsupported recall": 0.99}
COMPANIES = (
    "Åkesson & Söner AB,Bäckerei Weiß GmbH,Société Générale d'Été,Łódź Meble Sp. z o.o.,Ærø Færgeri A/S,"
    "Smith–Jones Ltd,Ñandú Exportación SL,Ožujsko Trade d.o.o.,Naïve Crème Oy,東京商事株式会社,Ελληνική Ναυτιλία,"
    "Kovács és Társa Kft."
).split(",")
GOODS = (
    "Desk lamp,Café table,Steel shelf,Door mat 40 × 60,Garden chair,Wall clock,Ladder – 3 m,Tür-Griff,Étagère,"
    "Brass hook No. 5,Sofa 2021 edition,Cable 1.5 mm²,Hinge 90°,Kettle,Mirror 50 cm,Coat rack,Bookend,Fire door T30,"
    "Łyżka,Stool"
).split(",")
FILLER = (
    "Our terms apply to every order.,Goods remain ours until they are paid.,Please quote your customer number.,"
    "Deliveries arrive before noon.,Returned goods are checked within days.,Questions are answered by our office."
).split(",")
GROUPS: dict[str, Callable[[int], str]] = {
    "english": lambda cents: f"{cents / 100:,.2f}",
    "german": lambda cents: f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,")),
    "plain": lambda cents: f"{cents / 100:.2f}",
}
Span = tuple[int, int]
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y")


class Line(BaseModel):
    """One row of the table."""

    description: str
    quantity: int
    unit_price: float
    total: float


class Bill(BaseModel):
    """What is asked for."""

    invoice_number: str
    company_name: str
    issue_date: str
    total_amount: float
    items: list[Line]
    tax_rate: float | None = None


@dataclass
class Made:
    """One document: lines of (left edge, words), its truth by path, and patterns whose group 1 is the place meant.

    `written` are facts as they stand there.
    """

    lines: list[Any] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def fact(self, path: str, name: str, words: str, value: Any, tail: str = "") -> None:
        """A line that says a value under its name."""
        self.lines.append([(60, f"{name}: {words}{tail}")])
        self.truth[path] = value
        self.places[path] = rf"{spaced(name)}:\s*({spaced(words)})"

    def row(self, number: int, cells: list[str], values: list[Any]) -> None:
        """A row of the table."""
        self.lines.append(list(zip((60, 300, 370, 460), cells, strict=True)))
        for place, (name, value) in enumerate(zip(Line.model_fields, values, strict=True)):
            parts = [f"({spaced(cell)})" if place == at else spaced(cell) for at, cell in enumerate(cells)]
            self.truth[f"items.{number}.{name}"] = value
            self.places[f"items.{number}.{name}"] = r"\s+".join(parts)


def spaced(words: str) -> str:
    """A pattern of these words, whatever white space parts them."""
    return r"\s*".join(re.escape(word) for word in words.split())


def made(seed: int, *, columns: bool) -> Made:
    """One document."""
    chance = random.Random(seed)
    money = GROUPS[chance.choice(list(GROUPS))]
    found = Made()
    number = f"{chance.choice(['INV', 'R', 'F'])}-{chance.randint(2019, 2026)}-{chance.randint(1, 9999):04d}"
    day = date(2020, 1, 1) + timedelta(days=chance.randrange(2400))
    rows = [
        (goods, chance.randint(1, 40), chance.randint(150, 99_000))
        for goods in chance.sample(GOODS, chance.randint(2, 9))
    ]
    total = sum(quantity * cents for _, quantity, cents in rows)
    rate = chance.choice([None, 7, 19, 21, 25])
    facts = [
        ("invoice_number", "Invoice number", number, number, ""),
        ("company_name", "Company name", *[chance.choice(COMPANIES)] * 2, ""),
        ("issue_date", "Issue date", written(day, chance), day.isoformat(), ""),
    ]
    chance.shuffle(facts)
    misleading(found, chance, number, total, day, money)
    for fact in facts:
        found.fact(*fact)
        found.written[fact[0]] = fact[2]
    for _ in range(chance.choice([0, 0, 3, 30])):
        found.lines.append([(60, chance.choice(FILLER))])
    misleading(found, chance, number, total, day, money)
    found.lines.append([(60, "Description"), (300, "Quantity"), (370, "Unit price"), (460, "Total")])
    for at, (thing, quantity, cents) in enumerate(rows):
        cells = [thing, str(quantity), money(cents), money(quantity * cents)]
        found.row(at, cells, [thing, quantity, cents / 100, quantity * cents / 100])
    found.lines.append([])
    misleading(found, chance, number, total, day, money)
    if rate is not None:
        found.fact("tax_rate", "Tax rate", f"{rate}", rate, " %")
    found.fact("total_amount", "Total amount", money(total), total / 100, chance.choice([" EUR", " €", ""]))
    misleading(found, chance, number, total, day, money)
    return beside(found, chance, money(total)) if columns else found


def written(day: date, chance: random.Random) -> str:
    """A date as some office writes it."""
    return day.strftime(chance.choice(DATES))


def misleading(
    found: Made, chance: random.Random, number: str, total: int, day: date, money: Callable[[int], str]
) -> None:
    """Text that repeats what is asked for, or parts of it, where it means something else."""
    kinds = (
        f"Your order {number}-A was booked on {day + timedelta(days=1)}.",
        f"Last year you bought goods for {money(total)} or more.",
        f"Phone 0{chance.randint(10, 99)} {str(total)[:5]} {chance.randint(100, 999)}-{chance.randint(1, 40)}",
        f"Page {chance.randint(1, 9)} of {chance.randint(9, 12)}",
        f"Account {total}{chance.randint(10, 99)} at branch {day.year}",
        f"{chance.randint(1, 40)} years of service since {day.year - 20}",
        f"Deposit {money(total)} is not required.",
    )
    for line in chance.sample(kinds, chance.randint(0, 3)):
        found.lines.append([(60, line)])


def beside(found: Made, chance: random.Random, total: str) -> Made:
    """A second column of misleading text, on the same lines as the facts."""
    for line in found.lines:
        if len(line) == 1 and chance.random() < 0.5:
            line.append(
                (360, chance.choice([f"Voucher of {total} won", f"Shop {chance.randint(1, 40)}", "Open daily"]))
            )
    return found


def texts(folder: Path, count: int, seed: int) -> dict[str, tuple[Made, str]]:
    """Write the documents; by name what is true of each, and the text in which its citations count."""
    found = {}
    for at in range(count):
        kind = ("pdf", "pdf", "txt", "pdf-columns", "md")[at % 5]
        document = made(seed + at, columns=kind == "pdf-columns")
        name = f"{at:03d}.{kind.partition('-')[0]}"
        if kind.startswith("pdf"):
            data = make.pdf(document.lines)
            text, _ = joined(read_pdf(data, name))
        else:
            gap = "  " if kind == "txt" else " | "
            text = "\n".join(gap.join(words for _, words in line) for line in document.lines) + "\n"
            data = text.encode()
            if kind == "md":
                document.places = {path: loose.replace(r"\s+", r"\s*\|\s*") for path, loose in document.places.items()}
        (folder / name).write_bytes(data)
        found[name] = document, text
    return found


@dataclass
class Score:
    """Counts of one method; `misses` are examples."""

    counts: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def add(self, where: str, right: bool, spans: list[Span], meant: list[Span]) -> None:
        """One value: was it right, where was it cited, where does it stand?"""
        counts = self.counts
        on = [span for span in spans if any(a < span[1] and span[0] < b for a, b in meant)]
        if right:
            counts["right"] += 1
            counts["right cited"] += bool(on)
            counts["citations"] += len(spans)
            counts["citations on place"] += len(on)
        else:
            counts["invented"] += 1
        counts["flagged"] += not spans
        counts["flagged invented"] += not spans and not right
        if (right and (not on or len(on) < len(spans))) or (not right and spans):
            self.misses.append(f"{where}: {'right' if right else 'invented'}, cited at {spans}, meant {meant}")

    @property
    def shares(self) -> dict[str, float]:
        """Precision and recall, twice."""
        c = self.counts
        return {
            "located precision": c["citations on place"] / max(1, c["citations"]),
            "located recall": c["right cited"] / max(1, c["right"]),
            "unsupported precision": c["flagged invented"] / max(1, c["flagged"]),
            "unsupported recall": c["flagged invented"] / max(1, c["invented"]),
        }


def same(value: Any, truth: Any) -> bool:
    """Is the value the document's own? A date may be written in any form, a rate as a share."""
    if isinstance(truth, str) or isinstance(value, str):
        return value == truth
    return truth is not None and (abs(value - truth) < 0.005 or abs(value * 100 - truth) < 0.005)


def substring(value: Any, text: str) -> list[Span]:
    """What a plain search finds: the first place of the value as it is usually written."""
    forms = [str(value)] if isinstance(value, str | int) else [f"{value:,.2f}", f"{value:.2f}", str(value)]
    places = [(at, at + len(form)) for form in forms if (at := text.find(form)) >= 0]
    return places[:1]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything that is said."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        yield from leaves(part, f"{path}.{step}".strip("."))
    if value is not None and not isinstance(value, dict | list):
        yield path, value


def scored(documents: dict[str, tuple[Made, str]], results: packmule.Results) -> tuple[Score, Score, int]:
    """The score of the citations, that of a plain search, and how many items failed."""
    ours, plain, failed = Score(), Score(), 0
    for record in results:
        document, text = documents[Path(record.key).name]
        if record.status != "completed":
            failed += 1
            continue
        for path, value in leaves(record.output["result"]):
            right = same(value, document.truth.get(path)) or value == document.written.get(path)
            meant = [found.span(1) for found in re.finditer(document.places.get(path, "(?!)"), text)]
            spans = [(one["start"], one["end"]) for one in record.output["citations"][path]]
            for one in record.output["citations"][path]:
                assert text[one["start"] : one["end"]] == one["text"], (record.key, path)
            assert (path in record.output["unsupported"]) == (not spans)
            where = f"{record.key} {path} = {value!r}"
            ours.add(where, right, spans, meant)
            plain.add(where, right, substring(value, text), meant)
    return ours, plain, failed


def main() -> int:
    """Print the table, and 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--seed", type=int, default=71_000)
    parser.add_argument("--short", action="store_true", help="40 documents")
    parser.add_argument("--show", action="store_true", help="what was missed")
    options = parser.parse_args()
    count = 40 if options.short else options.documents
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "documents"
        folder.mkdir()
        documents = texts(folder, count, options.seed)
        scenario = Path(place) / "inventing.toml"
        scenario.write_text(f'manner = "inventing"\nseed = {options.seed}\n')
        batch = packmule.Batch(
            str(folder),
            recipe="extract-cited",
            schema=Bill,
            model="sim/small",
            store=Path(place) / "store.db",
            output=Path(place) / "out",
            sim_scenario=scenario,
        )
        ours, plain, failed = scored(documents, batch.run())
    invented, right = ours.counts["invented"], ours.counts["right"]
    print(f"{count} documents from seed {options.seed}: {right:,} right values, {invented:,} invented, {failed} failed")
    print(f"{'':24}{'citations':>12}{'substring':>12}{'bar':>8}")
    held = failed == 0
    for name, share in ours.shares.items():
        bar = BARS.get(name)
        good = bar is None or share >= bar
        mark = "" if bar is None else f"{bar:8.2f}  {'ok' if good else 'MISSED'}"
        print(f"{name:24}{share:12.4f}{plain.shares[name]:12.4f}{mark}")
        held = held and good
    if options.show:
        print(*ours.misses[:60], sep="\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
