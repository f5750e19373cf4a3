"""Model folders made elsewhere: nothing in them runs, and what does not fit is an error that names it."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from trialforge.app.predict import predict_trials
from trialforge.core.errors import LearningError

from .conftest import MODELS, Trained

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

HUGE = 1 << 40


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that is there as soon as anything of a folder has run."""
    return tmp_path / "it-ran"


def script(canary: Path) -> str:
    return f"import pathlib; pathlib.Path({str(canary)!r}).write_text('')"


class Planted:
    """What runs when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (script(self.canary),)


def pickled(canary: Path) -> bytes:
    import pickle

    return pickle.dumps(Planted(canary))


def skops_that_runs(canary: Path) -> bytes:
    """An estimator whose `predict_proba` is a scikit-learn helper that starts Python."""

    def node(name: str, module: str, loader: str, **more: Any) -> dict[str, Any]:
        return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": next(ids), **more}

    def named(**content: Any) -> dict[str, Any]:
        types = [node("str", "builtins", "TypeNode") for _ in content]
        keys = node("list", "builtins", "ListNode", content=types)
        return node("dict", "builtins", "DictNode", content=content, key_types=keys)

    def plain(value: Any) -> dict[str, Any]:
        return node("str", "builtins", "JsonNode", content=json.dumps(value), is_json=True)

    ids = iter(range(1, 99))
    helper = node("assert_run_python_script_without_output", "sklearn.utils._testing", "FunctionNode")
    call = {
        "func": helper,
        "args": node("tuple", "builtins", "TupleNode", content=[plain(script(canary))]),
        "kwds": named(),
        "namespace": plain(None),
    }
    partial = node("partial", "functools", "PartialNode", content=call)
    module = "sklearn.preprocessing._function_transformer"
    schema = node("FunctionTransformer", module, "ObjectNode", content=named(predict_proba=partial))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.16.0"}))
    return file.getvalue()


def remote_code(folder: Path, canary: Path) -> None:
    """Make a folder ask for its own code, as models on the hub do, and answer yes to who asks the user."""
    code = (
        f"{script(canary)}\n"
        "from transformers import BertConfig as Config, BertForSequenceClassification as Model, "
        "BertModel as Base, BertTokenizerFast as Tokenizer\n"
    )
    (folder / "evil.py").write_text(code)
    config = json.loads((folder / "config.json").read_text()) if (folder / "config.json").exists() else {}
    kinds = {
        "AutoConfig": "evil.Config",
        "AutoModel": "evil.Base",
        "AutoModelForSequenceClassification": "evil.Model",
    }
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": kinds}))
    tokenizer = {
        "tokenizer_class": "Evil",
        "auto_map": {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


@pytest.fixture(autouse=True)
def _says_yes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever asks the user whether to run code hears yes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.mark.parametrize("name", MODELS)
def test_files_that_no_model_has_are_never_opened(
    name: str, trained: Trained, parts: dict[str, pl.DataFrame], canary: Path
) -> None:
    folder, _ = trained(name)
    before = predict_trials(folder, parts["test"])
    for file in ("model.pkl", "trees.pkl", "pytorch_model.bin", "optimizer.pt", "model.joblib"):
        (folder / file).write_bytes(pickled(canary))
    (folder / "trees.skops").write_bytes(skops_that_runs(canary))
    adapter = {"base_model_name_or_path": str(folder), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    kept = (folder / "config.json").read_bytes() if name == "transformer" else b"{}"
    remote_code(folder, canary)
    (folder / "config.json").write_bytes(kept)
    index = {"weight_map": {"bert.embeddings.word_embeddings.weight": "../../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    os.mkfifo(folder / "vocab.txt")
    (folder / "special_tokens_map.json").symlink_to("/dev/zero")
    assert predict_trials(folder, parts["test"]) == before
    assert not canary.exists()


def test_an_estimator_that_looks_trusted_does_not_run(
    trained: Trained, parts: dict[str, pl.DataFrame], canary: Path
) -> None:
    folder, _ = trained("gradient-boosting")
    (folder / "trees.skops").write_bytes(skops_that_runs(canary))
    (folder / "trees.safetensors").unlink(missing_ok=True)
    with pytest.raises(LearningError, match=r"no file .*trees\.safetensors"):
        predict_trials(folder, parts["test"])
    assert not canary.exists()


def test_a_fine_tuned_model_brings_no_code(
    trained: Trained, parts: dict[str, pl.DataFrame], canary: Path
) -> None:
    folder, _ = trained("transformer")
    remote_code(folder, canary)
    with pytest.raises(LearningError, match="'evil' is not a type of model"):
        predict_trials(folder, parts["test"])
    assert not canary.exists()


@pytest.mark.parametrize("backend", ["transformers", "sentence-transformers"])
def test_an_encoder_that_a_card_names_brings_no_code(
    backend: str, trained: Trained, parts: dict[str, pl.DataFrame], tiny_encoder: Path, canary: Path
) -> None:
    folder, _ = trained("embedding-logreg")
    evil = Path(shutil.copytree(tiny_encoder, folder / "encoder"))
    remote_code(evil, canary)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil.Base"}]
    (evil / "modules.json").write_text(json.dumps(modules))
    change_card(folder, settings={"encoder": {"backend": backend, "model": str(evil), "window": 32}})
    with pytest.raises(LearningError, match=f"{folder}: .* is not the encoder that params.yaml names"):
        predict_trials(folder, parts["test"])
    assert not canary.exists()


def pickled_weights(encoder: Path) -> None:
    (encoder / "model.safetensors").unlink()
    (encoder / "pytorch_model.bin").write_bytes(b"no pickle")


@pytest.mark.parametrize("named", ["another", "none", "no file"])
@pytest.mark.parametrize(
    "damage",
    [
        pickled_weights,
        lambda encoder: (encoder / "config.json").write_text("[" * 200_000),
        lambda encoder: (encoder / "config.json").write_text("{}"),
        lambda encoder: sparse(encoder / "more.bin"),
    ],
    ids=["no pickle", "nested", "no fields", "of a terabyte"],
)
def test_an_encoder_that_only_the_card_names_is_not_opened(
    damage: Callable[[Path], object],
    named: str,
    trained: Trained,
    parts: dict[str, pl.DataFrame],
    tiny_encoder: Path,
    own_params: Path,
) -> None:
    folder, _ = trained("embedding-logreg")
    foreign = Path(shutil.copytree(tiny_encoder, folder / "encoder"))
    damage(foreign)
    change_card(
        folder, settings={"encoder": {"backend": "transformers", "model": str(foreign), "window": 32}}
    )
    if named == "none":
        own_params.write_text("seed: 1\n")
    elif named == "no file":
        own_params.unlink()
    with pytest.raises(LearningError, match=str(folder)):
        predict_trials(folder, parts["test"])


def test_an_encoder_that_is_not_here_is_not_fetched(
    trained: Trained, parts: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: asked.append(host))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder, _ = trained("embedding-logreg")
    change_card(folder, settings={"encoder": {"backend": "transformers", "model": "someone/else"}})
    with pytest.raises(LearningError, match=r"its encoder is not on this machine.*someone/else"):
        predict_trials(folder, parts["test"])
    assert asked == []


def change_card(folder: Path, **values: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | values))


@pytest.mark.parametrize(
    "values",
    [
        {"model": "../../etc/passwd"},
        {"model": ["tfidf-logreg"]},
        {"settings": {"ngram_max": 10**9}},
        {"settings": {"ngram_max": "2; touch it-ran"}},
        {"settings": {"trust_remote_code": True}},
        {"settings": []},
        {"fields": ["nct_id", "label"]},
        {"fields": "phase"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_card_says_nothing_but_what_a_card_can_say(
    values: dict[str, Any], trained: Trained, parts: dict[str, pl.DataFrame]
) -> None:
    folder, _ = trained("tfidf-logreg")
    change_card(folder, **values)
    with pytest.raises(LearningError, match=str(folder)):
        predict_trials(folder, parts["test"])


def sparse(path: Path) -> None:
    """A file of a terabyte that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(HUGE)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def long_header(path: Path) -> None:
    """A header that promises an array of a terabyte."""
    header = json.dumps(
        {"weights": {"dtype": "F64", "shape": [HUGE], "data_offsets": [0, 8 * HUGE]}}
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def change_arrays(change: Callable[[dict[str, np.ndarray], str], Any]) -> Callable[[Path], None]:
    """Damage of one array, the first by name."""

    def damage(path: Path) -> None:
        arrays = load_file(path)
        change(arrays, min(arrays))
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)

    return damage


FILE_DAMAGE: dict[str, Callable[[Path], None]] = {
    "absent": Path.unlink,
    "a folder": folder_in_place,
    "a device": endless,
    "a pipe": pipe,
    "of a terabyte": sparse,
    "empty": lambda path: path.write_bytes(b"") and None,
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00" * 9) and None,
}
JSON_DAMAGE: dict[str, Callable[[Path], None]] = {
    "a list": lambda path: path.write_text("[1, 2]") and None,
    "null": lambda path: path.write_text("null") and None,
    "nested": lambda path: path.write_text("[" * 200_000) and None,
}
ARRAY_DAMAGE: dict[str, Callable[[Path], None]] = {
    "a long header": long_header,
    "one row more": change_arrays(lambda arrays, name: arrays.update({name: np.append(arrays[name], 1.0)})),
    "integers": change_arrays(lambda arrays, name: arrays.update({name: arrays[name].astype(np.int16)})),
    "one array more": change_arrays(lambda arrays, _: arrays.update(more=np.zeros(3))),
    "one array less": change_arrays(lambda arrays, name: arrays.pop(name)),
    "NaN": change_arrays(lambda arrays, name: arrays.update({name: np.full_like(arrays[name], np.nan)})),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_damage_of_each_file_is_an_error_that_names_it(
    name: str, trained: Trained, parts: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    folder, _ = trained(name)
    trials = parts["test"].head(3)
    unnoticed = []
    for file in sorted(path.name for path in folder.iterdir() if path.suffix != ".md"):
        kinds = FILE_DAMAGE | (JSON_DAMAGE if file.endswith(".json") else ARRAY_DAMAGE)
        for kind, damage in kinds.items():
            broken = Path(shutil.copytree(folder, tmp_path / "broken"))
            damage(broken / file)
            try:
                predict_trials(broken, trials)
                unnoticed.append(f"{file}: {kind}")
            except LearningError as error:
                if file not in str(error) and str(broken) not in str(error):
                    unnoticed.append(f"{file}: {kind} is not named by {error}")
            shutil.rmtree(broken)
    assert unnoticed == []


@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 10**9},
        {"vocab_size": 10**12},
        {"max_position_embeddings": 10**12},
        {"hidden_size": 1 << 40},
        {"hidden_size": -1},
        {"num_attention_heads": 0},
        {"hidden_act": "os.system"},
        {"model_type": "../evil"},
        {"model_type": "gpt2"},
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "someone/kernel"},
        {"quantization_config": {"quant_method": "gptq"}},
        {"transformers_weights": "../../elsewhere.bin"},
        {"fusion_config": {}},
        {"auto_map": {"AutoConfig": "evil.Config"}},
        {"__class__": "os"},
    ],
    ids=str,
)
def test_a_configuration_holds_plain_numbers_that_fit_the_weights(
    values: dict[str, Any], trained: Trained, parts: dict[str, pl.DataFrame]
) -> None:
    folder, _ = trained("transformer")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))
    with pytest.raises(LearningError, match=str(folder)):
        predict_trials(folder, parts["test"])


def test_a_token_that_the_encoder_does_not_know_is_refused(
    trained: Trained, parts: dict[str, pl.DataFrame]
) -> None:
    folder, _ = trained("transformer")
    text = json.loads((folder / "tokenizer.json").read_text())
    text["model"]["vocab"]["stable"] = 1 << 30
    (folder / "tokenizer.json").write_text(json.dumps(text))
    with pytest.raises(LearningError, match=r"tokenizer\.json"):
        predict_trials(folder, parts["test"])


def replaced(old: str, new: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


def charsmap(*texts: str) -> dict[str, Any]:
    """What replaces letters by texts, with a tree that knows no letter."""
    packed = (1024).to_bytes(4, "little") + bytes(1024) + "\0".join(texts).encode()
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(packed).decode()}


AROUND = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
EVERY = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2}
TOKENIZERS: dict[str, dict[str, Any]] = {
    "a panic while it is read": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    },
    "a panic of the tree": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8="}
    },
    "a panic at the first text": {
        "post_processor": {"type": "TemplateProcessing", "single": AROUND, "pair": [], "special_tokens": {}}
    },
    "words without the unknown one": {"model": {"type": "WordLevel", "vocab": EVERY, "unk_token": "none"}},
    "pairs without the unknown one": {
        "model": {"type": "BPE", "vocab": EVERY, "merges": [], "unk_token": "none"}
    },
    "pieces without the unknown one": {
        "model": {"type": "Unigram", "vocab": [["[PAD]", 0.0], ["a", -1.0]], "unk_id": None}
    },
    "a chain": {"normalizer": sequence(*[replaced("e", "e" * 50)] * 8)},
    "one step": {"normalizer": replaced("e", "e" * 10**6)},
    "between letters": {
        "normalizer": sequence(*[{"type": "Replace", "pattern": {"Regex": ""}, "content": "e"}] * 40)
    },
    "a chain within": {"normalizer": sequence(*[sequence(*[replaced("e", "ee")] * 4)] * 10)},
    "a chain without a type": {"normalizer": {"normalizers": [replaced("e", "e" * 50)] * 8}},
    "a front": {"normalizer": sequence(*[{"type": "Prepend", "prepend": "e" * 10**4}] * 10**3)},
    "a tree of long texts": {"normalizer": charsmap("e" * 10**6)},
    "bytes of bytes": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 40}},
    "the text again and again": {
        "post_processor": {
            "type": "TemplateProcessing", "single": AROUND[1:] * 10**5, "pair": [], "special_tokens": {}
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_neither_crashes_nor_fills_the_memory(
    kind: str, trained: Trained, parts: dict[str, pl.DataFrame]
) -> None:
    folder, _ = trained("transformer")
    text = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(text | TOKENIZERS[kind]))
    with pytest.raises(LearningError, match=str(folder)):
        predict_trials(folder, parts["test"])


@pytest.mark.parametrize(
    "changed",
    [
        {"normalizer": None},
        {
            "normalizer": sequence(
                replaced("``", '"'), replaced("''", '"'), {"type": "NFKD"}, charsmap("e" * 18)
            )
        },
        {"normalizer": sequence({"type": "Replace", "pattern": {"Regex": r"\s{2,}"}, "content": " "})},
        {"pre_tokenizer": BYTES},
    ],
    ids=["none", "ALBERT", "DeBERTa", "RoBERTa"],
)
def test_the_tokenizers_of_encoders_are_read(
    changed: dict[str, Any], trained: Trained, parts: dict[str, pl.DataFrame]
) -> None:
    folder, _ = trained("transformer")
    text = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(text | changed))
    assert len(predict_trials(folder, parts["test"])) == parts["test"].height


def test_words_and_weights_belong_together(trained: Trained, parts: dict[str, pl.DataFrame]) -> None:
    folder, _ = trained("tfidf-svm")
    words = json.loads((folder / "words.json").read_text())
    for wrong in ([*words[:-1], words[0]], words[:-1], [*words, "more"], [1, *words[1:]], []):
        (folder / "words.json").write_text(json.dumps(wrong))
        with pytest.raises(LearningError, match="words"):
            predict_trials(folder, parts["test"])


def test_fields_are_those_of_a_trial(trained: Trained, parts: dict[str, pl.DataFrame]) -> None:
    folder, _ = trained("gradient-boosting")
    fields = json.loads((folder / "fields.json").read_text())
    for wrong in (
        fields | {"numbers": [*fields["numbers"], "label"]},
        fields | {"numbers": fields["numbers"][::-1]},
        fields | {"categories": {**fields["categories"], "nct_id": ["NCT00000001"]}},
        fields | {"categories": {"phase": [str(number) for number in range(300)]}},
        fields | {"categories": {}},
    ):
        (folder / "fields.json").write_text(json.dumps(wrong))
        with pytest.raises(LearningError, match=str(folder)):
            predict_trials(folder, parts["test"])


@pytest.mark.parametrize("name", ["gradient-boosting", "transformer"])
def test_links_of_a_cache_are_followed(
    name: str, trained: Trained, parts: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    """DVC can keep the files of a folder as symbolic links into its cache."""
    folder, _ = trained(name)
    before = predict_trials(folder, parts["test"])
    cache = Path(shutil.copytree(folder, tmp_path / "cache"))
    for path in list(folder.iterdir()):
        path.unlink()
        path.symlink_to(cache / path.name)
    assert predict_trials(folder, parts["test"]) == before
