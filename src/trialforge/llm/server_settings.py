"""Which settings a server heeds, found by asking: most take any, and say nothing of those they ignore.

Each test asks a few short questions whose answers differ, or agree, only if the setting works. The server may
add numbers in another order from one call to the next, and a word may tip over: so a test has several tries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from trialforge.llm.backend import Sampling

TOKENS = 10  # of each answer: at this temperature no two are equal by chance
HOT = 2.0
QUESTIONS = ("List rare words.", "Invent names of places.", "Write a strange sentence.")
REPEATING = "Write this again and again, and nothing else: one two three one two three one two three one"
# Asks a server, by a question and fields of the call; None stands for a refusal.
Say = Callable[..., str | None]
# Each leaves the likeliest word alone.
NARROWEST: dict[str, float] = {"top_p": 0.001, "top_k": 1, "min_p": 1.0}
OFF = {"top_p": 1, "top_k": 0, "min_p": 0, "repeat_penalty": 1, "dry_multiplier": 0}
EVERY_WORD = 1 << 30  # as `top_k`: some servers take no 0


def heeds(setting: str, say: Say) -> bool:
    """Return whether a server does what a field of Sampling, or the seed, asks for."""
    test, questions = _TESTS[setting]
    return any(test(partial(say, question)) for question in questions)


def needed_settings(sampling: Sampling) -> dict[str, bool]:
    """Return the settings of a call, each with whether it must be heeded: else it may be left out.

    One that is off is told as well to a server that knows it, which may have a value of its own.
    """
    needed = {"temperature": True}
    if sampling.temperature > 0:
        needed |= {"seed": True, "top_p": sampling.top_p < 1}
        needed |= {"top_k": sampling.top_k > 0, "min_p": sampling.min_p > 0}
    penalties = {
        "repeat_penalty": sampling.repeat_penalty != 1,
        "dry_multiplier": sampling.dry_multiplier > 0,
    }
    return needed | {name: True for name, on in penalties.items() if on}


def sampling_fields(sampling: Sampling, heeded: Mapping[str, bool], context_tokens: int) -> dict[str, Any]:
    """Return the fields of a call that say how it is sampled, as far as the server heeds them."""
    fields: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    if sampling.temperature > 0:
        drawn = {"top_p": sampling.top_p, "top_k": sampling.top_k or EVERY_WORD, "min_p": sampling.min_p}
        fields |= {name: value for name, value in drawn.items() if heeded.get(name)}
    if sampling.repeat_penalty != 1:
        fields |= _repeat_fields(sampling.repeat_penalty)
    if sampling.dry_multiplier > 0:
        fields |= _dry_fields(sampling.dry_multiplier, sampling.dry_allowed_length, context_tokens)
    return fields


def _repeat_fields(penalty: float) -> dict[str, Any]:
    return {"repeat_penalty": penalty, "repetition_penalty": penalty}  # llama.cpp's name, and that of others


def _dry_fields(multiplier: float, allowed_length: int, context_tokens: int) -> dict[str, Any]:
    # Repeats of anything in the context count: prompts show what must not be copied.
    return {
        "dry_multiplier": multiplier,
        "dry_allowed_length": allowed_length,
        "dry_penalty_last_n": context_tokens,
    }


def _equal(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _heeds_temperature(ask: Say) -> bool:
    return _equal(ask(temperature=0), ask(temperature=0))


def _heeds_seed(ask: Say) -> bool:
    first = ask(temperature=HOT, seed=1)
    return _equal(first, ask(temperature=HOT, seed=1)) and first != ask(temperature=HOT, seed=2)


def _narrows(fields: dict[str, Any], ask: Say) -> bool:
    return _equal(ask(temperature=HOT, seed=1, **fields), ask(temperature=HOT, seed=2, **fields))


def _penalises(fields: dict[str, Any], ask: Say) -> bool:
    free, bound = ask(temperature=0), ask(temperature=0, **fields)
    return bound is not None and free != bound


_TESTS: dict[str, tuple[Callable[[Say], bool], Sequence[str]]] = {
    "temperature": (_heeds_temperature, QUESTIONS),
    "seed": (_heeds_seed, QUESTIONS),
    **{name: (partial(_narrows, {name: value}), QUESTIONS) for name, value in NARROWEST.items()},
    "repeat_penalty": (partial(_penalises, _repeat_fields(2.0)), (REPEATING,)),
    "dry_multiplier": (partial(_penalises, _dry_fields(5.0, 1, 256)), (REPEATING,)),
}
