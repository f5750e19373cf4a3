"""The model that tests ask Ollama for: the small one of the server, on one thread.

Ollama gives a model a thread per core, and its threads wait for each other by spinning. Beside a process that
keeps one core busy, a second of work then takes minutes.
"""

from __future__ import annotations

import httpx

MODEL = "smollm2-one-thread:135m"
_SERVED = "smollm2:135m"


def make_model(host: str) -> None:
    """Make the model on a server that serves the small one."""
    with httpx.Client(base_url=host, timeout=60, trust_env=False) as client:
        served = client.get("/api/tags").raise_for_status().json()["models"]
        if MODEL not in {one["name"] for one in served}:
            body = {"model": MODEL, "from": _SERVED, "parameters": {"num_thread": 1}, "stream": False}
            client.post("/api/create", json=body).raise_for_status()
