"""Which fields are fixed when an experiment starts, and that meaning counts, not spelling."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.config import binding
from overnight.config.load import load_config, restore_config
from overnight.config.models import ExperimentFile

BASE = {
    "experiment": {"name": "study"},
    "model": {"name": "invented", "api_url": "http://localhost/v1"},
    "data": {"file": "narratives.csv"},
}

USUAL_ANSWER = {
    "primary": "detected",
    "fields": {
        "detected": {"type": "boolean"},
        "confidence": {"type": "number", "min": 0, "max": 1},
        "indicators": {"type": "list", "of": "string"},
        "rationale": {"type": "string"},
    },
}


def binding_fields(tree: dict) -> dict:
    return binding.binding_fields(ExperimentFile.model_validate(tree))


def binding_digest(tree: dict) -> str:
    return binding.binding_digest(ExperimentFile.model_validate(tree))


def mapping_json(tree: dict) -> str:
    return binding.mapping_json(ExperimentFile.model_validate(tree).data)


def changed(section: str, **values: object) -> dict:
    return {**BASE, section: {**BASE.get(section, {}), **values}}


BINDS = [
    ("model", {"provider": "lmstudio"}),
    ("model", {"name": "another"}),
    ("model", {"temperature": 0}),
    ("model", {"top_p": 0.9}),
    ("model", {"max_tokens": 999}),
    ("model", {"reasoning_effort": "low"}),
    ("model", {"extra_body": {"top_k": 1}}),
    ("model", {"context": 8192}),
    ("prompt", {"system_prompt": "Judge."}),
    ("prompt", {"user_template": "<<TEXT>>."}),
    ("run", {"seed": 1}),
    ("run", {"max_narratives": 50}),
    ("output", {"fields": {"a": {"type": "boolean"}}}),
    ("output", {**USUAL_ANSWER, "primary": None}),
]


@pytest.mark.parametrize(("section", "values"), BINDS)
def test_what_shapes_answers_binds(section, values):
    before, after = binding_fields(BASE), binding_fields(changed(section, **values))
    differing = [name for name in after if before[name] != after[name]]

    assert binding_digest(changed(section, **values)) != binding_digest(BASE)
    assert differing == (["output"] if section == "output" else [f"{section}.{next(iter(values))}"])


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("experiment", {"name": "renamed", "author": "me", "notes": "new"}),
        ("model", {"api_url": "http://elsewhere/v1"}),
        ("model", {"api_key_env": "OTHER", "timeout_sec": "10m", "headers": {"X-A": "b"}}),
        ("model", {"threads": 2}),
        ("model", {"price": {"input": 0.4, "output": 1.6, "currency": "EUR"}}),
        ("prompt", {"version": "v2", "author": "me"}),
        ("data", {"file": "copy.csv", "sheet": "b"}),
        ("run", {"concurrency": 8, "save_csv_json": False, "save_incremental": False}),
        ("run", {"max_attempts": 2, "drain_sec": 5}),
        ("privacy", {"local_only": True}),
    ],
)
def test_how_calls_are_made_does_not_bind(section, values):
    assert binding_digest(changed(section, **values)) == binding_digest(BASE)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("model", {"provider": "openai"}),
        ("model", {"max_tokens": 1000}),
        ("model", {"max_tokens": 1000.0}),
        ("model", {"max_tokens": "1000"}),
        ("model", {"temperature": None, "top_p": None, "reasoning_effort": None}),
        ("model", {"extra_body": {}}),
        ("model", {"context": 4096}),
        ("prompt", {}),
        ("prompt", {"system_prompt": "", "user_template": "<<TEXT>>"}),
        ("run", {"seed": 0, "max_narratives": None}),
        ("output", USUAL_ANSWER),
        ("output", {**USUAL_ANSWER, "fields": {**USUAL_ANSWER["fields"]}}),
    ],
)
def test_a_default_written_out_is_the_same_as_left_out(section, values):
    assert binding_fields(changed(section, **values)) == binding_fields(BASE)
    assert binding_digest(changed(section, **values)) == binding_digest(BASE)


def test_a_section_that_is_null_is_the_same_as_left_out():
    tree = {**BASE, "prompt": None, "run": None, "output": None}
    assert binding_digest(tree) == binding_digest(BASE)


@pytest.mark.parametrize(
    ("section", "one", "other"),
    [
        ("model", {"temperature": 0}, {"temperature": 0.0}),
        ("model", {"temperature": "0.2"}, {"temperature": 0.2}),
        ("run", {"max_narratives": 1e6}, {"max_narratives": 1000000}),
        ("model", {"name": 4}, {"name": "4"}),
        (
            "output",
            {"fields": {"a": {"type": "enum", "values": [1, 2]}}},
            {"fields": {"a": {"type": "enum", "values": ["1", "2"], "required": True}}},
        ),
        (
            "output",
            {"fields": {"a": {"type": "number", "max": 1}}},
            {"fields": {"a": {"max": 1.0, "type": "number", "min": None, "description": ""}}},
        ),
    ],
)
def test_spelling_does_not_bind(section, one, other):
    assert binding_digest(changed(section, **one)) == binding_digest(changed(section, **other))


def test_the_order_of_keys_does_not_bind_but_that_of_answer_fields_does():
    backwards = dict(reversed([(k, dict(reversed(v.items()))) for k, v in BASE.items()]))
    assert binding_digest(backwards) == binding_digest(BASE)
    fields = {"a": {"type": "string"}, "b": {"type": "string"}}
    one = changed("output", fields=fields)
    other = changed("output", fields=dict(reversed(fields.items())))
    assert binding_digest(one) != binding_digest(other), "a model answers in the order asked"


def test_a_variable_binds_by_what_it_holds(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(changed("model", name="${MODEL}")))
    one, other, same = (load_config(file, {"MODEL": name}).values for name in ("a", "b", "a"))
    assert binding.binding_digest(one) == binding.binding_digest(same)
    assert binding.binding_digest(one) != binding.binding_digest(other)


def test_prompt_texts_bind_not_the_files_they_stand_in(tmp_path):
    (tmp_path / "system.txt").write_text("Judge.", encoding="utf-8")
    inline, by_file = tmp_path / "a.yaml", tmp_path / "b.yaml"
    inline.write_text(json.dumps(changed("prompt", system_prompt="Judge.")))
    by_file.write_text(json.dumps(changed("prompt", system_prompt_file="system.txt")))

    digests = {binding.binding_digest(load_config(f).values) for f in (inline, by_file)}
    assert len(digests) == 1


def test_the_mapping_tells_how_the_file_is_read_and_nothing_else():
    assert mapping_json(BASE) == "{}"
    assert mapping_json(changed("data", file="other.csv", sheet=None, columns=None)) == "{}"
    columns = {"id": "Case", "text": {"cme": "Text"}}
    one = mapping_json(changed("data", columns=columns))
    assert one != "{}"
    assert (
        mapping_json(changed("data", columns={**columns, "label": {}, "case_label": None})) == one
    )
    assert mapping_json(changed("data", columns={**columns, "id": "Other"})) != one
    for how in ({"sheet": "b"}, {"sheet": 0}, {"encoding": "latin-1"}, {"delimiter": ";"}):
        assert mapping_json(changed("data", **how)) != "{}"
    tab = mapping_json(changed("data", delimiter="\t"))
    assert mapping_json(changed("data", delimiter="\\t")) == tab


# --- a stored configuration comes back ---------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
names = words.filter(lambda word: word.strip() != "")
numbers = st.floats(0.01, 5, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def section(required: dict, optional: dict) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        required, optional={key: st.none() | value for key, value in optional.items()}
    )


plain_fields = st.one_of(
    section({"type": st.just("boolean")}, {"description": words, "required": st.booleans()}),
    section({"type": st.sampled_from(["number", "integer"])}, {"min": st.just(0), "max": numbers}),
    section({"type": st.just("string")}, {"max_length": st.integers(1, 99)}),
    section({"type": st.just("enum"), "values": st.just(["a", 11, "c"])}, {}),
    section(
        {"type": st.just("list")},
        {"of": st.sampled_from(["string", "integer"]), "max_items": st.integers(1, 9)},
    ),
)
valid_trees = section(
    {
        "experiment": section({"name": names}, {"author": words, "notes": words}),
        "model": section(
            {"name": names, "api_url": st.just("http://localhost:${PORT}/v1")},
            {
                "provider": st.sampled_from(["openai", "mlx"]),
                "temperature": numbers,
                "max_tokens": st.integers(1, 10**6),
                "timeout_sec": st.sampled_from([1, 2.5, "90s", "6h", "${T}"]),
                "extra_body": st.dictionaries(words, json_values, max_size=3),
                "headers": st.dictionaries(st.sampled_from(["X-A", "X-B"]), words),
            },
        ),
        "data": section(
            {"file": st.just("narratives.csv")},
            {
                "sheet": names | st.integers(0, 3),
                "delimiter": st.sampled_from([",", "\t", "\\t"]),
                "columns": section(
                    {
                        "id": names | st.lists(names, min_size=1, max_size=2),
                        "text": st.dictionaries(names, names, min_size=1, max_size=2),
                    },
                    {"case_label": names},
                ),
            },
        ),
    },
    {
        "prompt": section(
            {},
            {
                "version": words,
                "system_prompt": words.map(lambda word: "$${X} ${PORT} " + word.replace("$", "")),
                "user_template": words.map(lambda word: word.replace("$", "") + " <<TEXT>>"),
            },
        ),
        "run": section(
            {},
            {
                "seed": st.integers(0, 2**30),
                "max_narratives": st.integers(1, 10**7),
                "concurrency": st.just("auto") | st.integers(1, 64),
                "drain_sec": st.sampled_from([1, "5s", "2m"]),
                "save_csv_json": st.booleans(),
            },
        ),
        "privacy": section({}, {"local_only": st.booleans()}),
        "output": section({"fields": st.dictionaries(names, plain_fields, min_size=1)}, {}),
    },
)
ENVIRON = {"PORT": "1234", "T": "15m"}


@settings(max_examples=60, deadline=None)
@given(tree=valid_trees)
def test_any_valid_configuration_survives_being_stored(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("study")
    file = folder / "study.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    first = load_config(file, ENVIRON)
    again = restore_config(json.loads(first.stored_json), Path("/elsewhere"), ENVIRON)

    assert again.values == first.values
    assert again.stored_json == first.stored_json
    assert binding.binding_digest(again.values) == binding.binding_digest(first.values)
    assert binding.mapping_json(again.values.data) == binding.mapping_json(first.values.data)
    assert again.values.data.file == folder / "narratives.csv"
    drain = again.values.run.drain_sec
    assert math.isfinite(drain)
