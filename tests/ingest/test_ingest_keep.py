"""Columns of the data file that are kept beside the narratives."""

import pytest
from ingest_files import WRITERS, opened

from overnight.config.models import ColumnMapping
from overnight.errors import DataError, UnknownColumn

WIDE = {
    "IncidentID": "7",
    "NarrativeCME": "a",
    "NarrativeLE": "b",
    "SiteID": " 4 ",
    "IncidentYear": 2019.0,
    "Städte \u2028": "Zürich, 😀",
    "Empty": None,
}
LONG = {"incident_id": "7", "narrative_type": "cme", "narrative_text": "a"} | {
    name: WIDE[name] for name in ("SiteID", "IncidentYear", "Empty")
}


def kept(path, **data):
    return [
        dict(part.kept) if part.kept else part.kept for part in opened(path, **data).narratives()
    ]


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_keeps_the_same_of_wide_rows(suffix, tmp_path):
    path = tmp_path / f"data.{suffix}"
    WRITERS[suffix]([WIDE], path)
    found = kept(path, keep=["siteid", "IncidentYear", "Städte \u2028", "Empty"])
    year = "2019"  # 2019.0 in csv, a float elsewhere: one value in every format
    assert found == [{"SiteID": "4", "IncidentYear": year, "Städte": "Zürich, 😀"}] * 2


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_keeps_the_same_of_long_rows(suffix, tmp_path):
    path = tmp_path / f"data.{suffix}"
    WRITERS[suffix]([LONG], path)
    found = kept(path, keep=["SiteID", "IncidentYear", "Empty"])
    assert found == [{"SiteID": "4", "IncidentYear": "2019"}]
    assert kept(path) == [None]


def test_mapped_columns_keep_others_and_even_those_that_are_mapped(tmp_path):
    path = tmp_path / "data.csv"
    WRITERS["csv"]([{"Case": "1", "Report": "a", "Coded": "yes", "Place": "home"}], path)
    mapping = ColumnMapping(id="Case", text={"police": "Report"}, label={"police": "Coded"})
    assert kept(path, columns=mapping, keep=["Place", "Coded", "place"]) == [
        {"Place": "home", "Coded": "yes"}
    ]


def test_a_split_keeps_the_column_it_needs(tmp_path):
    path = tmp_path / "data.csv"
    WRITERS["csv"]([LONG], path)
    split = {"column": "SiteID", "test": ["4"]}
    assert kept(path, split=split) == [{"SiteID": "4"}]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"keep": ["IncidentYaer"]}, "data.keep"),
        ({"split": {"column": "IncidentYaer", "test": ["1"]}}, "data.split.column"),
    ],
)
def test_an_unknown_column_is_named_with_the_nearest(tmp_path, data, field):
    path = tmp_path / "data.csv"
    WRITERS["csv"]([LONG], path)
    with pytest.raises(UnknownColumn, match=r"did you mean 'IncidentYear'\?") as caught:
        kept(path, **data)
    assert caught.value.field == field


def test_a_name_that_no_path_can_hold_is_refused(tmp_path):
    path = tmp_path / "data.csv"
    WRITERS["csv"]([{**LONG, 'say "site"': "1"}], path)
    with pytest.raises(DataError, match="rename it without quotes"):
        kept(path, keep=['say "site"'])
