"""What a value means: variables, null, durations, the habits of R, paths."""

import json
import os
from pathlib import Path

import pytest

from overnight.config.declared import declared_price
from overnight.config.load import load_config, resolve_path, restore_config
from overnight.domain.cost import Price

# --- variables -------------------------------------------------------------------------------


def test_a_variable_is_expanded_for_the_run_and_stored_as_written(loaded, minimal):
    text = minimal.replace("http://localhost:1234/v1", "http://${HOST}:${PORT}/v1")
    config = loaded(text, HOST="127.0.0.1", PORT="8080")

    assert config.values.model.api_url == "http://127.0.0.1:8080/v1"
    assert config.stored["model"]["api_url"] == "http://${HOST}:${PORT}/v1"
    assert "127.0.0.1" not in config.stored_json


def test_a_variable_may_stand_for_a_number(loaded, minimal):
    config = loaded(minimal + "run:\n  seed: ${SEED}\n", SEED="7")
    assert config.values.run.seed == 7
    assert config.stored["run"]["seed"] == "${SEED}"


def test_a_variable_is_expanded_anew_at_each_session(loaded, minimal):
    stored = loaded(minimal.replace("localhost", "${HOST}"), HOST="one").stored
    again = restore_config(stored, Path.cwd(), {"HOST": "two"})
    assert again.values.model.api_url == "http://two:1234/v1"


def test_two_dollars_write_what_looks_like_a_variable(loaded, minimal):
    config = loaded(minimal + 'prompt:\n  system_prompt: "cost: $${X}, $5, ${Y}, $$"\n', Y="y")
    assert config.values.prompt.system_prompt == "cost: ${X}, $5, y, $$"
    assert config.stored["prompt"]["system_prompt"] == "cost: $${X}, $5, ${Y}, $$"


def test_an_empty_variable_is_set(loaded, minimal):
    config = loaded(minimal + "prompt:\n  system_prompt: '[${NOTHING}]'\n", NOTHING="")
    assert config.values.prompt.system_prompt == "[]"


def test_variables_are_expanded_inside_lists_and_deep_down(loaded, minimal):
    text = minimal.replace(
        "  api_url",
        "  extra_body: {a: [{b: '${DEEP}'}]}\n  headers: {X-Team: '${DEEP}'}\n  api_url",
    )
    config = loaded(text, DEEP="down")
    assert config.values.model.extra_body == {"a": [{"b": "down"}]}
    assert config.values.model.headers == {"X-Team": "down"}


def test_the_text_of_a_prompt_file_may_name_variables_too(loaded, minimal, tmp_path):
    (tmp_path / "system.txt").write_text("You work for ${TEAM}.")
    config = loaded(minimal + "prompt:\n  system_prompt_file: system.txt\n", TEAM="us")
    assert config.values.prompt.system_prompt == "You work for us."
    assert config.stored["prompt"] == {"system_prompt": "You work for ${TEAM}."}


def test_the_name_of_a_prompt_file_may_hold_a_variable(loaded, minimal, tmp_path):
    (tmp_path / "v2.txt").write_text("Second version.")
    config = loaded(minimal + "prompt:\n  system_prompt_file: ${VERSION}.txt\n", VERSION="v2")
    assert config.values.prompt.system_prompt == "Second version."


def test_a_data_file_named_by_a_variable_is_found_beside_the_configuration(
    loaded, minimal, tmp_path
):
    config = loaded(minimal.replace("narratives.csv", "${WHICH}.csv"), WHICH="pilot")
    assert config.values.data.file == tmp_path / "pilot.csv"
    assert config.stored["data"]["file"] == "${WHICH}.csv"


# --- what is left out ------------------------------------------------------------------------


def test_null_means_left_out_everywhere(loaded, minimal):
    text = minimal.replace(
        "  name: invented\n", "  name: invented\n  temperature: null\n  max_tokens: ~\n"
    )
    config = loaded(
        text + "prompt: null\nrun:\n  max_narratives: NULL\n  seed:\n  concurrency: Null\noutput:\n"
    )
    assert config.values == loaded(minimal).values


def test_what_is_left_out_has_the_documented_default(loaded, minimal):
    values = loaded(minimal).values
    assert values.model.provider == "openai"
    assert (values.model.max_tokens, values.model.timeout_sec) == (1000, 300.0)
    assert values.model.temperature is None
    assert values.prompt.user_template == "<<TEXT>>"
    assert (values.run.seed, values.run.max_narratives, values.run.concurrency) == (0, None, "auto")
    assert (values.run.max_attempts, values.run.drain_sec) == (6, 20)
    assert [f.name for f in values.answer.fields] == [
        "detected",
        "confidence",
        "indicators",
        "rationale",
    ]
    assert values.privacy.local_only is False


# --- durations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("2.5", 2.5),
        ("90s", 90),
        ("15m", 900),
        ("6h", 21600),
        ("7d", 604800),
        ("'6 h'", 21600),
        ("1.5h", 5400),
        ("'300'", 300),
        ("${T}", 120),
    ],
)
def test_durations_are_seconds_or_carry_a_unit(loaded, minimal, written, seconds):
    text = minimal.replace("  api_url", f"  timeout_sec: {written}\n  api_url")
    assert loaded(text, T="2m").values.model.timeout_sec == seconds


@pytest.mark.parametrize(
    "written", ["1w", "h", "1h30m", "-5", "'-5s'", "0s", "5 sec", "1e3s", ".nan"]
)
def test_what_is_no_duration_is_refused(refusal, minimal, written):
    text = minimal.replace("  api_url", f"  timeout_sec: {written}\n  api_url")
    assert refusal(text).startswith("study.yaml:5: model.timeout_sec: ")


# --- the habits of R -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[(word, True) for word in ("TRUE", "True", "true", "yes", "Yes", "on", "y", "T", "1")],
        *[(word, False) for word in ("FALSE", "False", "false", "no", "NO", "off", "n", "F", "0")],
    ],
)
def test_yes_and_no_may_be_written_as_in_r(loaded, minimal, written, value):
    config = loaded(f"{minimal}run:\n  save_csv_json: {written}\n")
    assert config.values.run.save_csv_json is value


@pytest.mark.parametrize("written", ["1000000", "1e6", "1000000.0", "1_000_000", "'1000000'"])
def test_whole_numbers_may_be_written_as_r_prints_them(loaded, minimal, written):
    assert (
        loaded(f"{minimal}run:\n  max_narratives: {written}\n").values.run.max_narratives == 10**6
    )


def test_a_version_or_a_name_may_look_like_a_number_or_a_date(loaded, minimal):
    text = minimal.replace("name: study", "name: 2024").replace("name: invented", "name: 4")
    config = loaded(text + "prompt:\n  version: 0.3\n  author: 2025-10-27\n")
    assert config.values.experiment.name == "2024"
    assert config.values.model.name == "4"
    assert config.values.prompt.version == "0.3"
    assert config.values.prompt.author == "2025-10-27"


def test_enum_values_may_be_numbers_or_yes_and_no(loaded, minimal):
    config = loaded(
        minimal + "output:\n  primary: a\n  fields:\n"
        "    a: {type: enum, values: [11, 42, 7.5]}\n    b: {type: enum, values: [yes, no]}\n"
    )
    first, second = config.values.answer.fields
    assert first.values == ("11", "42", "7.5")
    assert second.values == ("yes", "no")


def test_anchors_and_merge_keys_work(loaded, minimal):
    config = loaded(
        minimal + "run: &r\n  seed: 5\nprompt:\n  version: &v v7\n  author: *v\n"
        "output:\n  fields:\n    a: &f {type: number, min: 0}\n    b:\n      <<: *f\n      max: 1\n"
    )
    assert config.values.prompt.author == "v7"
    b = config.values.answer.fields[1]
    assert (b.type, b.min, b.max) == ("number", 0, 1)
    assert restore_config(json.loads(config.stored_json), Path.cwd()).values.answer.fields[1] == b


R_FILES = {
    "lmstudio": """\
# Experiment: test set, first prompt
experiment:
  name: "Test: indirect indicators v0.3.2"
  author: "xz"
  notes: >
    First run with indirect indicators;
    100 narratives of the test set.

model:
  provider: "lmstudio"
  name: "openai/gpt-oss-20b"
  api_url: "http://localhost:1234/v1/chat/completions"
  temperature: 0.2
  max_tokens: 1000

prompt:
  version: "v0.3.2_indicators"
  system_prompt: "You analyze death-investigation narratives."
  user_template: |
    Narrative:
    <<TEXT>>

    Answer in JSON.

data:
  file: "data-raw/suicide_IPV_manuallyflagged.xlsx"

run:
  seed: 1024
  max_narratives: 100
  save_incremental: TRUE
  save_csv_json: TRUE
""",
    "mlx": """\
experiment:
  name: 'Production 20k: all suicides'
model:
  provider: mlx
  name: mlx-community/gpt-oss-120b
  api_url: http://localhost:1234/v1/chat/completions
  temperature: 0
prompt:
  version: v0.3.2
  system_prompt: ''
  user_template: '<<TEXT>>'
data:
  file: data/all_suicide_nar.xlsx
run:
  seed: 1024
  max_narratives: null
  save_incremental: yes
  save_csv_json: no
""",
    "openai": """\
---
experiment: {name: pilot, author: xz}
model: {provider: openai, name: gpt-4o-mini, api_url: "https://example.org/v1/chat/completions",
        temperature: 0.0, api_key_env: OPENAI_API_KEY}
prompt:
    version: 2.1
    system_prompt: >-
        You are an expert in intimate partner violence:
        read, then judge.
    user_template: "Text: <<TEXT>>\\n"
data: {file: /data/narratives.csv}
run: {seed: 123, max_narratives: ~, save_incremental: false, save_csv_json: true}
""",
}


@pytest.mark.parametrize("name", R_FILES)
def test_a_file_of_the_earlier_r_implementation_loads_unchanged(loaded, name):
    values = loaded(R_FILES[name]).values

    assert values.model.provider == name
    assert values.run.seed == {"lmstudio": 1024, "mlx": 1024, "openai": 123}[name]
    assert values.run.max_narratives == {"lmstudio": 100}.get(name)
    assert values.run.save_incremental is (name != "openai")
    assert values.run.save_csv_json is (name != "mlx")
    assert "<<TEXT>>" in values.prompt.user_template
    assert values.data.file.is_absolute()
    assert values.answer.fields[0].name == "detected"


# --- paths -----------------------------------------------------------------------------------


def test_a_path_is_looked_for_beside_the_configuration_first(tmp_path, monkeypatch):
    base, here = tmp_path / "base", tmp_path / "here"
    for folder in (base, here):
        folder.mkdir()
        (folder / "both.csv").touch()
    (here / "only-here.csv").touch()
    monkeypatch.chdir(here)

    assert resolve_path("both.csv", base) == base / "both.csv"
    assert resolve_path("only-here.csv", base) == here / "only-here.csv"
    assert resolve_path("nowhere.csv", base) == base / "nowhere.csv"
    assert resolve_path("/absolute.csv", base) == Path("/absolute.csv")


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_path("~/narratives.csv", Path("/elsewhere")) == tmp_path / "narratives.csv"


def test_the_stored_data_file_is_absolute(write_file, minimal, monkeypatch, tmp_path):
    file = write_file(minimal)
    monkeypatch.chdir(tmp_path)
    config = load_config(os.path.relpath(file))
    assert config.stored["data"]["file"] == str(tmp_path / "narratives.csv")


# --- a price ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("{input: 0.4, output: 1.6}", Price(0.4, 1.6, "USD")),
        ("{input: 0, output: 2, currency: EUR}", Price(0, 2, "EUR")),
        ("{input: 1e-3, output: 1, currency: null}", Price(0.001, 1, "USD")),
        ("null", None),
    ],
)
def test_a_price_is_of_a_million_tokens_and_on_record_as_written(loaded, minimal, written, price):
    config = loaded(minimal.replace("  api_url", f"  price: {written}\n  api_url"))
    said = config.values.model.price
    assert (said and said.price) == declared_price(config.stored) == price
