"""Tables are mapped when they are first named: each with what it refers to, and none is left out."""

import sys

import pytest
from sqlalchemy.orm import Mapper

from service.db import tables
from service.db.base import Base


def mapped() -> list[Mapper[object]]:
    tables.all_tables()
    # Tests have tables of their own.
    return [each for each in Base.registry.mappers if each.class_.__module__.startswith("service.")]


def test_every_table_can_be_named() -> None:
    names = [each.class_.__name__ for each in mapped()]
    assert [getattr(tables, name) for name in names] == [each.class_ for each in mapped()]
    with pytest.raises(AttributeError, match="no table Nothing"):
        getattr(tables, "Nothing")  # noqa: B009 a type checker would refuse the usual way


def test_a_table_is_imported_with_those_that_it_refers_to() -> None:
    for mapper in mapped():
        module = vars(sys.modules[mapper.class_.__module__])
        known = {getattr(each, "__tablename__", None) for each in module.values()}
        referred = {key.column.table.name for key in mapper.local_table.foreign_keys}
        assert referred <= known, mapper.class_
