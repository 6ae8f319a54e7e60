"""The documents say what the program does."""

import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

from overnight.cli.main import app
from overnight.commands.init import EXPERIMENTS, init
from overnight.config.load import load_config
from overnight.config.models import ExperimentFile, Section

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"])


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_what_the_program_says():
    assert (ROOT / "docs/reference/commands.md").read_text() == generator().generate(), (
        "python docs/generate.py writes it anew"
    )


def test_every_command_is_on_the_page():
    named = {name for _, names in generator().COMMANDS for name in names}
    assert named == set(get_command(app).commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_page_leads_to_a_heading(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        linked = page.parent / target if target else page
        assert anchor in anchors(linked), f"{target}#{anchor}"


def keys_of(model: type[Section], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [k for k in kinds if isinstance(k, type) and issubclass(k, Section)]
        if nested and name not in ("output", "columns"):
            found |= keys_of(nested[0], f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_every_key_of_the_experiment_file_is_documented_and_no_other():
    page = (ROOT / "docs/reference/experiment-file.md").read_text()
    documented = set()
    for row in re.findall(r"^\| (.+?) \|", page, flags=re.MULTILINE)[1:]:
        section = ""
        for key in re.findall(r"[a-z_.]+[a-z_]", row.replace(" or ", " ")):
            section = key.split(".")[0] if "." in key else section
            documented.add(key if "." in key or not section else f"{section}.{key}")
    known = keys_of(ExperimentFile) | {"prompt.system_prompt_file", "prompt.user_template_file"}
    assert documented == known


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_shipped_experiment_file_loads(tmp_path, name):
    init(tmp_path)
    config = load_config(tmp_path / name)
    assert config.values.data.file == tmp_path / "narratives.xlsx"


def yaml_blocks() -> list[str]:
    found = []
    for page in PAGES:
        found += re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return found


@pytest.mark.parametrize("block", yaml_blocks())
def test_every_piece_of_configuration_in_the_documents_is_valid(tmp_path, monkeypatch, block):
    monkeypatch.setenv("MY_KEY", "invented-key")
    required = {
        "experiment": "experiment: {name: x}\n",
        "model": "model: {name: m, api_url: http://localhost/v1}\n",
        "data": "data: {file: x.csv}\n",
    }
    missing = "".join(text for key, text in required.items() if f"{key}:" not in block)
    file = tmp_path / "piece.yaml"
    file.write_text(missing + block)
    load_config(file)


def test_the_example_has_what_its_readme_counts():
    page = (ROOT / "examples/README.md").read_text()
    source = (ROOT / "examples/source/narratives.jsonl").read_text(encoding="utf-8")
    assert f"| Rows (two of them share one IncidentID) | | | {len(source.splitlines())} |" in page
    assert "INVENTED" in page
