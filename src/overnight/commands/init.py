"""`init`: a folder to start from."""

from importlib.resources import files
from pathlib import Path

from overnight.errors import UsageError

DATA = ("narratives.xlsx", "keyword-rules.yaml", "prompt-system.txt", "prompt-user.txt")
EXPERIMENTS = (
    "baseline.yaml",
    "smollm2.yaml",
    "lmstudio.yaml",
    "ollama.yaml",
    "vllm.yaml",
    "openai.yaml",
)


def init(folder: Path | str) -> list[Path]:
    """Put the example's data and experiment files into `folder`; the files, in reading order.

    Nothing is ever overwritten: raises UsageError if one of them is there already.
    """
    folder = Path(folder)
    for name in (*EXPERIMENTS, *DATA):
        if (folder / name).exists():
            raise UsageError(f"{folder / name} exists; choose another folder")
    return put_example(folder)


def put_example(folder: Path) -> list[Path]:
    """Copy the example into `folder`; files that are there already stay as they are."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_put(name, folder / name) for name in (*EXPERIMENTS, *DATA)]
    except OSError as error:
        raise UsageError(f"nothing can be written to {folder}: {error.strerror}") from None


def _put(name: str, target: Path) -> Path:
    if not target.exists():
        target.write_bytes(files("overnight.examples").joinpath(name).read_bytes())
    return target
