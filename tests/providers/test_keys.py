"""Keys: where they come from, where they may go, and that nobody sees them."""

from __future__ import annotations

import asyncio
import copy
import pickle
from pathlib import Path

import pytest

from packmule.core.calls import Fault, Received, WireRequest
from packmule.core.money import FREE
from packmule.errors import KeyMissing, UsageError
from packmule.providers import openai
from packmule.providers.endpoint import ModelEndpoint
from packmule.providers.keys import Key, checked_url, find_key, origin

CANARY = "sk-CANARY-2718281828"


def test_a_key_comes_from_the_first_variable_that_is_set() -> None:
    key = find_key(("A_KEY", "B_KEY"), {"A_KEY": " ", "B_KEY": f" {CANARY}\n"})
    assert key is not None
    assert key.reveal() == CANARY
    assert find_key(("A_KEY",), {}) is None


def test_a_key_comes_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{CANARY}\n", encoding="utf-8")
    key = find_key(("A_KEY",), {"A_KEY_FILE": str(path)})
    assert key is not None
    assert key.reveal() == CANARY


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"A_KEY_FILE names the file .*gone"):
        find_key(("A_KEY",), {"A_KEY_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize("text", [f"{CANARY}\nX-Evil: 1", f"{CANARY} x", f"{CANARY}é", f"{CANARY}\x00"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_unseen(text: str) -> None:
    with pytest.raises(KeyMissing) as caught:
        find_key(("A_KEY",), {"A_KEY": text})
    assert CANARY not in str(caught.value) + caught.value.hint
    assert "A_KEY" in str(caught.value)


def test_an_empty_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n", encoding="utf-8")
    with pytest.raises(KeyMissing):
        find_key(("A_KEY",), {"A_KEY_FILE": str(tmp_path / "key")})


def test_a_key_shows_and_pickles_nothing() -> None:
    key = Key(CANARY)
    assert CANARY not in f"{key} {key!r} {[key]}"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.copy(key)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://8.8.8.8/v1",
        "http://localhost:8000/v1",
        "http://vllm:8000/v1",
        "http://gpu.localhost/v1",
        "http://gpu.local/v1",
        "http://127.0.0.1:11434/v1",
        "http://[::1]:8000/v1",
        "http://10.0.0.7/v1",
        "http://192.168.1.5:1234/v1",
        "http://172.16.0.1/v1",
        "http://[fd00::1]/v1",
    ],
)
def test_https_anywhere_and_http_nearby(url: str) -> None:
    assert checked_url(url + "/", "--base-url") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://exa mple.com",
        "https://example.com:99999",
        "https://example.com/v1?key=1",
        "https://example.com/v1#x",
        "http://example.com/v1",
        "http://8.8.8.8/v1",
        "http://0.0.0.0/v1",
        "http://127.0.0.1.evil.com/v1",
        "http://localhost.evil.com/v1",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "https://exam\nple.com",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--base-url"):
        checked_url(url, "--base-url")


def test_a_password_in_an_address_is_refused_unseen() -> None:
    with pytest.raises(UsageError) as caught:
        checked_url(f"https://me:{CANARY}@example.com/v1", "--base-url")
    assert CANARY not in str(caught.value) + caught.value.hint


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://A.com/v1") == origin("https://a.com:443/v2")
    assert origin("https://a.com") != origin("http://a.com")
    assert origin("https://a.com") != origin("https://a.com:444")


class Echo:
    """A server that sends back whatever it was told to say."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def send(self, request: WireRequest, timeout_s: float) -> Received | Fault:
        del request, timeout_s
        return Received(200, {"x-said": self.body.decode()}, self.body)

    async def close(self) -> None:
        """Nothing is open."""


def answer_with(key: str, body: bytes) -> bytes:
    endpoint = ModelEndpoint(
        "openai/m",
        "m",
        codec=openai.codec(openai.OPENAI),
        base_url="http://localhost/v1",
        key=Key(key),
        price=FREE,
        growth_per_min=None,
        transport=Echo(body),
    )
    got = asyncio.run(endpoint.send(b"{}", 1.0))
    assert isinstance(got, Received)
    return got.body


def test_a_key_that_a_server_sends_back_is_struck_out() -> None:
    assert answer_with(CANARY, f"your key is {CANARY}".encode()) == b"your key is ***"


@pytest.mark.parametrize("placeholder", ["x", "EMPTY", "ollama", "test"])
def test_a_placeholder_is_no_secret_and_answers_that_hold_it_stay_whole(placeholder: str) -> None:
    body = f'{{"text": "the next {placeholder} word"}}'.encode()
    assert answer_with(placeholder, body) == body
