"""The experiment file as values: what may stand in it, what it means when it is left out."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec, FieldType, ItemType
from overnight.domain.cost import CURRENCY, Price
from overnight.domain.split import Split

PLACEHOLDER = "<<TEXT>>"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_CURRENCY = 12  # characters
_LOOKS_LIKE_KEY = re.compile(r"(?=[A-Za-z]*\d)[A-Za-z0-9]{20}")


def as_seconds(value: object) -> object:
    """A duration as seconds: a number, or text such as 90s, 15m, 6h, 7d."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not match:
        raise ValueError("a duration is a number of seconds or text such as 90s, 15m, 6h, 7d")
    return float(match[1]) * _UNITS[match[2]]


def as_price(value: object) -> object:
    """A price stands in the file as a number, so that it is on record as one."""
    if isinstance(value, str | bool):
        raise ValueError("a price is a number, such as 0.4, without quotes or a variable")  # noqa: TRY004 - pydantic's way
    return value


Seconds = Annotated[float, BeforeValidator(as_seconds), Field(gt=0)]
Amount = Annotated[float, BeforeValidator(as_price), Field(ge=0, le=1e12)]


class Section(BaseModel):
    """A part of the experiment file; keys that it does not know are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        allow_inf_nan=False,
        coerce_numbers_to_str=True,  # `version: 1.2`, `name: 2024`, a column called 3
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic hands in anything
        """`max_narratives: null` means the same as no such line."""
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value is not None}
        return values


class ExperimentSection(Section):
    """Who runs what, for the record."""

    name: str = Field(min_length=1)
    author: str = ""
    notes: str = ""


class PriceSection(Section):
    """What a million tokens of prompts (input) and of replies (output) cost. It binds nothing."""

    input: Amount
    output: Amount
    currency: str = CURRENCY

    @field_validator("currency")
    @classmethod
    def _is_a_word(cls, currency: str) -> str:
        if not currency.isprintable() or not 0 < len(currency.strip()) <= _LONGEST_CURRENCY:
            raise ValueError("a currency is a short word such as USD or EUR")
        return currency.strip()

    @property
    def price(self) -> Price:
        """What it says."""
        return Price(self.input, self.output, self.currency)


class ModelSection(Section):
    """Which model answers, how it is reached and with what parameters it is asked."""

    provider: str = Field(default="openai", min_length=1)
    name: str = Field(min_length=1)
    api_url: str | None = Field(default=None, repr=False)
    api_key_env: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1000, gt=0)
    reasoning_effort: str | None = None
    timeout_sec: Seconds = 300.0
    extra_body: dict[str, Any] = Field(default_factory=dict, repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    context: int = Field(default=4096, ge=256, description="embedded only: context in tokens")
    threads: int | None = Field(default=None, gt=0, description="embedded only")
    price: PriceSection | None = None

    @field_validator("api_key_env")
    @classmethod
    def _is_no_key(cls, name: str | None) -> str | None:
        """Somebody will paste the key itself: it must not even be quoted."""
        if name is not None and (not _NAME.fullmatch(name) or _LOOKS_LIKE_KEY.search(name)):
            raise ValueError(
                "this is the NAME of a variable in the environment, such as OPENAI_API_KEY, "
                "never the key itself"
            )
        return name

    @model_validator(mode="after")
    def _reachable(self) -> "ModelSection":
        if self.provider not in ("embedded", "rules") and not self.api_url:
            raise ValueError(
                f"provider {self.provider!r} needs an api_url, for example "
                "http://localhost:1234/v1 (LM Studio) or https://api.openai.com/v1"
            )
        if self.api_url:
            _refuse_odd_address(self.api_url)
        for name, value in self.headers.items():
            if _CONTROL.search(f"{name}{value}"):
                raise ValueError(f"the header {name!r} holds a line break or another odd character")
        return self


def _refuse_odd_address(api_url: str) -> None:
    """Raise ValueError for an address that no request can be sent to."""
    if not re.match(r"https?://[^/\s]+", api_url) or _CONTROL.search(api_url):
        raise ValueError("api_url must begin with http:// or https:// and a host")
    try:
        parts = urlsplit(api_url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna" if not host.isascii() else "ascii")
    except (ValueError, UnicodeError):
        raise ValueError("api_url has no valid host or port") from None
    if not host or port == 0 or any(not 0 < len(p) <= 63 for p in host.rstrip(".").split(".")):  # noqa: PLR2004 - DNS
        raise ValueError("api_url has no valid host or port")


class PromptSection(Section):
    """What the model is told; `<<TEXT>>` in the user template becomes the narrative."""

    version: str = ""
    author: str = ""
    system_prompt: str = ""
    user_template: str = PLACEHOLDER

    @field_validator("user_template")
    @classmethod
    def _has_placeholder(cls, template: str) -> str:
        if PLACEHOLDER not in template:
            raise ValueError(f"the user template must contain {PLACEHOLDER}: the narrative's place")
        return template


class ColumnMapping(Section):
    """Which columns hold what, for files that are in neither of the known layouts."""

    id: str | list[str]
    text: dict[str, str] = Field(min_length=1)
    label: dict[str, str] = Field(default_factory=dict)
    case_label: str | None = None

    @model_validator(mode="after")
    def _labels_belong_to_texts(self) -> "ColumnMapping":
        strangers = sorted({t.lower() for t in self.label} - {t.lower() for t in self.text})
        if strangers:
            raise ValueError(f"label names the type {strangers[0]!r}, which text does not")
        return self


class SplitSection(Section):
    """Which cases are set apart as a test part: by a column, or a share drawn at random."""

    column: str | None = None
    test: Annotated[float, Field(gt=0, lt=1)] | list[str]
    seed: int = Field(default=0, ge=0, description="of the share; not run.seed")

    @field_validator("test", mode="before")
    @classmethod
    def _share_below_one(cls, test: object) -> object:
        if isinstance(test, int | float) and not isinstance(test, bool) and test >= 1:
            percent = f" ({test:g} % is {test / 100:g})" if 1 < test < 100 else ""  # noqa: PLR2004
            raise ValueError(f"should be a share below 1{percent}, not {test:g}")
        return test

    @model_validator(mode="after")
    def _column_or_share(self) -> "SplitSection":
        if self.column is not None and not (isinstance(self.test, list) and self.test):
            raise ValueError(
                "with a column, test lists the values that it has in the test part: "
                "{column: fold, test: [test]}"
            )
        if self.column is None and isinstance(self.test, list):
            raise ValueError("test is a share such as 0.3, or a list with a column beside it")
        return self

    @property
    def rule(self) -> Split:
        """What it says."""
        if isinstance(self.test, list):
            return Split(self.column, tuple(value.strip() for value in self.test))
        return Split(share=self.test, seed=self.seed)


class LabelsSection(Section):
    """How the narratives were chosen whose labels came with the data."""

    design: Literal["random", "all", "unknown"] = "unknown"


class DataSection(Section):
    """The data file and how it is read, and what is kept of it beside the narratives."""

    file: Path
    sheet: str | int | None = None
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=2)
    columns: ColumnMapping | None = None
    keep: list[str] = Field(default_factory=list)
    split: SplitSection | None = None
    labels: LabelsSection = LabelsSection()

    @property
    def kept(self) -> dict[str, str]:
        """The columns to keep, and the field that names each: also the one of the split."""
        by = self.split.column if self.split else None
        split = {} if by is None else {by: "data.split.column"}
        return {**split, **dict.fromkeys(self.keep, "data.keep")}

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter == "\\t":
            return "\t"
        if delimiter is not None and len(delimiter) != 1:
            raise ValueError("a delimiter is one character (or \\t)")
        return delimiter


class RunSection(Section):
    """How the work is done. Only `seed`, `max_narratives` and `order` shape answers."""

    seed: int = Field(default=0, ge=0, le=2**31 - 1000)
    max_narratives: int | None = Field(default=None, gt=0)
    order: Literal["file", "random"] = "file"
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = "auto"
    save_incremental: bool = True
    save_csv_json: bool = True
    max_attempts: int = Field(default=6, ge=1)
    max_error_share: float = Field(default=0.5, gt=0, le=1)
    max_outage: Seconds = 72 * 3600.0
    drain_sec: Seconds = 20.0


class PrivacySection(Section):
    """What may leave this machine."""

    local_only: bool = False


class OutputField(Section):
    """One field of the declared answer."""

    type: FieldType
    description: str = ""
    required: bool = True
    values: list[str] = Field(default_factory=list)
    min: float | None = None
    max: float | None = None
    max_length: int | None = Field(default=None, gt=0)
    of: ItemType = "string"
    max_items: int | None = Field(default=None, gt=0)

    @field_validator("values", mode="before")
    @classmethod
    def _numbers_are_text(cls, values: object) -> object:
        if isinstance(values, list):
            return [str(v) if isinstance(v, int | float) else v for v in values]
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "OutputField":
        if (self.type == "enum") != bool(self.values):
            raise ValueError("values go with type enum, and an enum needs them")
        if len({v.strip().casefold() for v in self.values}) < len(self.values):
            raise ValueError("two of the values are the same but for blanks or case")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is greater than max")
        for key, types in (
            (("min", "max"), ("number", "integer")),
            (("max_length",), ("string", "list")),
            (("max_items",), ("list",)),
        ):
            if self.type not in types and any(getattr(self, k) is not None for k in key):
                raise ValueError(f"{' and '.join(key)} go with type {' or '.join(types)}")
        return self


class OutputSection(Section):
    """The answer that is asked for, where it is not the usual one."""

    primary: str | None = None
    fields: dict[str, OutputField] = Field(min_length=1)

    @model_validator(mode="after")
    def _primary_exists(self) -> "OutputSection":
        if self.primary is not None:
            if self.primary not in self.fields:
                raise ValueError(f"primary names {self.primary!r}, which is not among the fields")
            if self.fields[self.primary].type == "list":
                raise ValueError("a list cannot be primary: it cannot be compared with one label")
        return self


class ExperimentFile(Section):
    """A whole experiment file."""

    experiment: ExperimentSection
    model: ModelSection
    prompt: PromptSection = PromptSection()
    data: DataSection
    run: RunSection = RunSection()
    privacy: PrivacySection = PrivacySection()
    output: OutputSection | None = None

    @property
    def answer(self) -> AnswerSpec:
        """The declared answer, or the usual one."""
        return answer_spec(self.output)


def answer_spec(output: OutputSection | None) -> AnswerSpec:
    """The answer that an `output` section declares; the usual one where there is none."""
    if output is None:
        return DEFAULT_ANSWER
    fields = tuple(_answer_field(name, field) for name, field in output.fields.items())
    return AnswerSpec(fields=fields, primary=output.primary)


def _answer_field(name: str, field: OutputField) -> AnswerField:
    return AnswerField(name=name, **{**field.model_dump(), "values": tuple(field.values)})
