"""Every error in an experiment file names the file, the line and the field, in one sentence."""

import pytest

from overnight.config.load import load_config
from overnight.errors import ConfigError

# what is added to the seven lines of the minimal file -> how the error begins
WRONG = [
    ("run:\n  sed: 3\n", "study.yaml:9: run.sed: unknown key; did you mean seed?"),
    ("run:\n  max_naratives: 3\n", "study.yaml:9: run.max_naratives: unknown key; did you mean"),
    ("rum:\n  seed: 3\n", "study.yaml:8: rum: unknown key; did you mean run?"),
    ("zzz: 1\n", "study.yaml:8: zzz: unknown key; known here: experiment, model,"),
    (
        "prompt:\n  sytem_prompt_file: a\n",
        "study.yaml:9: prompt.sytem_prompt_file: unknown key; did you mean system_prompt_file?",
    ),
    (
        "output:\n  fields:\n    a: {type: string, requird: false}\n",
        "study.yaml:10: output.fields.a.requird: unknown key; did you mean required?",
    ),
    ("run:\n  seed: many\n", "study.yaml:9: run.seed: should be a number, not 'many'"),
    ("run:\n  seed: 1.5\n", "study.yaml:9: run.seed: should be a valid integer"),
    ("run:\n  seed: -1\n", "study.yaml:9: run.seed: should be greater than or equal to 0, not -1"),
    (
        "run:\n  max_narratives: 0\n",
        "study.yaml:9: run.max_narratives: should be greater than 0, not 0",
    ),
    (
        "run:\n  concurrency: fast\n",
        "study.yaml:9: run.concurrency: should be 'auto' or a valid integer",
    ),
    (
        "run:\n  concurrency: 0\n",
        "study.yaml:9: run.concurrency: should be 'auto' or greater than or equal to 1, not 0",
    ),
    (
        "run:\n  save_csv_json: maybe\n",
        "study.yaml:9: run.save_csv_json: should be a valid boolean",
    ),
    ("run:\n  drain_sec: soon\n", "study.yaml:9: run.drain_sec: a duration is a number of seconds"),
    ("run:\n  drain_sec: 0\n", "study.yaml:9: run.drain_sec: should be greater than 0, not 0"),
    ("run:\n  drain_sec: 7 days\n", "study.yaml:9: run.drain_sec: a duration is"),
    ("run:\n  drain_sec: .inf\n", "study.yaml:9: run.drain_sec: should be a finite number"),
    ("run: fast\n", "study.yaml:8: run: this is a section: its keys stand below it, indented"),
    ("run: [1, 2]\n", "study.yaml:8: run: this is a section"),
    (
        "prompt:\n  user_template: no place for it\n",
        "study.yaml:9: prompt.user_template: the user template must contain <<TEXT>>",
    ),
    (
        "output:\n  fields:\n    a: {type: text}\n",
        "study.yaml:10: output.fields.a.type: should be 'boolean', 'number'",
    ),
    (
        "output:\n  fields:\n    a: {type: enum}\n",
        "study.yaml:10: output.fields.a: values go with type enum",
    ),
    (
        "output:\n  fields:\n    a: {type: enum, values: [Yes, 'yes ']}\n",
        "study.yaml:10: output.fields.a: two of the values are the same",
    ),
    (
        "output:\n  primary: b\n  fields:\n    a: {type: string}\n",
        "study.yaml:8: output: primary names 'b', which is not among the fields",
    ),
    ("model: {name: other}\n", 'study.yaml:8: not valid YAML: found duplicate key "model"'),
    ("run:\n\tseed: 3\n", "study.yaml:9: not valid YAML: a tab; YAML is indented with blanks"),
    ("run: [1\nprompt: 2\n", "study.yaml:9: not valid YAML"),
    ("---\nrun: {}\n", "study.yaml:8: not valid YAML"),
    ("notes: 2025-02-31\n", "study.yaml: not valid YAML: day "),
    ("run: " + "[" * 500 + "]" * 500 + "\n", "study.yaml: not valid YAML"),
    (
        "run:\n  seed: !expr 1 + 1\n",
        "study.yaml:9: run.seed: the tag !expr is not understood; write the value itself",
    ),
    (
        "run:\n  seed: ${SEED}\n",
        "study.yaml:9: run.seed: the environment has no SEED; set it with: export SEED=...",
    ),
]


@pytest.mark.parametrize(("added", "said"), WRONG, ids=[said[12:60] for _, said in WRONG])
def test_an_error_names_file_line_and_field(refusal, minimal, added, said):
    assert refusal(minimal + added).startswith(said)


@pytest.mark.parametrize("section", ["experiment", "model", "data"])
def test_a_section_that_is_missing_is_named(refusal, minimal, section):
    lines = minimal.splitlines(keepends=True)
    start = lines.index(f"{section}:\n")
    end = next((i for i in range(start + 1, len(lines)) if lines[i][0] != " "), len(lines))

    assert refusal("".join(lines[:start] + lines[end:])) == f"study.yaml: {section}: is missing"


def test_a_section_without_content_counts_as_missing(refusal, minimal):
    text = minimal.replace("experiment:\n  name: study\n", "experiment:\n")
    assert refusal(text).endswith("experiment: is missing")


def test_a_missing_field_is_named_with_the_line_of_its_section(refusal, minimal):
    text = minimal.replace("  name: invented\n", "")
    assert refusal(text) == "study.yaml:3: model.name: is missing"


@pytest.mark.parametrize("provider", ["", "  provider: lmstudio\n", "  provider: mlx\n"])
def test_a_provider_without_an_address_is_told_what_to_write(refusal, minimal, provider):
    text = minimal.replace("  api_url: http://localhost:1234/v1\n", provider)
    said = refusal(text)

    assert said.startswith("study.yaml:3: model: provider '")
    assert "needs an api_url, for example http://localhost:1234/v1" in said


@pytest.mark.parametrize("url", ["localhost:1234/v1", "ftp://host", "http://", "//host/v1"])
def test_an_address_begins_with_http_and_a_host(refusal, minimal, url):
    said = refusal(minimal.replace("http://localhost:1234/v1", url))
    assert said.startswith("study.yaml:3: model: api_url must begin with http:// or https://")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "hello\n", "~\n"])
def test_a_file_that_is_no_mapping_is_told_its_sections(refusal, text):
    assert refusal(text) == (
        "study.yaml: an experiment file has the sections experiment, model, prompt, data and run"
    )


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing.yaml: no such file$"):
        load_config(tmp_path / "nothing.yaml")


def test_a_folder_is_no_experiment_file(tmp_path):
    with pytest.raises(ConfigError, match="this is a folder, not a file"):
        load_config(tmp_path)


def test_a_file_in_another_encoding_is_told_so(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_bytes("experiment: {name: Zürich}\n".encode("latin-1"))

    with pytest.raises(ConfigError, match="this is not UTF-8; save it as UTF-8"):
        load_config(file)


def test_a_byte_order_mark_is_no_error(tmp_path, minimal):
    file = tmp_path / "study.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + minimal.encode())
    assert load_config(file).values.experiment.name == "study"


@pytest.mark.parametrize("text_key", ["system_prompt", "user_template"])
class TestPromptFiles:
    def test_a_missing_one_is_named(self, refusal, minimal, text_key):
        said = refusal(f"{minimal}prompt:\n  {text_key}_file: absent.txt\n")
        assert said == (
            f"study.yaml:9: prompt.{text_key}_file: 'absent.txt' cannot be read: "
            "No such file or directory"
        )

    def test_one_given_twice_is_refused(self, refusal, minimal, tmp_path, text_key):
        (tmp_path / "prompt.txt").write_text("<<TEXT>>")
        said = refusal(f"{minimal}prompt:\n  {text_key}: <<TEXT>>\n  {text_key}_file: prompt.txt\n")
        assert said == (
            f"study.yaml:10: prompt.{text_key}_file: {text_key} is given as well; "
            "keep one of the two"
        )

    def test_the_text_pasted_in_place_of_a_name_is_not_quoted_in_full(
        self, refusal, minimal, text_key
    ):
        said = refusal(f"{minimal}prompt:\n  {text_key}_file: {'You are an expert. ' * 40}\n")
        assert said.startswith(f"study.yaml:9: prompt.{text_key}_file: 'You are an expert. You")
        assert "cannot be read: File name too long" in said
        assert len(said) < 200

    def test_one_in_another_encoding_is_told_so(self, refusal, minimal, tmp_path, text_key):
        (tmp_path / "prompt.txt").write_bytes("<<TEXT>> \xe4".encode("latin-1"))
        said = refusal(f"{minimal}prompt:\n  {text_key}_file: prompt.txt\n")
        assert (
            said
            == f"study.yaml:9: prompt.{text_key}_file: 'prompt.txt' is not UTF-8; save it as UTF-8"
        )

    def test_null_means_that_there_is_none(self, loaded, minimal, text_key):
        config = loaded(f'{minimal}prompt:\n  {text_key}_file: null\n  {text_key}: "<<TEXT>>!"\n')
        assert getattr(config.values.prompt, text_key) == "<<TEXT>>!"


def test_a_template_file_without_the_placeholder_is_named_by_its_line(refusal, minimal, tmp_path):
    (tmp_path / "prompt.txt").write_text("Judge this.")
    said = refusal(f"{minimal}prompt:\n  version: v1\n  user_template_file: prompt.txt\n")
    assert said.startswith(
        "study.yaml:10: prompt.user_template_file: the user template must contain <<TEXT>>"
    )


def test_a_key_without_a_home_is_no_traceback(loaded, minimal):
    config = loaded(minimal.replace("narratives.csv", "~nobody-here/narratives.csv"))
    assert config.values.data.file.name == "narratives.csv"


def test_a_name_too_long_for_a_file_is_no_traceback(loaded, minimal):
    config = loaded(minimal.replace("narratives.csv", "n" * 400 + ".csv"))
    assert config.values.data.file.suffix == ".csv"


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ("{input: -1, output: 1}", ".input: should be greater than or equal to 0, not -1"),
        ("{input: .inf, output: 1}", ".input: should be a finite number, not inf"),
        ("{input: 1, output: .nan}", ".output: should be a finite number, not nan"),
        ("{input: 0.4}", ".output: is missing"),
        ("{output: 1.6, currency: EUR}", ".input: is missing"),
        ("{input: 1, output: 1, curency: EUR}", ".curency: unknown key; did you mean currency?"),
        ("{input: 1, output: 1, currency: ''}", ".currency: a currency is a short word such as"),
        ("{input: 1, output: 1, currency: 'per token, in USD'}", ".currency: a currency is a"),
        ('{input: 1, output: 1, currency: "a\\eb"}', ".currency: a currency is a short word"),
        ("{input: '0.4', output: 1}", ".input: a price is a number, such as 0.4, without quotes"),
        ("{input: $0.4, output: 1}", ".input: a price is a number, such as 0.4, without quotes"),
        ("{input: '${PRICE}', output: 1}", ".input: a price is a number, such as 0.4, without"),
        ("{input: yes, output: 1}", ".input: a price is a number"),
        ("{input: [1], output: 1}", ".input: should be a valid number, not a list"),
        ("0.4", ": this is a section: its keys stand below it, indented"),
    ],
)
def test_a_price_is_two_numbers_and_a_currency(refusal, minimal, price, said):
    text = minimal.replace("  api_url", f"  price: {price}\n  api_url")
    assert refusal(text, PRICE="0.4").startswith(f"study.yaml:5: model.price{said}")
