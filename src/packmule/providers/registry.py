"""Which name means which model, where it lives, and whose key opens it.

A key belongs to its provider's own address. It goes to another one only when a person named that address for this
provider (`--base-url`, or the SDK's own variable), and never follows a redirect. Keys come from the environment, never
from the command line.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from packmule.core.calls import Answer, BlobSource, Bounds, Fault, RateHint, Received, Request, WireRequest
from packmule.core.money import Price
from packmule.core.ports import Endpoint, Transport
from packmule.errors import KeyMissing, ModelUnknown, PreflightError
from packmule.providers.anthropic import AnthropicCodec
from packmule.providers.gemini import GeminiCodec
from packmule.providers.openai import OpenAICodec
from packmule.providers.prices import PriceBook


class Codec(Protocol):
    """One vendor's wire form, pure."""

    def url(self, base_url: str, model: str) -> str: ...  # noqa: D102 - said by its name
    def headers(self, key: str | None) -> dict[str, str]: ...  # noqa: D102 - said by its name
    def encode(self, request: Request, model: str, blobs: BlobSource) -> bytes: ...  # noqa: D102 - said by its name
    def bounds(self, request: Request, model: str, body: bytes) -> Bounds: ...  # noqa: D102 - said by its name
    def decode(self, received: Received) -> Answer | Fault: ...  # noqa: D102 - said by its name
    def hint(self, received: Received) -> RateHint | None: ...  # noqa: D102 - said by its name


@dataclass(frozen=True, slots=True)
class Provider:
    """`keys` and `urls` are environment variables, first found wins. `growth` bounds the ramp a minute."""

    base_url: str
    keys: tuple[str, ...]
    codec: Codec
    urls: tuple[str, ...] = ()
    growth: float | None = None
    local: bool = False


_COMPATIBLE = OpenAICodec(compatible=True)

PROVIDERS: dict[str, Provider] = {
    "openai": Provider("https://api.openai.com/v1", ("OPENAI_API_KEY",), OpenAICodec(), ("OPENAI_BASE_URL",)),
    "anthropic": Provider(
        "https://api.anthropic.com", ("ANTHROPIC_API_KEY",), AnthropicCodec(), ("ANTHROPIC_BASE_URL",), growth=2.0
    ),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        GeminiCodec(),
        ("GOOGLE_GEMINI_BASE_URL",),
    ),
    "groq": Provider("https://api.groq.com/openai/v1", ("GROQ_API_KEY",), _COMPATIBLE, ("GROQ_BASE_URL",)),
    "cerebras": Provider("https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",), _COMPATIBLE, ("CEREBRAS_BASE_URL",)),
    "openrouter": Provider("https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), _COMPATIBLE),
    "mistral": Provider("https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), _COMPATIBLE),
    "deepseek": Provider("https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), _COMPATIBLE),
    "xai": Provider("https://api.x.ai/v1", ("XAI_API_KEY",), _COMPATIBLE),
    "together": Provider("https://api.together.xyz/v1", ("TOGETHER_API_KEY",), _COMPATIBLE),
    "ollama": Provider("http://127.0.0.1:11434/v1", ("OLLAMA_API_KEY",), _COMPATIBLE, ("OLLAMA_BASE_URL",), local=True),
    "vllm": Provider("http://127.0.0.1:8000/v1", ("VLLM_API_KEY",), _COMPATIBLE, ("VLLM_BASE_URL",), local=True),
    "lmstudio": Provider("http://127.0.0.1:1234/v1", ("LMSTUDIO_API_KEY",), _COMPATIBLE, local=True),
    "sim": Provider("http://sim.invalid/v1", (), _COMPATIBLE, local=True),
}
ALIASES = {"google": "gemini", "claude": "anthropic", "x-ai": "xai", "lm-studio": "lmstudio"}
_BARE = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "gemini"),
)


class ModelEndpoint:
    """One model, ready to be called: fulfils `core.ports.Endpoint`. Its headers may hold a key, and are not shown."""

    __slots__ = ("_codec", "_headers", "_name", "_transport", "_url", "growth_per_min", "model", "price")

    def __init__(
        self, model: str, provider: Provider, codec: Codec, url: str, key: str | None, price: Price, wire: Transport
    ) -> None:
        self.model = model
        self.price = price
        self.growth_per_min = provider.growth
        self._name = model.partition("/")[2]
        self._codec = codec
        self._url = codec.url(url, self._name)
        self._headers = codec.headers(key)
        self._transport = wire

    def __repr__(self) -> str:
        return f"ModelEndpoint({self.model} at {self._url})"

    def encode(self, request: Request, blobs: BlobSource) -> bytes:
        """The wire body."""
        return self._codec.encode(request, self._name, blobs)

    def bounds(self, request: Request, body: bytes) -> Bounds:
        """Upper bounds of tokens."""
        return self._codec.bounds(request, self._name, body)

    async def send(self, body: bytes, timeout_s: float) -> Received | Fault:
        """One attempt on the wire."""
        return await self._transport.send(WireRequest("POST", self._url, self._headers, body), timeout_s)

    def decode(self, received: Received) -> Answer | Fault:
        """Read an answer."""
        return self._codec.decode(received)

    def hint(self, received: Received) -> RateHint | None:
        """What the rate-limit headers say."""
        return self._codec.hint(received)


def resolve(
    model: str,
    *,
    env: Mapping[str, str],
    base_url: str | None,
    prices: PriceBook,
    transport_for: Callable[[str], Transport],
) -> Endpoint:
    """The endpoint of a model by any of its names. Raises ModelUnknown, KeyMissing, PriceUnknown, PreflightError."""
    full = canonical_model(model, env)
    name, _, bare = full.partition("/")
    provider = PROVIDERS[name]
    stated = base_url or _first(env, provider.urls)
    url = checked_url(stated or provider.base_url)
    key = _key(full, provider, env, stated=stated is not None)
    codec = _sim_codec(bare) if name == "sim" else provider.codec
    return ModelEndpoint(full, provider, codec, url, key, prices.price(full), transport_for(name))


def canonical_model(model: str, env: Mapping[str, str]) -> str:
    """The full name, `provider/model`. Raises ModelUnknown, with the nearest name."""
    del env
    name = model.strip()
    provider, slash, bare = name.partition("/")
    provider = ALIASES.get(provider, provider)
    if slash and bare and provider in PROVIDERS:
        return f"{provider}/{bare}"
    if not slash:
        for prefixes, owner in _BARE:
            if name.startswith(prefixes):
                return f"{owner}/{name}"
        found = _listed(name)
        if found is not None:
            return found
    near = get_close_matches(name, _names(), 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else f"write provider/model; providers: {', '.join(PROVIDERS)}"
    message = f"no provider is known for the model {model!r}"
    raise ModelUnknown(message, hint=hint)


def checked_url(url: str) -> str:
    """A base URL that a key may be sent to: https, or http on this machine or a private net. Raises PreflightError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return url
    if parts.scheme == "http" and host and (host == "sim.invalid" or _near(host)):
        return url
    message = f"the base URL {parts.scheme}://{host} is not https"
    raise PreflightError(message, hint="plain http is for this machine and private addresses only")


def _near(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return address.is_loopback or (address.is_private and not address.is_link_local)


def _key(full: str, provider: Provider, env: Mapping[str, str], *, stated: bool) -> str | None:
    for variable in provider.keys:
        if env.get(variable):
            return env[variable].strip()
        if env.get(f"{variable}_FILE"):
            return _from_file(variable, env[f"{variable}_FILE"])
    if provider.local or stated:
        return None
    message = f"{full} needs a key, and {' or '.join(provider.keys)} is not set"
    raise KeyMissing(message, hint=f"export {provider.keys[0]}=..., or try a sim/ model, which needs none")


def _from_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        message = f"{variable}_FILE names a file that cannot be read"
        raise KeyMissing(message, hint=f"check its path, or set {variable}") from None


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _sim_codec(bare: str) -> Codec:
    if bare.startswith("claude"):
        return PROVIDERS["anthropic"].codec
    return PROVIDERS["gemini"].codec if bare.startswith("gemini") else _COMPATIBLE


def _listed(name: str) -> str | None:
    """A bare name that the price list knows for one of our providers."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - slow to import

    try:
        found, _ = get_snapshot().find_provider_model(name, None, None, None)
    except LookupError:
        return None
    provider = ALIASES.get(found.id, found.id)
    return f"{provider}/{name}" if provider in PROVIDERS else None


@cache
def _names() -> tuple[str, ...]:
    known = [model for model, *_ in PriceBook().known_models() if model.partition("/")[0] in PROVIDERS]
    return (*known, *(model.partition("/")[2] for model in known))
