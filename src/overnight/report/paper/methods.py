"""The paragraphs for the methods section of a paper: facts on record, and nothing else."""

from collections.abc import Callable, Iterator

from overnight.report.evaluation_table import figure_title, number, with_interval
from overnight.report.group import Figure
from overnight.report.look_text import measured_on
from overnight.report.paper.chosen import drawn_sentences
from overnight.report.paper.facts import MAX_TOKENS, Facts, counted, named
from overnight.report.paper.truth import corrected_share
from overnight.report.paper.what_was_run import n_crashed
from overnight.report.statistics.estimate import Estimate
from overnight.report.statistics.resample import REPLICATES, SEED
from overnight.store.times import from_text

_FORMS = {
    "json_schema": "a JSON schema (structured output)",
    "none": "the prompt alone",
}
_DESIGNS = {
    "unknown": "; how these were chosen is not on record",
    "random": ", chosen at random",
    "all": "; the data label all narratives",
}
_BY_CASE = (
    f"bias-corrected accelerated (BCa) bootstrap with cases resampled (up to {REPLICATES:,} "
    f"replicates, seed {SEED})"
)


def methods(facts: Facts) -> str:
    """A few paragraphs in plain English: data, model and run, evaluation, share of yes."""
    return "\n\n".join(paragraphs(facts))


def paragraphs(facts: Facts) -> Iterator[str]:
    """One by one."""
    for parts in _PARAGRAPHS:
        if text := " ".join(sentence for part in parts for sentence in part(facts)):
            yield text


def _model(facts: Facts) -> Iterator[str]:
    row = facts.row
    tool = f"overnight (version {', '.join(facts.versions) or facts.version})"
    if facts.is_of_r:
        tool = "the earlier R implementation of overnight"
    if row["model_provider"] == "rules":
        yield (
            f"Narratives were classified with keyword rules ({facts.model}; "
            f"identified as {row['served_model']}), applied by {tool} {_dates(facts)}; no language "
            "model was used."
        )
        return
    served = row["served_model"]
    model = facts.model
    if served and served != model:
        model = f"{model} (the server reported {served})"
    yield (
        f"Narratives were classified with the language model {model}, {_where(facts)}, called by "
        f"{tool} {_dates(facts)}."
    )
    yield _settings(facts)
    prints = [s.system_fingerprint for s in facts.sessions if s.system_fingerprint]
    if prints:
        yield f"System fingerprint: {', '.join(dict.fromkeys(prints))}."


def _where(facts: Facts) -> str:
    if facts.row["model_provider"] == "embedded":
        return "run inside the program on the same machine"
    provider = facts.row["model_provider"]
    if facts.outside:
        return f"reached through {facts.outside} (provider: {provider})"
    return "served on the same machine, so that no narrative left it"


def _dates(facts: Facts) -> str:
    first, last = facts.totals.first_at, facts.totals.last_at
    if first is None or last is None:
        return "(no result yet)"
    began, ended = (f"{from_text(at):%d %B %Y}".lstrip("0") for at in (first, last))
    return f"on {began} (UTC)" if began == ended else f"between {began} and {ended} (UTC)"


def _settings(facts: Facts) -> str:
    heat, top_p = facts.setting("model", "temperature"), facts.setting("model", "top_p")
    extra = facts.setting("model", "extra_body")
    later = "" if facts.is_of_r else ", one higher after each reply that could not be read"
    most = facts.setting("model", "max_tokens", None if facts.is_of_r else MAX_TOKENS)
    said = [
        "the server's own temperature" if heat is None else f"temperature {heat}",
        f"top_p {top_p}" if top_p is not None else "",
        f"seed {facts.row['run_seed']}{later}",
        f"at most {most} tokens a reply" if most is not None else "",
        f"reasoning effort {e}" if (e := facts.setting("model", "reasoning_effort")) else "",
        f"further parameters: {', '.join(extra)}" if isinstance(extra, dict) and extra else "",
    ]
    form = _FORMS.get(str(facts.row["structured"]))
    asked = f" Answers were asked for as JSON by {form}." if form else ""
    return f"Settings: {'; '.join(filter(None, said))}.{asked}"


def _prompt(facts: Facts) -> Iterator[str]:
    row = facts.row
    fields = ", ".join(f"{field.name} ({field.type})" for field in facts.spec.fields)
    if row["model_provider"] == "rules":
        yield f"Each answer has the fields {fields}."
        return
    version = f" (version {row['prompt_version']})" if row["prompt_version"] else ""
    fixed = "asks" if facts.is_of_r else "was fixed before the first call and asks"
    yield f"The prompt{version} {fixed} for the fields {fields}."


def _data(facts: Facts) -> Iterator[str]:
    row, data, counts = facts.row, facts.status.dataset, facts.counts
    left_out = facts.status.left_out
    without = (
        f"{counted(sum(left_out.values()), 'narrative was', 'narratives were')} left out "
        f"({named(left_out)})"
        if left_out
        else "no narrative was left out"
    )
    part = f", the first {counts.total:,} of them" if counts.total < data.n_narratives else ""
    if part and facts.setting("run", "order") == "random":
        part = f", a random {counts.total:,} of them"
    cases = f" of {counted(facts.n_cases, 'case')}"
    yield (
        f"The data file {facts.data_file} "
        f"({row['data_checksum']}) holds {counted(data.n_narratives, 'usable narrative')}{part}; "
        f"the experiment covers {counted(counts.total, 'narrative')}{cases}; {without}."
    )


def _calls(facts: Facts) -> Iterator[str]:
    counts, errors = facts.counts, facts.status.view.summary.errors
    failed = f" ({named(errors)})" if errors else ""
    remaining = f"; {counts.remaining:,} had not been asked" if counts.remaining else ""
    yield (
        f"Of {counted(counts.total, 'narrative')}, {counts.answered:,} were answered and "
        f"{counts.errors:,} ended as errors{failed}{remaining}."
    )
    if counts.copied:
        yield (
            f"{counts.copied:,} of the answers had been given to the same request in an earlier "
            f"experiment ({facts.row['reuse_of']}) and were copied. {_source_calls(facts)}"
        )
    if facts.n_calls or not counts.copied:
        this = "The other narratives" if counts.copied else "This"
        yield f"{this} took {counted(facts.n_calls, 'call')}: {', '.join(_call_parts(facts))}."
    if facts.metrics.repaired:
        yield (
            "Replies that did not keep to the form asked for were mended by fixed rules, which "
            f"never guess a value: {named(facts.metrics.repaired)}{facts.of_part}."
        )
    tokens = (facts.status.prompt_tokens, facts.status.completion_tokens)
    if any(tokens):
        these = "These calls" if counts.copied else "The calls"
        yield f"{these} took {tokens[0]:,} prompt and {tokens[1]:,} completion tokens."


def _source_calls(facts: Facts) -> str:
    """Where to look for what the copied answers took."""
    if facts.n_calls_of_source is None:
        return "The calls that gave them are not on record here."
    n = counted(facts.n_calls_of_source, "call")
    return f"The calls that gave them (made, retried, lost) are among the {n} of that experiment."


def _again(facts: Facts) -> Iterator[str]:
    """The test-retest agreement."""
    if facts.retest is None or not facts.retest.consistency.n:
        return
    found, drawn_from = facts.retest.consistency, facts.retest.n_drawn_from
    first = f" of the first {drawn_from:,}" if drawn_from else ""
    kappa = "" if found.kappa.value is None else f"; Fleiss' kappa {with_interval(found.kappa)}"
    yield (
        f"A random sample of {counted(facts.retest.n_asked, 'narrative')}{first} was asked "
        f"{facts.retest.times} times with different seeds: of {found.n:,} answered each time, the "
        f"share whose answers were not all equal was {with_interval(found.flips)}, that of equal "
        f"pairs of answers {with_interval(found.agreement)}{kappa}."
    )


def _call_parts(facts: Facts) -> Iterator[str]:
    failed, lost, crashed = facts.called("failed"), facts.called("lost"), n_crashed(facts)
    yield f"{facts.n_answered_calls:,} gave an answer"
    unreadable = sum(c.n for c in facts.failed_calls if c.error_category == "parse_error")
    if failed:
        which = f" ({unreadable:,} for a reply that could not be read)" if unreadable else ""
        yield f"{failed:,} gave none{which}"
    if lost:
        why = f" ({counted(crashed, 'crash', 'crashes')})" if crashed else ""
        yield f"{lost:,} were lost when the program was interrupted{why}"
    if n := facts.called("open"):
        yield f"{n:,} had not ended"


def _labels(facts: Facts) -> Iterator[str]:
    scores = facts.labelled
    if facts.spec.primary is None:
        yield "No field of the answer was compared with a label."
        return
    if not scores.labelled:
        yield "No answered narrative had a label, so the answers were not measured."
        return
    yes, no = scores.n_positive_manual, scores.n_negative_manual
    which = f" ({yes:,} yes, {no:,} no)" if yes is not None and no is not None else ""
    design = _DESIGNS[facts.label_design]
    how = "" if scores.labelled == scores.answered or facts.drawn.n_labelled else design
    yield (
        f"Answers ({facts.spec.primary}) were compared with labels where there were any: "
        f"{scores.labelled:,} of {scores.answered:,} answered narratives{which}{how}."
    )
    if scores.odd_labels:
        more = counted(scores.odd_labels, "more label", "more labels")
        yield f"{more} could not be compared and {_is(scores.odd_labels)} not counted as labelled."
    yield from drawn_sentences(facts, design)
    if facts.part:
        yield f"Figures are {facts.part_of_cases}."
    yield from measured_on(facts.look, scores.odd_labels)


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _figures(facts: Facts) -> Iterator[str]:
    group = facts.evaluation.overall
    found = {figure_title(name): f.estimate for name, f in group.figures.items()}
    if group.ranking:
        found["ROC AUC"] = group.ranking.auc
        found["average precision"] = group.ranking.average_precision
    if group.calibration:
        found["Brier score"] = group.calibration.brier
    if group.amounts:
        found["mean absolute error"] = group.amounts.mean_absolute_error
        found["mean of answer minus label"] = group.amounts.bias
        found["Pearson correlation"] = group.amounts.pearson
    said = [f"{name} {_measured(e)}" for name, e in found.items() if e.value is not None]
    if not said:
        return
    if group.confusion:
        c = group.confusion
        yield (
            f"There were {c.tp:,} true positive, {c.tn:,} true negative, {c.fp:,} false positive "
            f"and {c.fn:,} false negative answers."
        )
    yield f"Figures: {'; '.join(said)}."
    yield from _intervals(found)
    yield from _bounds(group.failed, group.figures.get("accuracy"))


def _measured(estimate: Estimate) -> str:
    return with_interval(estimate) + ("" if estimate.interval else " (no interval)")


def _intervals(found: dict[str, Estimate]) -> Iterator[str]:
    """How each interval was made, by the methods that were used."""
    how: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("wilson", lambda names: f"Wilson's score interval for {names}"),
        ("bootstrap by case", lambda names: f"{_BY_CASE} for {names}"),
        ("linearised by case", lambda names: f"variance summed by case for {names}"),
    )
    said = []
    for method, words in how:
        names = [n for n, e in found.items() if e.method == method and e.interval]
        if names:
            said.append(words(_listed(names)))
    if said:
        yield f"Intervals: {'; '.join(said)}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bounds(failed: int, accuracy: Figure | None) -> Iterator[str]:
    if accuracy is not None and accuracy.by_case:
        low, high = map(number, accuracy.by_case)
        yield (
            "Wilson's interval takes narratives of one case as independent; with cases resampled, "
            f"that of accuracy is 95 % CI {low} to {high}."
        )
    if accuracy is not None and failed:
        yield (
            f"Had the {failed:,} labelled narratives without an answer all been answered wrongly, "
            f"or all rightly, accuracy would be {number(accuracy.if_errors_wrong)}, or "
            f"{number(accuracy.if_errors_right)}."
        )


_PARAGRAPHS: tuple[tuple[Callable[[Facts], Iterator[str]], ...], ...] = (
    (_data,),
    (_model, _prompt, _calls, _again),
    (_labels, _figures),
    (corrected_share,),
)
