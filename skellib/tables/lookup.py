"""A table, its columns and the experiments behind its rows, by their names."""

from __future__ import annotations

from skellib.config import Experiment
from skellib.data import PROTOCOLS, default_protocol, folds
from skellib.errors import InputError
from skellib.experiments import OWN_TABLES, PAPERS, TABLES, Column, Row, Table


def named(number: str) -> Table:
    """The table with this number, however it is written: ``"v"``, ``"fig9"``.

    Raises:
        InputError: if there is none.
    """

    def plain(text: str) -> str:
        return text.upper().replace(" ", "").replace(".", "")

    tables = {**TABLES, **OWN_TABLES}
    for table in tables.values():
        if plain(table.number) == plain(number):
            return table
    raise InputError(f"table {number!r} is none of {', '.join(tables)}")


def columns(table: Table, dataset: str) -> tuple[Column, ...]:
    """The columns of a table on a data set.

    The table's own; for a data set of which the paper reports nothing at all, one of
    our own by its usual protocol; none for a data set of the paper's other tables.

    Raises:
        InputError: for an unknown data set.
    """
    own = tuple(c for c in table.columns if c.dataset == dataset)
    if own or dataset in PAPERS:
        return own
    return (Column(dataset, dataset, default_protocol(dataset)),)


def column(table: Table, name: str) -> Column:
    """A column by its name in the paper, or by its data set's.

    Raises:
        InputError: if the table has no such column.
    """
    known = {c.name: c for c in table.columns}
    if name in known:
        return known[name]
    if name in PROTOCOLS or name in PAPERS:
        found = columns(table, name)
        if found:
            return found[0]
    raise InputError(
        f"Table {table.number} has no column {name!r}; it has {', '.join(known)}"
    )


def experiments(row: Row, column: Column, profile: str) -> tuple[Experiment, ...]:
    """The experiments of one of our rows: one for each fold of the protocol."""
    first = row.experiment(column, profile)
    count = folds(first.protocol, first.dataset)
    return tuple(first.replace(fold=k) for k in range(count))


def unit_of(row: Row, column: Column, profile: str) -> str:
    """What one value of a row stands for: a ``"fold"`` where there are several."""
    return "fold" if len(experiments(row, column, profile)) > 1 else "seed"
