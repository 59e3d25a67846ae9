"""The face a recipe sees: `await ask(...)`.

A call ends accepted, rejected by its check, or failed, and each end is durable. An ended call replays from the journal
for free. A re-ask after a rejection is a new call, because its request is another.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any, Protocol

import msgspec

from packmule.core.asking import check_settings
from packmule.core.calls import (
    INLINE_MAX,
    Answer,
    BlobPart,
    Message,
    Part,
    Reply,
    Request,
    TextPart,
    Want,
    canonical,
    digest_of,
)
from packmule.core.ports import CheckedSchema, Rejection
from packmule.engine.item_run import ItemRun
from packmule.engine.waiting import Ended, Waiting
from packmule.errors import CallFailed, CallRejected, UsageError

UserCheck = Callable[[Any], Any]
"""Given the value (or the text), returns None or True to accept, or a sentence that says why not."""

_REASK = (files("packmule.engine") / "reask.md").read_text(encoding="utf-8")
_WORDS = {"user", "assistant"}


class Sender(Protocol):
    """Takes a waiting call on its way; its future ends with the call."""

    def send(self, waiting: Waiting) -> None: ...
    def fail_call(self, waiting: Waiting, reason: str, kind: str) -> None: ...


class Ask:
    """Bound to one item's run. Safe to use from gathered branches."""

    __slots__ = ("_run", "_sender")

    def __init__(self, run: ItemRun, sender: Sender) -> None:
        self._run = run
        self._sender = sender

    async def __call__(
        self,
        prompt: str | Sequence[dict[str, Any]],
        *,
        system: str | None = None,
        model: str | None = None,
        models: Sequence[str] | None = None,
        schema: Any = None,  # noqa: ANN401 - a path, a dict, a pydantic model
        check: UserCheck | None = None,
        attach: Sequence[tuple[str, bytes]] = (),
        want: Want = "text",
        max_output_tokens: int | None = None,
        temperature: float | None = None,
        label: str | None = None,
    ) -> Reply:
        """Ask a model, durably.

        `prompt` is text, or messages as dicts with role and content. `models` is failover inside the call. `attach`
        holds (media type, bytes) pairs. Raises CallFailed when no answer came, CallRejected when none was accepted.
        """
        spec = self._run.world.spec
        _require(prompt, check, label)
        check_settings(max_output_tokens, temperature)
        checked = self._run.world.schema(schema) if schema is not None else None
        request = Request(
            models=tuple(models) if models else (model,) if model else spec.models,
            messages=self._messages(prompt, attach),
            system=system if system is not None else spec.system,
            schema=checked.canonical.decode() if checked is not None else None,
            max_output_tokens=max_output_tokens if max_output_tokens is not None else spec.max_output_tokens,
            temperature=temperature if temperature is not None else spec.temperature,
            want=want,
        )
        return await self._until_accepted(request, checked, check, label)

    async def _until_accepted(
        self, request: Request, schema: CheckedSchema | None, check: UserCheck | None, label: str | None
    ) -> Reply:
        left = self._run.world.limits.retries_invalid
        while True:
            ended = await self._call(request, schema, check, label)
            if ended.state == "accepted" and ended.answer is not None:
                return _reply(ended, schema)
            if ended.state == "failed":
                raise CallFailed(ended.reason, kind=ended.kind)
            if left == 0 or ended.kind == "check_error" or ended.answer is None:
                raise CallRejected(ended.reason, kind=ended.kind or "rejected")
            left -= 1
            self._run.change("wait", f"asked again: {ended.reason}")
            request = _with_reason(request, ended)

    async def _call(
        self, request: Request, schema: CheckedSchema | None, check: UserCheck | None, label: str | None
    ) -> Ended:
        run = self._run
        if asyncio.get_running_loop() is not run.loop:
            message = "ask was awaited in another thread's event loop"
            raise UsageError(message, hint="await it in the recipe itself; asyncio.to_thread is for work that blocks")
        if run.closing is not None or run.over:
            # Unwound, or a task that the recipe left behind: an item that is over asks no more. One that swallows
            # this and asks again must not keep the loop, and with it the signals, to itself.
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        data = canonical(request)
        digest = digest_of(data)
        nth = run.nth_ask(digest)
        known = run.known(digest, nth)
        if known is not None and known.ended is not None:
            return run.replay(known)
        waiting = Waiting(run, self._as_sent(request), self._endpoints(request))
        waiting.digest, waiting.nth_ask, waiting.packed, waiting.label = digest, nth, data, label
        waiting.schema, waiting.user_check = schema, check
        if known is None:
            waiting.number = run.new_number()
            self._sender.send(waiting)
        elif refused := run.resume_call(waiting, known):
            self._sender.fail_call(waiting, refused, "held")
        else:
            self._sender.send(waiting)
        return await self._end_of(waiting)

    async def _end_of(self, waiting: Waiting) -> Ended:
        self._run.waiting.add(waiting)
        try:
            return await waiting.future
        finally:
            # A recipe's own timeout leaves here: an attempt on its way goes on, one that waits is not begun.
            waiting.abandoned = True
            self._run.waiting.discard(waiting)

    def _as_sent(self, request: Request) -> Request:
        """What a retry round changed goes out, but does not change the call's identity."""
        settings = self._run.world.round
        if settings.max_output_tokens is not None:
            request = msgspec.structs.replace(request, max_output_tokens=settings.max_output_tokens)
        return request

    def _endpoints(self, request: Request) -> list[Any]:
        names = (self._run.world.round.model,) if self._run.world.round.model else request.models
        if not names:
            message = "this ask names no model, and the batch has none"
            raise UsageError(message, hint="give --model, or model= in the ask")
        return [self._run.world.endpoint(name) for name in names]

    def _messages(
        self, prompt: str | Sequence[dict[str, Any]], attach: Sequence[tuple[str, bytes]]
    ) -> tuple[Message, ...]:
        blobs = tuple(self._blob(media, data) for media, data in attach)
        if isinstance(prompt, str):
            return (Message("user", (*blobs, TextPart(prompt))),)
        messages = [_message(turn) for turn in prompt]
        if blobs and messages:
            messages[-1] = Message(messages[-1].role, (*blobs, *messages[-1].parts))
        return tuple(messages)

    def _blob(self, media: str, data: bytes) -> BlobPart:
        if len(data) <= INLINE_MAX:
            return BlobPart(media, sha256(data).hexdigest(), len(data), data=data)
        return BlobPart(media, self._run.world.blobs.put(data), len(data))


def _require(prompt: object, check: object, label: object) -> None:
    """Raise UsageError for what cannot be asked, or cannot judge."""
    if not isinstance(prompt, str | Sequence) or (isinstance(prompt, str) and not prompt.strip()):
        message = f"ask was given {prompt!r}, which is no prompt"
        raise UsageError(message, hint="give it text, or messages as dicts with role and content")
    if check is not None and (not callable(check) or inspect.iscoroutinefunction(check)):
        message = f"check={check!r} cannot judge an answer: it must be a plain function"
        raise UsageError(message, hint="it returns None to accept, or a sentence that says why not")
    if label is not None and not isinstance(label, str):
        message = f"label={label!r} is no text"
        raise UsageError(message)


def judge(waiting: Waiting, answer: Answer) -> Ended:
    """Turn an answer into accepted or rejected. A check that raises anything else is a mistake of the recipe."""
    ended = Ended("accepted")
    ended.answer = answer
    try:
        check = waiting.run.world.check_text if waiting.schema is None else waiting.schema.check
        value = check(answer)
        if waiting.user_check is not None:
            shown = value if waiting.schema is None else waiting.schema.parse(value)
            verdict = waiting.user_check(shown)  # type: ignore[operator]
            _must_not_object(verdict)
        ended.value = value
    except Rejection as reason:
        ended.state, ended.reason, ended.kind = "rejected", str(reason), reason.kind
    except BaseException as error:  # noqa: BLE001 - the user's own code; nothing here awaits, so no cancellation is ours
        ended.state, ended.kind = "rejected", "check_error"
        ended.reason = f"the check raised {type(error).__name__}: {error}"
    return ended


def _must_not_object(verdict: object) -> None:
    if isinstance(verdict, str):
        raise Rejection(verdict)
    if verdict is False:
        message = "the check said no, without a reason"
        raise Rejection(message)


def _reply(ended: Ended, schema: CheckedSchema | None) -> Reply:
    answer = ended.answer
    assert answer is not None
    value: Any = ended.value
    if schema is not None:
        value = schema.parse(schema.check(answer) if value is None else value)
    elif value is None:
        value = answer.text
    return Reply(answer.text, value, answer.usage, ended.cost, ended.model or answer.model, answer.finish, answer.blobs)


def _with_reason(request: Request, ended: Ended) -> Request:
    answer = ended.answer
    assert answer is not None
    said = Message("assistant", (TextPart(answer.text or "(empty)"),))
    mend = Message("user", (TextPart(_REASK.format(reason=ended.reason).strip()),))
    return msgspec.structs.replace(request, messages=(*request.messages, said, mend))


def _message(turn: dict[str, Any]) -> Message:
    role, content = turn.get("role"), turn.get("content")
    if role not in _WORDS:
        message = f"a message has role {role!r}; it must be 'user' or 'assistant' (the system prompt is system=)"
        raise UsageError(message)
    if isinstance(content, str):
        return Message(role, (TextPart(content),))
    parts: list[Part] = []
    for part in content or ():
        if not isinstance(part, dict) or part.get("type") != "text":
            message = "a message part must be {'type': 'text', 'text': ...}; images go through attach="
            raise UsageError(message)
        parts.append(TextPart(part["text"]))
    return Message(role, tuple(parts))
