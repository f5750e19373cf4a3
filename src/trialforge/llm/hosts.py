"""Hosts that share the calls: when a call is tried again, and to which host it goes next."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import ClassVar, Generic, TypeVar

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential
from tenacity.nap import sleep_using_event

from trialforge.core.bounded_http import HungUp, LateAnswer, LongAnswer, Refusal
from trialforge.core.errors import GenerationError
from trialforge.llm.backend import Completion, Request, too_slow
from trialforge.llm.params import LlmParams
from trialforge.llm.pool import answer_all

ATTEMPTS = 3
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
T = TypeVar("T")


class HostDown(Exception):
    """A host does not answer, after several attempts; another may."""


class HostBusy(HostDown):
    """A host has more calls than it takes now; another may take this one, or the same later."""


class Slots:
    """The calls in flight at a host: one fewer for each that finds it busy, one more for each answered."""

    def __init__(self, count: int) -> None:
        self._most = self._open = count
        self._free = threading.Semaphore(count)
        self._lock = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot, as soon as one is free."""
        change = 0
        self._free.acquire()
        try:
            yield
            change = 1
        except HostBusy:
            change = -1
            raise
        finally:
            with self._lock:
                before = self._open
                self._open = min(max(before + change, 1), self._most)
                for _ in range(1 + self._open - before):
                    self._free.release()


class Host:
    """A server at an address; `alive` turns False, and `fault` says why, when it stops answering.

    What asks it raises HostDown where it does not answer, and otherwise as `ask_again`.

    `hints` maps words of a refusal that is about the call itself, or about the set-up, to what mends it: to
    ask again, or elsewhere, is of no use. In a hint `{model}` stands for the model's name.
    """

    kind: ClassVar[str]
    hints: ClassVar[Mapping[str, str]]

    def __init__(self, address: str, params: LlmParams) -> None:
        self.address = address
        self.name = f"{self.kind} at {address}"
        self.alive = True
        self.fault = ""
        self.slots = Slots(params.slots)
        self._params = params

    def close(self) -> None:
        """Close the connections."""

    def ask_again(self, call: Callable[[], T], stop: threading.Event) -> T:
        """Return what a call returns, tried again while its fault may be gone at once.

        Raises:
            HostBusy: the server has too many calls.
            HostDown: the connection, or the model behind it, fails again and again.
            GenerationError: the server refuses, or the answer does not end in time.
        """
        again = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(self._is_passing),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        try:
            return again(call)
        except HungUp as error:
            raise GenerationError(str(error)) from error
        except LateAnswer as error:
            raise too_slow(
                f"an answer of {self.name} did not end within {self._params.call_seconds:g} s"
            ) from error
        except httpx.ReadTimeout as error:
            seconds = f"{self._params.read_seconds:g} s"
            raise too_slow(f"{self.name} said nothing for {seconds}", "read_seconds") from error
        except LongAnswer as error:
            raise GenerationError(
                f"{self.name} sent an invalid answer: {error}", hint="check what runs at that address"
            ) from error
        except Refusal as error:
            if self._is_of_the_call(error):
                raise self.refused(error) from error
            raise self.fail(error) from error
        except httpx.TransportError as error:
            raise self.fail(error) from error

    def refused(self, refusal: Refusal) -> GenerationError:
        """Return the error that says what the server did not like about a call."""
        hint = next((hint for sign, hint in self.hints.items() if sign in str(refusal)), None)
        return GenerationError(
            f"{self.name} refused a call: {refusal}", hint=hint and hint.format(model=self._params.model)
        )

    def fail(self, error: Exception) -> HostDown:
        """Note why the server can't be asked, and return what to raise."""
        self.fault = str(error) if isinstance(error, Refusal) else f"{type(error).__name__} {error}".strip()
        if isinstance(error, Refusal) and error.status in BUSY:
            return HostBusy(self.fault)
        self.alive = False
        return HostDown(self.fault)

    def _is_of_the_call(self, refusal: Refusal) -> bool:
        """Return whether another attempt, or another host, would meet the same refusal."""
        if refusal.status in BUSY:
            return False
        own = refusal.status < httpx.codes.INTERNAL_SERVER_ERROR
        return own or any(sign in str(refusal) for sign in self.hints)

    def _is_passing(self, error: BaseException) -> bool:
        """Return whether a fault of the connection, or of the model behind it, may be gone at once."""
        if isinstance(error, Refusal):
            return error.status not in BUSY and not self._is_of_the_call(error)
        ended = (httpx.ReadTimeout, HungUp, LongAnswer)
        return isinstance(error, httpx.TransportError) and not isinstance(error, ended)


H = TypeVar("H", bound=Host)


class HostGroup(Generic[H]):
    """Hosts that answer as one: each has `llm.slots` calls in flight, and fewer while it is busy.

    A host that is busy, that dies, or whose model dies, gives its calls to the others. Where none is left, or
    none takes a call, a GenerationError is raised.

    Args:
        hosts: those that the environment names.
        params: how many calls each takes, and how long one may take.
        what: such a host in words, for errors.
        start: how to start or name one, for errors.
    """

    def __init__(self, hosts: Sequence[H], params: LlmParams, what: str, start: str) -> None:
        self._hosts = list(hosts)
        self._params = params
        self._what, self._start = what, start
        self._held: list[str] = []

    def keep_reachable(self, reaches: Callable[[H], object]) -> None:
        """Leave out the hosts that can't be reached: `reaches` raises HostDown for them."""
        reached = []
        for host in self._hosts:
            try:
                reaches(host)
            except HostDown:
                host.close()
            else:
                reached.append(host)
        if not reached:
            raise self._none_left()
        self._hosts = reached
        self._held = [""] * (self._params.slots * len(self._hosts))

    def ask_first(self, ask: Callable[[H], T]) -> T:
        """Return what the first host says that answers."""
        for host in self._hosts:
            with suppress(HostDown):
                return ask(host)
        raise self._none_left()

    def ask_each(self, ask: Callable[[H], T]) -> dict[str, T]:
        """Return what each host says that answers, by address."""
        said: dict[str, T] = {}
        for host in self._hosts:
            if host.alive:
                with suppress(HostDown):
                    said[host.address] = ask(host)
        if not said:
            raise self._none_left()
        return said

    def answer_all(
        self, requests: Sequence[Request], ask: Callable[[H, Request, threading.Event], Completion]
    ) -> Iterator[tuple[int, Completion]]:
        """Yield each answer with its request's index, as they finish."""
        workers = [partial(self._answer, place, ask) for place in range(len(self._held))]
        with closing(answer_all(requests, workers, self._held)) as answers:
            yield from answers

    def close(self) -> None:
        """Close the connections."""
        for host in self._hosts:
            host.close()

    def _answer(
        self,
        place: int,
        ask: Callable[[H, Request, threading.Event], Completion],
        request: Request,
        stop: threading.Event,
    ) -> Completion:
        give_up = time.monotonic() + self._params.call_seconds
        for pause in itertools.chain((0.5, 1, 2), itertools.repeat(4)):
            for host in turn_hosts(self._hosts, place):
                with suppress(HostDown), host.slots.take():
                    if host.alive:
                        return ask(host, request, stop)
            if not any(host.alive for host in self._hosts):
                raise self._none_left()
            if stop.wait(pause) or time.monotonic() > give_up:
                break
        raise GenerationError(
            f"no {self._what} took a call within {self._params.call_seconds:g} s ({self._list_faults()})",
            hint="lower llm.slots, let the server queue more calls, or run again later to continue",
        )

    def _none_left(self) -> GenerationError:
        return GenerationError(
            f"no {self._what} answers ({self._list_faults()})",
            hint=f"{self._start}; then run again to continue",
        )

    def _list_faults(self) -> str:
        return "; ".join(f"{host.address}: {host.fault}" for host in self._hosts)


def turn_hosts(hosts: Sequence[H], place: int) -> list[H]:
    """Return the hosts in the order in which a worker tries them.

    Its own is the first; the workers of one host differ in the second, and its calls are spread when it dies.
    """
    turn, own = divmod(place, len(hosts))
    others = [*hosts[own + 1 :], *hosts[:own]]
    first = turn % len(others) if others else 0
    return [hosts[own], *others[first:], *others[:first]]


def agreed(said: Mapping[str, str], what: str, hint: str) -> str:
    """Return what all hosts say, by address: it is part of every call's key, whichever host answers.

    Raises:
        GenerationError: they differ in `what`.
    """
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{address} {value}" for address, value in said.items())
        raise GenerationError(f"the hosts have different {what}: {listed}", hint=hint)
    return next(iter(said.values()))


def replaced(model: str, before: str, now: str) -> GenerationError:
    """Return the error for a model, or its engine, that another took the place of while it was asked."""
    return GenerationError(
        f"{model} was replaced while in use: {before} is now {now}",
        hint="run again: answers of the new model are cached separately",
    )
