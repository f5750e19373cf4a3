"""llama.cpp's server in a process of its own, which ends with the process that started it.

Two servers in one process crash now and then: llguidance's tokenizer lies in a static variable of llama.cpp,
and each server frees the other's. A crash here also leaves the run alive to say what happened.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any, cast

from trialforge.core.errors import GenerationError

_CLOSE_SECONDS = 5
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What one server is started with; each of its slots has the whole of `context_tokens`."""

    path: str
    context_tokens: int
    slots: int
    threads: int
    exact: bool
    token: str


class EngineProcess:
    """A server that is starting; `wait_for_address` returns when it has loaded the model."""

    def __init__(self, settings: EngineSettings) -> None:
        self._path = settings.path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trialforge.llm.engine_process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask = cast("IO[str]", self._process.stdin)
        self._told = cast("IO[str]", self._process.stdout)
        with suppress(BrokenPipeError):  # it has ended already, and `wait_for_address` says how
            self._ask.write(json.dumps(asdict(settings)) + "\n")
            self._ask.flush()

    def wait_for_address(self, seconds: float) -> str:
        """Return the server's address.

        Raises:
            GenerationError: the model can't be loaded, or not in so many seconds.
        """
        if not select.select([self._told], [], [], seconds)[0]:
            self._process.kill()
            self.close()
            raise GenerationError(
                f"{self._path} did not load within {seconds:g} s",
                hint="raise llm.call_seconds, or use a smaller model",
            )
        said = self._told.readline()
        found = json.loads(said) if said else {"error": self.say_end()}
        if "error" in found:
            self.close()
            raise GenerationError(
                f"{self._path} can't be loaded: {found['error']}",
                hint="the file is incomplete, or the machine has too little memory: "
                "lower llm.slots or llm.context_tokens",
            )
        return str(found["address"])

    def say_end(self) -> str:
        """Return how the process ended."""
        try:
            code = self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return "the engine's process does not answer"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return f"the engine's process ended {how}"

    def close(self) -> None:
        """End the process; what it is answering is lost."""
        with suppress(BrokenPipeError):
            self._ask.close()
        self._told.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _start(settings: EngineSettings) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.n_ctx = settings.context_tokens * settings.slots
    params.n_parallel = settings.slots
    params.fit_params = False  # it would make the context smaller without a word
    params.cache_ram_mib = 0  # a slot keeps its own prefix; groups of calls stay in their slot
    for cores in (params.cpuparams, params.cpuparams_batch):
        cores.n_threads = settings.threads
        cores.poll = 0  # waiting threads sleep, or a busy machine crawls
    params.api_keys = [settings.token]  # its port is open to every process of this machine
    params.warmup = False
    params.verbosity = 0
    if settings.exact:
        make_exact(params)
    return xllamacpp.Server(params)


def make_exact(params: Any) -> None:
    """Change llama.cpp's parameters so that an answer is equal bytes however it is computed."""
    import xllamacpp

    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F16
    params.no_extra_bufts = True


def die_with(parent: int, *, tied: bool = True) -> None:
    """Have Linux kill this process when the thread that started it ends; or no more, unless `tied`.

    Elsewhere this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if tied else 0)
    if tied and os.getppid() != parent:  # it had ended before
        os._exit(1)


def main(parent: int) -> None:
    """Serve until standard input ends, as it does when the other process closes it or dies.

    Nothing can be read while the model loads: the engine holds Python's lock until it has.
    """
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the run, which then closes this
    try:
        with os.fdopen(os.dup(1), "w") as answer:
            os.dup2(2, 1)  # what the engine itself prints is no answer
            settings = EngineSettings(**json.loads(sys.stdin.readline()))
            try:
                server = _start(settings)
                found = {"address": server.listening_address}
            except (RuntimeError, ValueError, OSError, MemoryError) as error:
                found = {"error": str(error)}
            answer.write(json.dumps(found) + "\n")
        die_with(parent, tied=False)  # the thread that started it may end before the run does
        if "address" in found:
            sys.stdin.read()
    except BrokenPipeError:  # the other process died meanwhile
        pass
    os._exit(0)  # calls that nobody waits for any more would hold it up


if __name__ == "__main__":
    main(int(sys.argv[1]))
