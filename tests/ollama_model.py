"""The model that tests ask Ollama for: the small one of the server, on one thread.

Ollama gives a model a thread per core, and its threads wait for each other by spinning. Beside a process that
keeps one core busy, a second of work then takes minutes.
"""

from __future__ import annotations

import httpx
import ollama

MODEL = "smollm2-one-thread:135m"
_SERVED = "smollm2:135m"


def make_model(host: str) -> None:
    """Make the model on a server that serves the small one."""
    with ollama.Client(host, timeout=httpx.Timeout(60)) as client:
        if MODEL not in {served.model for served in client.list().models}:
            client.create(MODEL, from_=_SERVED, parameters={"num_thread": 1})
