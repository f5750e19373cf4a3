"""The embedded engine on a Dask cluster: each worker has its own, over its own copy of the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from trialforge.core.errors import GenerationError
from trialforge.core.pieces import is_wanted, map_as_completed
from trialforge.llm.backend import Completion, Message, Request
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.models import find_model
from trialforge.llm.params import LlmParams
from trialforge.llm.pool import group_requests, prompt_text
from trialforge.llm.schemas import check_forcing

_answering = threading.Lock()
_engines: dict[str, EmbeddedGenerator] = {}  # of this process, by parameters and digest; one at most


class ClusterGenerator:
    """A TextGenerator whose calls are answered by the workers of a cluster.

    Args:
        own: the engine of the machine that asks: it counts tokens, and answers what is too little to be sent.
        params: what each worker starts its engine with.
    """

    def __init__(self, own: EmbeddedGenerator, params: LlmParams) -> None:
        self.engine, self.model, self.model_digest = own.engine, own.model, own.model_digest
        self.context_tokens = own.context_tokens
        self._own, self._params = own, params

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the chat, template included."""
        return self._own.count_tokens(messages)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as the pieces finish that hold them."""
        if len(requests) <= self._params.slots:
            yield from self._own.complete(requests)
            return
        pieces = Pieces(requests, self._params.slots)
        work = partial(answer_elsewhere, self._params, self.model_digest)
        with closing(map_as_completed(work, pieces)) as answered:
            for number, answers in answered:
                yield from zip(pieces.indices[number], answers, strict=True)

    def close(self) -> None:
        """Free the model of this machine; workers keep theirs for the next stage."""
        self._own.close()


class Pieces(Iterator[list[Request]]):
    """Requests in pieces of at most `most`; it goes on after its end when more were appended to `requests`.

    `indices` has those of the requests of each piece so far.
    """

    def __init__(self, requests: Sequence[Request], most: int) -> None:
        self.indices: list[list[int]] = []
        self._requests, self._most, self._cut = requests, most, 0

    def __next__(self) -> list[Request]:
        near = self._requests[self._cut : self._cut + 2 * self._most]
        if not near:
            raise StopIteration
        first = cut_pieces([prompt_text(request) for request in near], self._most)[0]
        self.indices.append([self._cut + place for place in first])
        self._cut += len(first)
        return [near[place] for place in first]


def cut_pieces(texts: Sequence[str], most: int) -> list[list[int]]:
    """Return the indices of prompts in pieces of at most `most`, those that share their start together."""
    pieces: list[list[int]] = []
    for group in group_requests(texts):
        for start in range(0, len(group), most):
            part = group[start : start + most]
            if pieces and len(pieces[-1]) + len(part) <= most:
                pieces[-1] += part
            else:
                pieces.append(part)
    return pieces


def answer_elsewhere(params: LlmParams, digest: str, requests: Sequence[Request]) -> list[Completion]:
    """Return the answers of this worker's engine, which is started by its first piece.

    Raises:
        GenerationError: the worker lacks the model or has another of that name, or its engine fails.
    """
    with _answering:  # its slots work on one piece at once
        generator = _own_engine(params, digest)
        answers: dict[int, Completion] = {}
        try:
            with closing(generator.complete(requests)) as answered:
                for index, completion in answered:
                    answers[index] = completion
                    if not is_wanted():
                        return []
        except GenerationError:
            _close_engines()  # it may be dead
            raise
        return [answers[index] for index in range(len(requests))]


def _own_engine(params: LlmParams, digest: str) -> EmbeddedGenerator:
    key = f"{digest} {params.model_dump_json()}"
    if key not in _engines:
        _close_engines()
        model = find_model(params)
        if model.digest != digest:
            raise GenerationError(
                f"`llm.model`: {params.model} has SHA-256 {model.digest} here, not {digest}",
                hint="copy the same file to each worker, or pin it with llm.sha256",
            )
        engine = EmbeddedGenerator(model, params)
        check_forcing(engine)
        _engines[key] = engine
    return _engines[key]


def _close_engines() -> None:
    while _engines:
        _engines.popitem()[1].close()
