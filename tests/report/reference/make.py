"""Write reference.json: the same figures by scikit-learn, SciPy and ppi-python.

    pip install scikit-learn ppi-python && python tests/report/reference/make.py

These libraries are no part of what the tests need (600 MB); what they say is kept instead.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from scipy import stats
from sklearn import metrics as m

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import statistics_data as data  # noqa: E402


def binary() -> dict[str, float]:
    label, answer, score = (np.array(column) for column in zip(*data.judged(), strict=True))
    return {
        "accuracy": m.accuracy_score(label, answer),
        "balanced_accuracy": m.balanced_accuracy_score(label, answer),
        "precision": m.precision_score(label, answer),
        "recall": m.recall_score(label, answer),
        "specificity": m.recall_score(label, answer, pos_label=0),
        "f1": m.f1_score(label, answer),
        "kappa": m.cohen_kappa_score(label, answer),
        "mcc": m.matthews_corrcoef(label, answer),
        "auc": m.roc_auc_score(label, score),
        "average_precision": m.average_precision_score(label, score),
        "brier": m.brier_score_loss(label, score),
        "best_f1": max(m.f1_score(label, score >= t) for t in set(score)),
    }


def several() -> dict[str, float]:
    label, answer = zip(*data.classes(), strict=True)
    options = {"zero_division": 0}
    return {
        "macro_precision": m.precision_score(label, answer, average="macro", **options),
        "macro_recall": m.recall_score(label, answer, average="macro", **options),
        "macro_f1": m.f1_score(label, answer, average="macro", **options),
        "weighted_f1": m.f1_score(label, answer, average="weighted", **options),
        "micro_f1": m.f1_score(label, answer, average="micro", **options),
        "kappa": m.cohen_kappa_score(label, answer),
        "precision_fire": m.precision_score(label, answer, labels=["fire"], average="macro"),
        "recall_fire": m.recall_score(label, answer, labels=["fire"], average="macro"),
    }


def numbers() -> dict[str, float]:
    label, answer = zip(*data.amounts(), strict=True)
    return {
        "mean_absolute_error": m.mean_absolute_error(label, answer),
        "pearson": stats.pearsonr(label, answer).statistic,
        "spearman": stats.spearmanr(label, answer).statistic,
    }


def shares() -> dict[str, object]:
    labelled, rest = data.study()
    label, answer = (np.array(column, dtype=float) for column in zip(*labelled, strict=True))
    others = np.array(rest, dtype=float)
    low, high = ppi_mean_ci(label, answer, others, alpha=0.05)
    return {
        "value": ppi_mean_pointestimate(label, answer, others).item(),
        "low": low.item(),
        "high": high.item(),
    }


if __name__ == "__main__":
    names = ("scikit-learn", "scipy", "ppi-python", "numpy")
    reference = {
        "versions": {name: version(name) for name in names},
        "binary": binary(),
        "classes": several(),
        "amounts": numbers(),
        "ppi": shares(),
    }
    text = json.dumps(reference, indent=2, default=float) + "\n"
    (HERE / "reference.json").write_text(text, encoding="utf-8")
