"""What comes from a server is stored, whatever it holds."""

from hypothesis import given
from hypothesis import strategies as st

from overnight.store.texts import storable, storable_row

cells = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.integers(-(2**70), 2**70),
    st.integers(2**63 - 2, 2**63 + 2),
    st.text(st.characters(categories=("L", "N", "Cs", "Cc"))),  # half pairs and NUL as well
    st.sampled_from(["", "fine", "\0", "\ud83d", "ä"]),
)


@given(st.lists(cells).map(tuple))
def test_a_row_is_stored_as_its_cells_are(row):
    assert storable_row(row) == tuple(map(storable, row))
