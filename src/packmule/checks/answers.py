"""Whether there is an answer at all: refusals, filtered, cut and empty ones are rejected unread.

A cut answer may be good enough as text, and never as JSON, even when what came happens to parse.
"""

from __future__ import annotations

from packmule.core.calls import Answer
from packmule.core.ports import Rejection

SHOWN_CHARS = 200


def shortened(text: str, most: int = SHOWN_CHARS) -> str:
    """The text on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} ..."


def whole_text(answer: Answer) -> str:
    """The text of an answer that ended by itself. Raises Rejection for every other one."""
    if answer.finish == "length":
        raise Rejection(_cut(answer), "length")
    return usable_text(answer)


def usable_text(answer: Answer) -> str:
    """The text, whole or cut. Raises Rejection for a refusal, a filtered and an empty answer."""
    if answer.finish == "refusal":
        said = f": {shortened(answer.text)}" if answer.text.strip() else ""
        reason = f"the model refused to answer{said}"
        raise Rejection(reason, "refusal")
    if answer.finish == "content_filter":
        reason = "the provider's content filter withheld the answer"
        raise Rejection(reason, "content_filter")
    if not answer.text.strip() and not answer.blobs:
        if answer.finish == "length":
            raise Rejection(_cut(answer), "length")
        reason = "the answer was empty"
        raise Rejection(reason, "empty")
    return answer.text


def _cut(answer: Answer) -> str:
    bound = f" of {answer.usage.tokens_out:,} tokens" if answer.usage else ""
    when = "before its first word" if not answer.text.strip() else "before it was complete"
    return f"the answer was cut at the output bound{bound} {when}: answer more briefly, or raise the bound"


def check_text(answer: Answer) -> str:
    """The check of a call without a schema: the answer's text."""
    return usable_text(answer)
