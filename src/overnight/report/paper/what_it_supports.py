"""The fourth part of a report: what follows from the facts, and what does not.

Each sentence stands only where it is true of this experiment.
"""

from collections.abc import Callable, Iterator

from overnight.report.evaluation_table import number
from overnight.report.look_text import look_sentences, measured_on
from overnight.report.paper.chosen import choice_of_labels
from overnight.report.paper.document import Block, Heading, Paragraph, Sentences
from overnight.report.paper.facts import Facts, counted, named
from overnight.report.paper.truth import share_of_yes
from overnight.report.paper.what_was_run import n_crashed
from overnight.report.statistics.estimate import Estimate

_NO_ORDER = "in the order of the data file, which are no random sample of all"
_AN_ORDER = "in random order, which are a sample of all"


def what_it_supports(facts: Facts) -> Iterator[Block]:
    """Sentences derived from the facts; no judgement that a program cannot make."""
    yield Heading("What this may support, and what not")
    yield Sentences(said(facts))
    yield Paragraph(
        "These sentences follow from what is on record. What is not on record (how the data file "
        "came about, how the labels were made, what was tried elsewhere) is for the authors to say."
    )


def said(facts: Facts) -> list[str]:
    """Every sentence that applies, in the order in which they matter."""
    return [sentence for about in _ABOUT if (sentence := about(facts))]


def _unfinished(facts: Facts) -> str | None:
    counts, state = facts.counts, facts.status.view.state
    if not counts.remaining:
        return None
    return (
        f"The experiment is not complete ({state}): {counts.remaining:,} of {counts.total:,} "
        f"narratives have no result. The figures are those of the {counts.completed:,} that came "
        f"first, {_AN_ORDER if _is_random(facts) else _NO_ORDER}."
    )


def _is_random(facts: Facts) -> bool:
    return facts.setting("run", "order") == "random"


def _part_of_the_data(facts: Facts) -> str | None:
    n, total = facts.counts.total, facts.status.dataset.n_narratives
    if n >= total or _is_random(facts):
        return None
    return (
        f"It covers the first {n:,} of the {total:,} narratives of the data file, in the order of "
        "the file: whatever that order follows, the others may differ in."
    )


def _left_out(facts: Facts) -> str | None:
    left_out = facts.status.left_out
    if not left_out:
        return None
    return (
        f"{counted(sum(left_out.values()), 'narrative')} of the data file could not be used "
        f"({named(left_out)}): no figure tells of them."
    )


def _no_labels(facts: Facts) -> str | None:
    if facts.labelled.labelled:
        return None
    if facts.spec.primary is None:
        return (
            "No field of the answer is compared with a label: nothing says how often it is right."
        )
    return (
        "No answered narrative has a label to compare with: nothing here says how often the "
        "answers are right."
    )


def _few_labels(facts: Facts) -> str | None:
    few = facts.evaluation.overall.few
    if not few:
        return None
    n, which = few
    rests = "recall" if which == "yes" else "specificity"
    return (
        f"Only {n:,} of the measured narratives are labelled {which}: figures that rest on them "
        f"(such as {rests}) are rough, and the interval of ROC AUC is too narrow."
    )


def _one_sided(facts: Facts) -> str | None:
    confusion = facts.evaluation.overall.confusion
    if confusion is None or not confusion.n:
        return None
    if not confusion.tp + confusion.fn:
        return "No measured narrative is labelled yes: recall and precision cannot be judged."
    if not confusion.tn + confusion.fp:
        return "No measured narrative is labelled no: specificity cannot be judged."
    return None


def _labels_are_no_truth(facts: Facts) -> str | None:
    if not facts.labelled.labelled:
        return None
    return (
        "Right means equal to the label. Where labels are themselves uncertain, the figures "
        "measure agreement with whoever made them."
    )


def _errors(facts: Facts) -> str | None:
    scores, group = facts.labelled, facts.evaluation.overall
    if not scores.errors:
        return None
    sentence = (
        f"{scores.errors:,} of {scores.n:,} narratives that were asked have no answer "
        f"({named(scores.error_categories)}). What fails is not missing at random (long, garbled "
        "and unusual narratives fail), so figures without them can mislead"
    )
    accuracy = group.figures.get("accuracy")
    if not group.failed or accuracy is None:
        return f"{sentence}."
    return (
        f"{sentence}: counting the {group.failed:,} of them that have a label, accuracy is between "
        f"{number(accuracy.if_errors_wrong)} and {number(accuracy.if_errors_right)}."
    )


def _same_cases(facts: Facts) -> str | None:
    accuracy = facts.evaluation.overall.figures.get("accuracy")
    if accuracy is None or accuracy.by_case is None:
        return None
    low, high = map(number, accuracy.by_case)
    return (
        "Narratives of one case are not independent, and Wilson's intervals take them as if they "
        f"were; with cases resampled, the interval of accuracy is [{low}, {high}]."
    )


def _threshold(facts: Facts) -> str | None:
    ranking = facts.evaluation.overall.ranking
    best = ranking.best_f1 if ranking else None
    if best is None:
        return None
    return (
        f"The best threshold here would be yes from a score of {number(best.threshold)} up (F1 "
        f"{number(best.value)}). It was chosen and measured on the same narratives, so it is "
        "optimistic: other narratives must confirm it."
    )


def _confidence(facts: Facts) -> str | None:
    found = facts.evaluation.overall.calibration
    if found is None or found.overconfidence is None:
        return None
    gap = found.overconfidence
    direction = "above" if gap >= 0 else "below"
    return (
        "The confidence is the model's own word. On the mean it lies "
        f"{number(abs(gap))} {direction} the share of right answers."
    )


def _configurations(facts: Facts) -> str | None:
    if not facts.labelled.labelled:
        return None
    look = facts.look
    if look is not None and (look.n_configurations > 1 or look.seen_before):
        return " ".join(look_sentences(look, facts.labelled.odd_labels))
    return (
        "No other configuration has been measured on these labels in this database. If the prompt "
        "was written with these labels in view, the figures are optimistic all the same."
    )


def _first_look(facts: Facts) -> str | None:
    """Of the test part: what it is worth depends on who looked when."""
    if facts.look is None or facts.look.part != "test":
        return None
    return next(measured_on(facts.look))


def _rules(facts: Facts) -> str | None:
    if facts.row["model_provider"] != "rules":
        return None
    return (
        "The answers come from keyword rules, not from a language model. If the rules were written "
        "with these narratives in view, the figures are optimistic."
    )


def _once(facts: Facts) -> str | None:
    """Answers of a language model may change from one call to the next."""
    if facts.row["model_provider"] == "rules" or not facts.counts.answered:
        return None
    heat = facts.setting("model", "temperature")
    words = "the server's own temperature" if heat is None else f"temperature {heat}"
    if facts.retest is not None and facts.retest.consistency.n:
        found = facts.retest.consistency
        return (
            f"Each answer is one draw ({words}). Of {found.n:,} narratives that were asked "
            f"{found.times} times, {found.n_flips:,} did not get the same answer each time."
        )
    return (
        f"Each answer is one draw ({words}). How many would change if the same was asked again has "
        "not been measured here."
    )


def _repaired(facts: Facts) -> str | None:
    if not facts.metrics.repaired:
        return None
    return (
        "Some replies did not keep to the form asked for and were mended before they were read "
        f"({named(facts.metrics.repaired)}{facts.of_part}). A repair never guesses a value."
    )


def _changed_server(facts: Facts) -> str | None:
    models = {s.served_model for s in facts.sessions if s.served_model}
    prints = {s.system_fingerprint for s in facts.sessions if s.system_fingerprint}
    addresses = {s.api_url for s in facts.sessions if s.api_url}
    changed = {"models": len(models), "fingerprints of the server": len(prints)}
    changed |= {"addresses": len(addresses)}
    several = {name: n for name, n in changed.items() if n > 1}
    if not several:
        return None
    return (
        f"What answered changed between sessions ({named(several)}): the answers may not all come "
        "from the same model as it is installed."
    )


def _interruptions(facts: Facts) -> str | None:
    crashed, pauses = n_crashed(facts), len(facts.status.view.summary.pauses)
    if not crashed and not pauses:
        return None
    return (
        f"The run was interrupted ({counted(crashed, 'crash', 'crashes')}, "
        f"{counted(pauses, 'pause')}). Every answer was recorded when it came, and none is counted "
        "twice: interruptions cost time and calls, not answers."
    )


def _odd_labels(facts: Facts) -> str | None:
    scores = facts.labelled
    if scores.odd_labels:
        return f"Not measured, since it cannot be compared: {counted(scores.odd_labels, 'label')}."
    if scores.undeclared_labels:
        return (
            f"Counted as wrong whatever the answer: {counted(scores.undeclared_labels, 'label')} "
            "outside of the values that the model could choose from."
        )
    return None


def _correlation(facts: Facts) -> str | None:
    amounts = facts.evaluation.overall.amounts
    bias: Estimate | None = amounts.bias if amounts else None
    if bias is None or bias.value is None:
        return None
    return (
        "Correlation is no agreement: answers may follow the labels and still be off, here by "
        f"{number(bias.value)} on the mean."
    )


_ABOUT: tuple[Callable[[Facts], str | None], ...] = (
    _unfinished,
    _part_of_the_data,
    _left_out,
    _no_labels,
    choice_of_labels,
    _few_labels,
    _one_sided,
    _labels_are_no_truth,
    _odd_labels,
    _errors,
    _same_cases,
    share_of_yes,
    _correlation,
    _first_look,
    _configurations,
    _threshold,
    _confidence,
    _rules,
    _once,
    _repaired,
    _changed_server,
    _interruptions,
)
