"""`packmule run --resume FILE`: going on from a checkpoint, from any folder, with its store or without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packmule import compose
from packmule.cli.before import agree, say_dry
from packmule.cli.budget import spelling
from packmule.cli.run import drive, end_over
from packmule.cli.say import hush, say, standing
from packmule.config import CONSENT, Order, limits_of, store_path
from packmule.core.batch import Limits
from packmule.core.money import usd_short
from packmule.core.words import counted
from packmule.errors import UsageError
from packmule.views.estimate import Foreseen, price_of_rest

if TYPE_CHECKING:
    from packmule.compose import Checkpoint, Keeper

WHO = "command line"


def go_on(path: Path, order: Order, given: dict[str, Any]) -> None:
    """Go on from the file, and keep it up to date."""
    _check_words(path, given)
    keeper = compose.Keeper(path, resume=True, force=given["force"])
    checkpoint = keeper.before
    assert checkpoint is not None
    if checkpoint.packmule.status == "cancelled":
        message = f"{path}: {checkpoint.batch_id} is cancelled"
        raise UsageError(message, hint="begin another batch without --resume")
    compose.check_typed(path, checkpoint, order, os.environ)
    note = compose.check_source(path, checkpoint, order.items, force=given["force"])
    if note:
        say(f"Note: {note}")
    found = compose.find_batch(checkpoint, given["store"], os.environ)
    if found is None:
        compose.refuse_said_price(checkpoint, order.limits, path)
        old, plain = checkpoint.packmule.limits, Limits()
        order.limits = limits_of(old, given, spelling(given))
        order.unspoken = frozenset(n for n in CONSENT if getattr(old, n) != getattr(plain, n) and not given[n])
        _carry_over(path, keeper, checkpoint, order, given)
        return
    desk, row = found
    if row.state in compose.OVER:
        keeper.of(desk, row)
        end_over(desk, row, as_json=given["as_json"])
    if not order.dry_run:
        hush(given["progress"])
    say(f"resuming {row.id} from {path}: {standing(row)}")
    limits = limits_of(row.limits, given, spelling(given))
    if order.dry_run:
        seen = Foreseen(row.pending, price_of_rest(row))
        say_dry(desk, seen, row, limits.max_cost, as_json=given["as_json"])
        return
    again = compose.Again(limits, order.recipe, order.out_dir, order.sim_scenario, order.take_over)
    drive(
        desk,
        compose.resume_file(path, checkpoint, desk, row, again, WHO),
        mode=given["progress"],
        as_json=given["as_json"],
        keeper=keeper,
    )


def _check_words(path: Path, given: dict[str, Any]) -> None:
    if given["fresh"]:
        message = "--fresh and --resume contradict each other"
        raise UsageError(message, hint="give one of them")
    for name in ("detach", "pilot"):
        if given[name]:
            message = f"--{name} and --resume cannot be given together"
            raise UsageError(message, hint=f"leave --{name} out")
    other = given["checkpoint"]
    if other is not None and other.absolute() != path.absolute():
        message = "--resume keeps its own file up to date, so --checkpoint has no place beside it"
        raise UsageError(message, hint=f"leave --checkpoint out, or copy {path} and resume the copy")


def _carry_over(path: Path, keeper: Keeper, checkpoint: Checkpoint, order: Order, given: dict[str, Any]) -> None:
    """A new batch from the file, because no store has its old one."""
    facts, counts = checkpoint.packmule, checkpoint.progress
    desk = compose.Desk(store_path(given["store"], os.environ))
    plan = compose.carried(path, checkpoint, order, desk)
    if (given["yes"] or plan.prepared.agreed) and not order.dry_run:
        hush(given["progress"])
    spent = f"{usd_short(int(facts.settled_pico))} spent, {usd_short(int(facts.unknown_pico))} unknown"
    say(f"{checkpoint.batch_id} is in no store here ({facts.store}): a new batch takes over what {path} holds")
    say(f"{counts.completed:,} done and {counts.failed:,} failed, {spent}; {counted(plan.left, 'item')} left")
    if plan.rest > 1:
        say(f"About {usd_short(plan.rest)} for the rest at the price of those done")
    if order.dry_run:
        seen = Foreseen(plan.left, plan.rest if plan.rest > 1 else None)
        say_dry(desk, seen, None, order.limits.max_cost, as_json=given["as_json"])
        return
    agree(plan.prepared, plan.left, yes=given["yes"])
    drive(desk, plan.begin(desk), mode=given["progress"], as_json=given["as_json"], keeper=keeper)
