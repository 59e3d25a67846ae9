"""Which name means which model, and where it lives: one table of providers, and the joining of their parts.

A full name is `provider/model`. What follows the first slash goes to the provider as it is, so that a router's own
names (`openrouter/anthropic/claude-…`) and a server's (`vllm/Qwen/Qwen3-8B`) need no quoting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from packmule.core.ports import Endpoint, Transport
from packmule.errors import ModelUnknown, UsageError
from packmule.providers import anthropic, anthropic_jobs, gemini, gemini_jobs, openai, openai_jobs
from packmule.providers.codec import Codec
from packmule.providers.endpoint import ModelEndpoint
from packmule.providers.keys import Key, checked_url, find_key, origin, require_key
from packmule.providers.prices import PriceBook, listed_owner
from packmule.providers.traits import is_openai_reasoning

SIM_URL = "http://sim.invalid/v1"


@dataclass(frozen=True, slots=True)
class Provider:
    """`keys` and `urls` are environment variables, the first one found wins. `growth` bounds the ramp a minute.

    `keyless`: it may be asked without a key at its own address. `reads_pdf`: it takes PDF documents as they are.
    """

    base_url: str
    codec: Codec
    keys: tuple[str, ...]
    urls: tuple[str, ...]
    growth: float | None = None
    keyless: bool = False
    reads_pdf: bool = False


_OPENAI = openai.codec(openai.OPENAI)
_COMPATIBLE = openai.codec(openai.COMPATIBLE)
_JSON_OBJECT = openai.codec(openai.JSON_OBJECT)


def _row(base_url: str, codec: Codec, name: str, *, keyless: bool = False, reads_pdf: bool = False) -> Provider:
    keys, urls = (f"{name}_API_KEY",), (f"{name}_BASE_URL",)
    return Provider(base_url, codec, keys, urls, keyless=keyless, reads_pdf=reads_pdf)


PROVIDERS: dict[str, Provider] = {
    "openai": _row("https://api.openai.com/v1", _OPENAI, "OPENAI", reads_pdf=True),
    # Anthropic answers sharp ramps with 429 ("acceleration limits"): the width may double once a minute.
    "anthropic": Provider(
        "https://api.anthropic.com",
        anthropic.CODEC,
        ("ANTHROPIC_API_KEY",),
        ("ANTHROPIC_BASE_URL",),
        growth=2.0,
        reads_pdf=True,
    ),
    "gemini": Provider(
        "https://generativelanguage.googleapis.com",
        gemini.CODEC,
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ("GOOGLE_GEMINI_BASE_URL",),
        reads_pdf=True,
    ),
    "groq": _row("https://api.groq.com/openai/v1", _OPENAI, "GROQ"),
    "cerebras": _row("https://api.cerebras.ai/v1", _OPENAI, "CEREBRAS"),
    "openrouter": _row("https://openrouter.ai/api/v1", _COMPATIBLE, "OPENROUTER", reads_pdf=True),
    "mistral": _row("https://api.mistral.ai/v1", _COMPATIBLE, "MISTRAL"),
    "deepseek": _row("https://api.deepseek.com", _JSON_OBJECT, "DEEPSEEK"),
    "xai": _row("https://api.x.ai/v1", _OPENAI, "XAI"),
    "together": _row("https://api.together.xyz/v1", _COMPATIBLE, "TOGETHER"),
    "ollama": _row("http://localhost:11434/v1", _COMPATIBLE, "OLLAMA", keyless=True),
    "vllm": _row("http://localhost:8000/v1", _COMPATIBLE, "VLLM", keyless=True),
    "lmstudio": _row("http://localhost:1234/v1", _COMPATIBLE, "LMSTUDIO", keyless=True),
    "sim": Provider(SIM_URL, _OPENAI, (), (), keyless=True, reads_pdf=True),
}
# Who has batch jobs that we speak. A server of one's own that has none answers 404, and nothing is lost.
JOBS = {"openai": openai_jobs.CODEC, "anthropic": anthropic_jobs.CODEC, "gemini": gemini_jobs.CODEC}
ALIASES = {"google": "gemini", "claude": "anthropic", "x-ai": "xai", "mistralai": "mistral", "lm-studio": "lmstudio"}

_BARE = (
    (re.compile(r"gpt-|chatgpt|o[134](?:-|$)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini"), "gemini"),
)


def canonical_model(model: str, env: Mapping[str, str], base_url: str | None = None) -> str:
    """The full name of a model. Raises ModelUnknown with the nearest name.

    With a `base_url` (or OPENAI_BASE_URL) any other name is a model of that server: `openai/NAME`.
    """
    name = model.strip()
    head, slash, rest = name.partition("/")
    provider = ALIASES.get(head.lower(), head.lower())
    if slash and rest and provider in PROVIDERS:
        return f"{provider}/{rest}"
    if name and not slash:
        bare = name.lower()
        owner = next((owner for pattern, owner in _BARE if pattern.match(bare)), None) or listed_owner(bare)
        if owner is not None:
            return f"{owner}/{name}"
    if name and not name.endswith("/") and (base_url or env.get("OPENAI_BASE_URL")):
        return f"openai/{name}"
    raise _unknown(name)


def resolve(
    model: str,
    *,
    env: Mapping[str, str],
    base_url: str | None,
    prices: PriceBook,
    transport_for: Callable[[str], Transport],
    unsent: bool = False,
) -> Endpoint:
    """The endpoint of a model by any of its names; one to which nothing will be sent needs no key.

    Raises ModelUnknown, KeyMissing, PriceUnknown, UsageError.
    """
    full = canonical_model(model, env, base_url)
    owner, _, name = full.partition("/")
    provider = PROVIDERS[owner]
    url, stated = _base_url(owner, provider, env, base_url)
    price = prices.price(full)
    return ModelEndpoint(
        full,
        name,
        codec=_codec(owner, provider, name, elsewhere=stated),
        base_url=url,
        key=_key(full, provider, env, optional=provider.keyless or stated or unsent),
        price=price,
        growth_per_min=provider.growth,
        # Another server that speaks OpenAI's language seldom reads its documents.
        reads_pdf=provider.reads_pdf and not (owner == "openai" and stated),
        transport=transport_for(owner),
        jobs=JOBS.get(_spoken(name) if owner == "sim" else owner),
    )


def _base_url(owner: str, provider: Provider, env: Mapping[str, str], given: str | None) -> tuple[str, bool]:
    """(base URL, is it elsewhere than the provider's own): the given one, else the variable's, else its own."""
    name = next((name for name in provider.urls if env.get(name, "").strip()), None)
    if not given and name is None:
        return provider.base_url, False
    where = "--base-url" if given else str(name)
    url = checked_url(given or env[str(name)], where)
    theirs = [other for other, row in PROVIDERS.items() if not row.keyless and origin(row.base_url) == origin(url)]
    if theirs and owner not in theirs:
        message = f"{where} is the address of {theirs[0]}, and the key of {owner} is never sent there"
        raise UsageError(message, hint=f"name the model as {theirs[0]}/..., without {where}")
    return url, owner not in theirs


def _spoken(name: str) -> str:
    """Whose language the simulated provider speaks as this model."""
    bare = name.lower()
    return next(
        (owner for head, owner in (("claude", "anthropic"), ("gemini", "gemini")) if bare.startswith(head)), "openai"
    )


def _codec(owner: str, provider: Provider, name: str, *, elsewhere: bool) -> Codec:
    if owner == "sim":
        return PROVIDERS[_spoken(name)].codec
    if owner == "openai" and elsewhere:
        # A gateway passes OpenAI's own reasoning models on, which refuse max_tokens; other servers know only that.
        return _OPENAI if is_openai_reasoning(name) else _COMPATIBLE
    return provider.codec


def _key(full: str, provider: Provider, env: Mapping[str, str], *, optional: bool) -> Key | None:
    key = find_key(provider.keys, env)
    return key if optional else require_key(full, provider.keys, key)


def _unknown(name: str) -> ModelUnknown:
    near = get_close_matches(name.lower(), _names(), 1, 0.6)
    providers = ", ".join(PROVIDERS)
    hint = f"did you mean {near[0]}? " if near else ""
    hint += f"write provider/model with one of {providers}; a model of your own server is openai/NAME with --base-url"
    message = f"no provider is known for the model {name!r}" if name else "the name of the model is empty"
    return ModelUnknown(message, hint=hint)


@cache
def _names() -> tuple[str, ...]:
    known = [model for model, *_ in PriceBook().known_models()]
    return (*known, *(model.partition("/")[2] for model in known))
