"""`demo`: the main job on the shipped example."""

from dataclasses import dataclass
from pathlib import Path

from overnight.commands.init import put_example
from overnight.commands.results import metrics
from overnight.commands.run import RunOptions, run
from overnight.commands.stint import RunResult
from overnight.domain.experiment import Status
from overnight.events import Handler
from overnight.report.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Demo:
    """The two runs of the demonstration; the model's is None if the first was stopped."""

    folder: Path
    database: Path
    rules: RunResult
    rules_on_sample: Metrics | None
    model: RunResult | None


def demo(folder: Path, sample: int, handler: Handler) -> Demo:
    """Keyword rules over all narratives, then a language model over the first `sample`."""
    put_example(folder)
    database = folder / "overnight.db"
    rules = run(folder / "baseline.yaml", db=database, handler=handler)
    if rules.status is not Status.COMPLETED:
        return Demo(folder, database, rules, None, None)
    first = RunOptions(max_narratives=sample)
    model = run(folder / "smollm2.yaml", db=database, options=first, handler=handler)
    measured = metrics(rules.experiment_id, db=database, first=sample)
    return Demo(folder, database, rules, measured.metrics, model)
