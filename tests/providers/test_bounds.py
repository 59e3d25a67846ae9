"""A bound is never below what can be billed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packmule.core.calls import Bounds, Request
from packmule.providers import anthropic, gemini, openai
from packmule.providers.bounds import OVERHEAD, PAGE_TOKENS, SCHEMA_OVERHEAD, base64_size, pdf_pages
from tests.providers.orders import CASES, PDF, PNG, asked, blob, no_blobs, user

ENCODERS = {
    "openai": (lambda request: openai.encode(openai.OPENAI, "gpt-4.1", request, no_blobs), openai.bounds),
    "anthropic": (lambda request: anthropic.encode("claude-sonnet-4-5", request, no_blobs), anthropic.bounds),
    "gemini": (lambda request: gemini.encode("gemini-2.0-flash", request, no_blobs), gemini.bounds),
}


def bounds(vendor: str, request: Request) -> tuple[Bounds, bytes]:
    encode, bound = ENCODERS[vendor]
    body = encode(request)
    return bound("gpt-4.1", request, body), body


@pytest.mark.parametrize("vendor", ENCODERS)
@pytest.mark.parametrize("case", CASES)
def test_input_is_never_bounded_below_the_words_of_the_body(vendor: str, case: str) -> None:
    found, body = bounds(vendor, CASES[case])
    blobs = sum(len(part) for part in (PNG, PDF) if part in _data(CASES[case]))
    assert found.tokens_in >= len(body) - base64_size(blobs)


@given(st.text(min_size=1, max_size=200), st.text(max_size=50))
def test_every_byte_of_text_is_bounded(text: str, system: str) -> None:
    request = asked(user(text), system=system or None)
    for vendor in ENCODERS:
        found, body = bounds(vendor, request)
        assert found.tokens_in == len(body) + OVERHEAD >= len(text.encode("utf-8", "replace"))


def test_a_schema_is_bounded_twice_and_more() -> None:
    found, body = bounds("openai", CASES["schema"])
    assert found.tokens_in >= len(body) + SCHEMA_OVERHEAD


@pytest.mark.parametrize("vendor", ENCODERS)
def test_an_image_is_bounded_by_its_figure_not_by_its_bytes(vendor: str) -> None:
    small, _ = bounds(vendor, asked(user(blob(PNG, "image/png"))))
    large, _ = bounds(vendor, asked(user(blob(PNG * 100, "image/png"))))
    assert abs(large.tokens_in - small.tokens_in) < 10
    assert small.tokens_in > 8_000


def test_gpt_4o_mini_charges_more_for_an_image() -> None:
    request = asked(user(blob(PNG, "image/png")))
    body = openai.encode(openai.OPENAI, "gpt-4o-mini", request, no_blobs)
    assert openai.bounds("gpt-4o-mini", request, body).tokens_in > 48_169


@pytest.mark.parametrize("vendor", ENCODERS)
@pytest.mark.parametrize("inline", [True, False])
def test_a_document_is_bounded_by_its_pages(vendor: str, inline: bool) -> None:
    request = asked(user("Sum up.", blob(PDF, "application/pdf", inline=True)))
    encode, bound = ENCODERS[vendor]
    body = encode(request)
    stored = asked(user("Sum up.", blob(PDF, "application/pdf", inline=inline)))
    assert bound("gpt-4.1", stored, body).tokens_in >= 3 * PAGE_TOKENS


def test_two_documents_are_counted_apart() -> None:
    one = PDF.replace(b"/Count 3", b"/Count 9") + b" " * 300
    parts = [blob(data, "application/pdf", inline=False) for data in (PDF, one)]
    data = {part.sha256: found for part, found in zip(parts, (PDF, one), strict=True)}
    request = asked(user(*parts))
    body = gemini.encode("gemini-2.0-flash", request, data.__getitem__)
    assert gemini.bounds("gemini-2.0-flash", request, body).tokens_in // PAGE_TOKENS == 12


def test_pages_in_compressed_object_streams_are_found() -> None:
    inside = zlib.compress(b"<< /Type /Page /Parent 2 0 R >> " * 40)
    data = (
        b"%PDF-1.7\n5 0 obj << /Type /ObjStm /N 40 /Filter /FlateDecode >>\nstream\n" + inside + b"\nendstream " * 300
    )
    assert pdf_pages(data) == 40


def test_a_document_that_tells_nothing_is_bounded_by_its_size() -> None:
    assert pdf_pages(b"%PDF-1.7" + b"\x00" * 10_000) == 5


def test_a_stored_document_that_cannot_be_found_in_the_body_is_bounded_by_its_size() -> None:
    odd = b"\n\n%PDF-1.7" + b"\x00" * 10_000
    request = asked(user(blob(odd, "application/pdf", inline=False)))
    body = gemini.encode("gemini-2.0-flash", request, lambda _: odd)
    assert gemini.bounds("gemini-2.0-flash", request, body).tokens_in // PAGE_TOKENS == 5
    assert gemini.bounds("gemini-2.0-flash", request, b'"JVBERi*A"').tokens_in // PAGE_TOKENS == 5


def test_an_object_stream_that_cannot_be_unpacked_is_passed_over() -> None:
    assert pdf_pages(b"%PDF-1.7 << /Type /ObjStm >>\nstream\nnot deflate endstream") == 1


def test_a_lie_about_pages_is_bounded_by_the_size() -> None:
    assert pdf_pages(b"%PDF-1.7 /Count 999999") <= 22


def test_the_output_bound_is_what_went_out() -> None:
    assert bounds("openai", asked())[0].tokens_out == 4_096
    assert bounds("openai", asked(max_output_tokens=12))[0].tokens_out == 12
    body = openai.encode(openai.OPENAI, "o3", asked(), no_blobs)
    assert openai.bounds("o3", asked(), body).tokens_out == 16_384


@given(st.binary(max_size=500))
def test_no_document_breaks_the_count(data: bytes) -> None:
    assert pdf_pages(data) >= 1


def _data(request: Request) -> list[bytes]:
    return [part.data for turn in request.messages for part in turn.parts if getattr(part, "data", None) is not None]
