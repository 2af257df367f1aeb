"""Many rows without the ORM's work for each of them: the same columns, the same conversions, hardly any Python.

For what happens with every card that is read. What is stored and what is loaded is what the ORM would store and load:
tests compare every column.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

from django.db import connection, models
from django.db.models.base import ModelState
from django.utils import timezone

AT_ONCE = 40  # rows of an INSERT: databases limit the parameters of a statement
_BOUND_AS_IT_IS = {
    models.CharField: (str,),
    models.TextField: (str,),
    models.IntegerField: (int,),
    models.ForeignKey: (int,),
    models.FloatField: (float,),
    models.BooleanField: (bool,),
}

Converter = Callable[[Any], Any]
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Column:
    """`bound`: a value as the database takes it; `loaded`: as it comes from there, None where that is the value."""

    name: str
    quoted: str
    bound: Converter
    loaded: Converter | None


@dataclass(frozen=True, slots=True)
class Table:
    quoted: str
    columns: Mapping[str, Column]  # by attribute name, in their order
    plain: Mapping[str, Any]  # what a new row has where nothing is said
    made: Mapping[str, Callable[[], Any]]  # the same, of those that are made anew for each row
    stamped: Collection[str]  # by the moment of the insert


@cache
def table(model: type[models.Model]) -> Table:
    columns, plain, made, stamped = {}, {}, {}, []
    for column in model._meta.concrete_fields:
        name = column.attname
        columns[name] = Column(name, _quoted(str(column.column)), _binding(column), _loading(column))
        if getattr(column, "auto_now_add", False) or getattr(column, "auto_now", False):
            stamped.append(name)
        if callable(column.default):
            made[name] = column.get_default
        else:
            plain[name] = column.get_default()
    return Table(_quoted(model._meta.db_table), columns, plain, made, stamped)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _binding(column: "models.Field[Any, Any]") -> Converter:
    """The column's own conversion; values that it would hand on unchanged are not handed to it."""
    kinds: tuple[type, ...] = ()
    if connection.vendor == "sqlite":  # others are told the type of a number
        kinds = next((kinds for kind, kinds in _BOUND_AS_IT_IS.items() if isinstance(column, kind)), ())
    unchanged = frozenset({*kinds, type(None)} if kinds else ())

    def bound(value: Any) -> Any:
        if type(value) in unchanged:
            return value
        plain = value.pk if isinstance(value, models.Model) else value
        return column.get_db_prep_save(plain, connection)

    return bound


def _loading(column: "models.Field[Any, Any]") -> Converter | None:
    expression = column.get_col(column.model._meta.db_table)
    converters = [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]
    if not converters:
        return None

    def loaded(value: Any) -> Any:
        for convert in converters:
            value = convert(value, expression, connection)
        return value

    return loaded


def fresh(kind: type[Row], /, **values: Any) -> Row:
    """`kind(**values)` by attribute names; no other row is put into it."""
    its = table(kind)
    return _instance(kind, {**its.plain, **{name: make() for name, make in its.made.items()}, **values}, adding=True)


def _instance(model: type[Row], values: dict[str, Any], *, adding: bool) -> Row:
    instance = model.__new__(model)
    instance._state = ModelState()
    instance._state.adding = adding
    instance._state.db = None if adding else connection.alias
    instance.__dict__.update(values)
    return instance


def insert(rows: Sequence[models.Model]) -> None:
    """New rows of one model; they know their keys afterwards."""
    for start in range(0, len(rows), AT_ONCE):
        _insert(rows[start : start + AT_ONCE])


def _insert(rows: Sequence[models.Model]) -> None:
    model = type(rows[0])
    its, key, now = table(model), _key(model), timezone.now()
    columns = [column for name, column in its.columns.items() if name != key.name]
    for name in its.stamped:
        for row in rows:
            setattr(row, name, now)
    values = [column.bound(row.__dict__[column.name]) for row in rows for column in columns]
    names = ", ".join(column.quoted for column in columns)
    places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {its.quoted} ({names}) VALUES {places} RETURNING {key.quoted}",  # noqa: S608
            values,
        )
        keys = cursor.fetchall()
    for row, (pk,) in zip(rows, keys, strict=True):
        row.pk = pk
        row._state.adding, row._state.db = False, connection.alias


def _key(model: type[models.Model]) -> Column:
    return table(model).columns[model._meta.pk.attname]


def fetch(
    model: type[Row],
    keys: Collection[int],
    names: Iterable[str] | None = None,
    *,
    by: str = "",
    lock: bool = False,
) -> dict[int, Row]:
    """Rows by key, as `in_bulk`; of the other columns than those named, each is loaded when it is asked for.

    `by`: the column that the given keys are those of.
    """
    if not keys:
        return {}
    its, key = table(model), _key(model)
    columns = [its.columns[name] for name in dict.fromkeys((key.name, *(its.columns if names is None else names)))]
    locking = " FOR UPDATE" if lock and connection.features.has_select_for_update else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(column.quoted for column in columns)} FROM {its.quoted}"  # noqa: S608
            f" WHERE {its.columns[by or key.name].quoted} IN ({', '.join(['%s'] * len(keys))}){locking}",
            list(keys),
        )
        found = cursor.fetchall()
    return {row[0]: _instance(model, _loaded(columns, row), adding=False) for row in found}


def _loaded(columns: Sequence[Column], row: Sequence[Any]) -> dict[str, Any]:
    return {
        column.name: value if column.loaded is None else column.loaded(value)
        for column, value in zip(columns, row, strict=True)
    }


def update_each(model: type[models.Model], rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Columns of rows by key. One prepared statement for all that have the same columns."""
    alike: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = {}
    for pk, fields in rows:
        alike.setdefault(tuple(fields), []).append((pk, fields))
    its, key = table(model), _key(model)
    with connection.cursor() as cursor:
        for names, members in alike.items():
            columns = [its.columns[_attname(model, name)] for name in names]
            assigned = ", ".join(f"{column.quoted} = %s" for column in columns)
            bounds = [column.bound for column in columns]
            cursor.executemany(
                f"UPDATE {its.quoted} SET {assigned} WHERE {key.quoted} = %s",  # noqa: S608
                [
                    [*[bound(value) for bound, value in zip(bounds, fields.values(), strict=True)], pk]
                    for pk, fields in members
                ],
            )


def update(
    model: type[models.Model],
    where: Mapping[str, Any],
    *,
    to: Mapping[str, Any] | None = None,
    by: Mapping[str, int | Decimal] | None = None,
) -> int:
    """Set columns `to` values and raise others `by` amounts, of the rows with such columns; return how many."""
    its = table(model)
    parts, values = [], []
    for name, value in (to or {}).items():
        column = its.columns[_attname(model, name)]
        parts.append(f"{column.quoted} = %s")
        values.append(column.bound(value))
    for name, amount in (by or {}).items():
        column = its.columns[name]
        parts.append(f"{column.quoted} = {_sum(column.quoted, amount)}")
        values.append(column.bound(amount))
    conditions = []
    for name, value in where.items():
        column = its.columns[_attname(model, name)]
        conditions.append(f"{column.quoted} = %s")
        values.append(column.bound(value))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {its.quoted} SET {', '.join(parts)} WHERE {' AND '.join(conditions)}",  # noqa: S608
            values,
        )
        return int(cursor.rowcount)


def _sum(quoted: str, amount: int | Decimal) -> str:
    """SQLite keeps decimals as text or number, whatever comes."""
    return f"CAST({quoted} + CAST(%s AS NUMERIC) AS NUMERIC)" if isinstance(amount, Decimal) else f"{quoted} + %s"


@cache
def _attname(model: type[models.Model], name: str) -> str:
    if name in table(model).columns:
        return name
    return cast("models.Field[Any, Any]", model._meta.get_field(name)).attname
