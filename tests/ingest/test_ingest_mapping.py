"""Which columns hold what, and what becomes of a row."""

import re
from collections import Counter
from io import StringIO

import pytest
from ruamel.yaml import YAML

from overnight.config.models import ColumnMapping, DataSection
from overnight.domain.narrative import LEFT_OUT_REASONS, LeftOut, SourceNarrative
from overnight.errors import DataError
from overnight.ingest.mapping import fits, joined_id, resolve
from overnight.ingest.source import OTHER_LABELS, open_source

WIDE = ["IncidentID", "NarrativeCME", "NarrativeLE"]
LONG = ["incident_id", "narrative_type", "narrative_text"]


def split(columns, cells, mapping=None, row=7):
    layout = resolve(columns, mapping, "a.csv")
    return layout.split(row, [cells[at] for at in layout.wanted])


def mapping(**fields):
    return ColumnMapping(**fields)


def test_a_wide_row_gives_cme_then_le():
    columns = ["Year", *reversed(WIDE), "ipv_manualLE", "ipv_manual"]
    cells = ["2020", " l ", "c", "1", "0", "1"]
    assert split(columns, cells) == [
        SourceNarrative("1", "cme", "c", None, "1", 7),
        SourceNarrative("1", "le", " l ", "0", "1", 7),
    ]


def test_both_halves_empty_are_two_left_out_rows():
    assert split(WIDE, ["1", "", None]) == [
        LeftOut(7, "1", "cme", "empty text"),
        LeftOut(7, "1", "le", "empty text"),
    ]


def test_an_empty_id_leaves_out_every_part_of_its_row():
    assert split(WIDE, [" ", "c", ""]) == [
        LeftOut(7, None, "cme", "empty id"),
        LeftOut(7, None, "le", "empty id"),
    ]
    assert split(LONG, [None, "le", "t"]) == [LeftOut(7, None, "le", "empty id")]


def test_a_long_row_without_a_type_has_no_key():
    assert split(LONG, ["1", " ", "t"]) == [LeftOut(7, "1", None, "empty type")]
    assert "empty id" in LEFT_OUT_REASONS


def test_types_are_kept_in_lower_case_and_ids_without_outer_blanks():
    assert split(LONG, [" 007 ", " CME", "t"]) == [SourceNarrative("007", "cme", "t", source_row=7)]


def test_a_mapping_reads_any_columns_in_its_own_order():
    chosen = mapping(
        id=["Site", "Case"],
        text={"Police": "P", "coroner": "C"},
        label={"police": "L"},
        case_label="K",
    )
    columns = ["C", "P", "Site", "Case", "L", "K"]
    assert resolve(columns, chosen, "a.csv").name == "mapped"
    assert split(columns, ["c", "p", "AZ", "01", "y", "n"], chosen) == [
        SourceNarrative("AZ|01", "police", "p", "y", "n", 7),
        SourceNarrative("AZ|01", "coroner", "c", None, "n", 7),
    ]


def test_a_mapping_wins_over_a_known_layout():
    chosen = mapping(id="IncidentID", text={"only": "NarrativeLE"})
    assert split(WIDE, ["1", "c", None], chosen) == [LeftOut(7, "1", "only", "empty text")]


def test_joined_ids_never_meet():
    pairs = [
        ("a|", "b"),
        ("a", "|b"),
        ("a\\", "|b"),
        ("a\\|", "b"),
        ("a", "b"),
        ("a", ""),
        ("", "a"),
    ]
    assert len({joined_id(pair) for pair in pairs}) == len(pairs)
    assert joined_id(("a", None)) == "a|"
    assert joined_id((" ", None)) == ""


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("1.0", "1"),
        ("-1.0", "-1"),
        (" Yes ", "Yes"),
        ("1.5", "1.5"),
        ("v1.0", "v1.0"),
        (" ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_label_is_trimmed_text_and_a_number_without_its_zero(cell, label):
    assert split([*LONG, "manual_flag_ind"], ["1", "le", "t", cell])[0].label == label


def test_names_match_exactly_first_then_without_case_and_blanks():
    columns = ["INCIDENTID", "IncidentID", "narrativecme ", "NARRATIVELE"]
    assert split(columns, ["wrong", "1", "c", "l"])[0].incident_id == "1"


@pytest.mark.parametrize(
    "columns",
    [[*WIDE, "NarrativeCME"], ["IncidentID", "NARRATIVECME", "NarrativeLE", "narrativecme"]],
)
def test_a_column_that_matters_and_stands_twice_is_refused(columns):
    message = (
        "a.csv: the column 'NarrativeCME' stands 2 times (columns 2 and 4); rename all but one"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        resolve(columns, None, "a.csv")


def test_a_column_that_does_not_matter_may_stand_twice():
    assert resolve([*WIDE, "x", "x", "incident_id", "incident_id"], None, "a.csv").name == "wide"


def test_a_missing_mapped_column_is_answered_with_the_nearest():
    chosen = mapping(id="IncidentID", text={"cme": "NarratveCME"})
    message = "a.csv: data.columns.text.cme names 'NarratveCME', which is no column; "
    message += "did you mean 'NarrativeCME'?"
    with pytest.raises(DataError, match=re.escape(message)):
        resolve(WIDE, chosen, "a.csv")
    chosen = mapping(id="IncidentID", text={"cme": "NarrativeCME"}, label={"CME": "zzz"})
    message = (
        "data.columns.label.cme names 'zzz', which is no column; there are: 'IncidentID', 'Narr"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        resolve(WIDE, chosen, "a.csv")
    assert not fits(WIDE, mapping(id="Nope", text={"cme": "NarrativeCME"}))


def test_types_that_are_one_in_lower_case_are_refused():
    chosen = mapping(id="IncidentID", text={"LE": "NarrativeLE", "le": "NarrativeCME"})
    with pytest.raises(DataError, match=r"data\.columns\.text: the type 'le' stands twice"):
        resolve(WIDE, chosen, "a.csv")
    chosen = mapping(id="IncidentID", text={" ": "NarrativeLE"})
    with pytest.raises(DataError, match=r"data\.columns\.text: the type ' ' is empty"):
        resolve(WIDE, chosen, "a.csv")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ["Incident_ID", "Narr_CME", "Narr_LE", "manual_cme", "Year"],
            {
                "id": "Incident_ID",
                "text": {"cme": "Narr_CME", "le": "Narr_LE"},
                "label": {"cme": "manual_cme"},
            },
        ),
        (
            ["Case No: 1", "Narrative (free text)", "gold label"],
            {
                "id": "Case No: 1",
                "text": {"free": "Narrative (free text)"},
                "label": {"free": "gold label"},
            },
        ),
        (
            ["IncidentYear", "CaseNo", "Text"],
            {"id": "CaseNo", "text": {"text": "Text"}},
        ),
        (  # what speaks of a text, and is its id, its date or its kind
            [
                "SiteId",
                "incident_id",
                "ReportID",
                "reportid",
                "note_date",
                "NarrativeType",
                "Notes",
            ],
            {"id": "incident_id", "text": {"text": "Notes"}},
        ),
        (["CaseID", "ReportID"], {"id": "CaseID", "text": {"text": "TEXT_COLUMN"}}),
        (["id", "yes"], {"id": "id", "text": {"text": "TEXT_COLUMN"}}),
        ([], {"id": "ID_COLUMN", "text": {"text": "TEXT_COLUMN"}}),
    ],
)
def test_an_unknown_layout_is_answered_with_an_example_that_can_be_pasted(columns, expected):
    with pytest.raises(DataError, match=r"a\.csv: the columns are in no known layout") as caught:
        resolve(columns, None, "a.csv")
    message, _, pasted = str(caught.value).partition("\n\n")
    assert all(repr(column) in message for column in columns)
    columns_section = YAML(typ="safe").load(StringIO(pasted))["data"]["columns"]
    assert columns_section == expected
    found = ColumnMapping(**columns_section)
    assert fits(columns, found) == ("_COLUMN" not in pasted)


def test_a_file_without_a_header_shows_no_narrative():
    secret = "He was found at home. " * 20
    with pytest.raises(DataError, match=r"\(a text of 440 characters\)") as caught:
        resolve(["1", secret, *map(str, range(40))], None, "a.csv")
    assert "found at home" not in str(caught.value)
    assert "and 12 more" in str(caught.value)


def test_labels_that_are_no_yes_or_no_are_counted_and_bounded(tmp_path):
    path = tmp_path / "a.csv"
    labels = ["1", "NO", "True", "", "maybe", "maybe", "secret " * 9, *(f"x{n}" for n in range(30))]
    lines = [f"{n},le,t,{label}" for n, label in enumerate(labels)]
    path.write_text("\n".join([",".join([*LONG, "manual_flag_ind"]), *lines]))
    source = open_source(DataSection(file=path), path)
    for _ in range(2):  # counted anew at each reading
        assert len(list(source.narratives())) == len(labels)
    known = Counter({"maybe": 2, "(more than 40 characters)": 1, OTHER_LABELS: 12})
    assert source.odd_labels == known + Counter(f"x{n}" for n in range(18))
