"""A scenario file is read whole or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from packmule.errors import UsageError
from packmule.sim.scenario import Faults, Jobs, Latency, Scenario, load_scenario, parse_scenario

FULL = """
seed = 7
manner = "hostile"
manner_probability = 0.3
[latency]
median_s = 0.8
sigma = 0.5
drip_bytes_per_s = 10
[limits]
requests_per_min = 600
tokens_per_min = 100000
[faults]
status_429 = 0.01
reset_after = 0.5
[[outages]]
from_s = 30
to_s = 90
kind = "status_529"
[[fail]]
pattern = "lorem ipsum"
status = 422
[jobs]
duration_s = 3
bad_line = "anonymous"
decoys = [100, 41]
[prices."openai/gpt-5-mini"]
input = 0.25
output = 2
"""


def test_an_empty_scenario_answers_at_once_and_never_fails() -> None:
    assert parse_scenario("") == Scenario()


def test_every_key_is_read() -> None:
    scenario = parse_scenario(FULL)
    assert (scenario.seed, scenario.manner, scenario.manner_probability) == (7, "hostile", 0.3)
    assert scenario.latency == Latency(0.8, 0.5, 10)
    assert scenario.faults == Faults(status_429=0.01, reset_after=0.5)
    assert scenario.outages[0].kind == "status_529"
    assert scenario.fail[0].status == 422
    assert scenario.jobs == Jobs(duration_s=3, bad_line="anonymous", decoys=(100, 41))
    assert scenario.prices["openai/gpt-5-mini"].output == 2


@pytest.mark.parametrize(
    ("toml", "said", "hint"),
    [
        ("sed = 1", "unknown key sed", "seed"),
        ("[faults]\nstatus_430 = 0.1", "unknown key faults.status_430", "status_"),
        ("[[outages]]\nfrom = 1", "unknown key outages.from", "from_s"),
        ("[latency]\nmedian_s = 'slow'", "latency.median_s: expected float, got str", ""),
        ("manner = 'rude'", "manner: invalid enum value 'rude'", ""),
        ("[faults]\ncut = 1.5", "faults.cut must be between 0 and 1, not 1.5", ""),
        ("[faults]\ncut = 0.6\ndrip = 0.6", "together have a probability of 1.2", ""),
        ("manner_probability = -1", "manner_probability must be between 0 and 1", ""),
        ("[[outages]]\nfrom_s = 5\nto_s = 5\nkind = 'timeout'", "an outage must end after it begins", ""),
        ("[[outages]]\nfrom_s = 5\nto_s = 6\nkind = 'flood'", "outages", ""),
        ("[[fail]]\npattern = '('", "is not a regular expression", ""),
        ("[[fail]]\npattern = 'x'\nstatus = 200", "fail.status must be between 400 and 599, not 200", ""),
        ("[limits]\nrequests_per_min = 0", "limits.requests_per_min must be at least 1", ""),
        ("[latency]\nmedian_s = inf", "latency.median_s must be 0 or more", ""),
        ("[latency]\ndrip_bytes_per_s = 0", "latency.drip_bytes_per_s must be more than 0", ""),
        ("[prices.x]\ninput = -1\noutput = 1", "prices.x.input must be 0 or more", ""),
        ("[jobs]\nduration = 1", "unknown key jobs.duration", "did you mean duration_s?"),
        ("[jobs]\nbad_line = 'drop'", "jobs.bad_line", ""),
        ("[jobs]\ncreate_lost = 2", "jobs.create_lost must be between 0 and 1, not 2", ""),
        ("[jobs]\nexpire_share = 0.6\nerror_share = 0.6", "together have a probability of 1.2", ""),
        ("[jobs]\nlag_s = -1", "jobs.lag_s must be 0 or more", ""),
        ("[jobs]\ndecoys = [0]", "jobs.decoys must be sizes of at least 1, not 0", ""),
        ("seed =", "is not TOML", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_place(toml: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_scenario(toml, "storm.toml")
    assert caught.value.message.startswith("storm.toml")
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_scenario(tmp_path / "none.toml")


def test_a_file_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(FULL)
    assert load_scenario(tmp_path / "s.toml").seed == 7
