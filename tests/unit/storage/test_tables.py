"""Tables have exactly the declared columns, and the same rows give the same bytes."""

import pyarrow as pa
import pytest

from storage.errors import SchemaMismatch
from storage.tables import check_schema, decode, encode, make_table

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("votes", pa.int32())])


def test_rows_come_back() -> None:
    rows = [{"id": "a", "votes": 3}, {"id": "b", "votes": None}]
    assert decode(encode(make_table(rows, SCHEMA))).to_pylist() == rows


def test_an_empty_table_keeps_its_schema() -> None:
    assert decode(encode(make_table([], SCHEMA))).schema.equals(SCHEMA)


def test_the_same_rows_give_the_same_bytes() -> None:
    first = make_table([{"id": "a", "votes": 3}], SCHEMA)
    second = make_table([{"votes": 3, "id": "a"}], SCHEMA)
    assert encode(first) == encode(second)
    assert encode(first) != encode(make_table([{"id": "a", "votes": 4}], SCHEMA))


def test_missing_and_unexpected_columns_are_named() -> None:
    with pytest.raises(SchemaMismatch, match=r"row 1: missing columns \['votes'\], unexpected columns \['vote'\]"):
        make_table([{"id": "a", "votes": 1}, {"id": "b", "vote": 1}], SCHEMA)


@pytest.mark.parametrize("value", ["3", 2**31, [1]])
def test_a_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(SchemaMismatch, match="votes"):
        make_table([{"id": "a", "votes": value}], SCHEMA)


@pytest.mark.parametrize("value", [1.5, 2**70])
def test_a_value_is_not_cut_to_fit(value: object) -> None:
    """Arrow cuts 1.5 to the integer 1 without an error, and raises OverflowError, not ArrowInvalid, beyond 64 bits."""
    with pytest.raises(SchemaMismatch):
        make_table([{"id": "a", "votes": value}], SCHEMA)


def test_a_forbidden_null_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="column id holds 1 nulls"):
        check_schema(make_table([{"id": None, "votes": 1}], SCHEMA), SCHEMA)


def test_another_type_or_order_of_columns_is_refused() -> None:
    wider = pa.table({"id": pa.array(["a"]), "votes": pa.array([1], pa.int64())})
    with pytest.raises(SchemaMismatch, match=r"'votes': 'int64'.*expected.*'votes': 'int32'"):
        check_schema(wider, SCHEMA)
    with pytest.raises(SchemaMismatch):
        check_schema(make_table([{"id": "a", "votes": 1}], SCHEMA).select(["votes", "id"]), SCHEMA)
