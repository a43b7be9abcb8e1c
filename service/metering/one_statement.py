"""PostgreSQL: a batch of reads as one statement, which is one way to the server and one commit.

Who begins on a network, what is counted, its rows in the ledger and what led the readers here are parts of it.
Each sees what was there before it, so what a part passes on goes by `RETURNING`.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from service.identity.touches import PARTS, touch_columns
from service.limits.rate import CLOCKS_APART
from service.metering.attempt import Attempt
from service.metering.ledger import Entry

_OF_A_READ = {
    "meter": "text", "holder": "text", "id": "text", "at": "timestamptz", "reader_id": "text", "device_id": "text",
}  # fmt: skip
_OF_SOME = {
    "counted_in": "timestamptz", "most": "integer", "began": "timestamptz", "ended": "timestamptz",
    "said_beside": "text",
    "network": "text", "network_most": "integer", "network_ends": "timestamptz", "touched": "boolean",
    **{f"touch_{part}": "text" for part in PARTS},
    **{name: "text" for name in Entry._fields if name not in _OF_A_READ},
    "day": "date", "window_start": "timestamptz",
    "granted": "boolean", "consumed": "boolean", "once": "boolean",
}  # fmt: skip
"""Columns that most reads of a batch have in common. The driver takes long for each array, however short."""
_own = itemgetter(*(Entry._fields.index(name) for name in _OF_A_READ if name != "meter"))
_others = itemgetter(*(n for n, name in enumerate(Entry._fields) if name not in _OF_A_READ))
_OVER = f"held.ends_at <= $1 OR held.ends_at > excluded.ends_at + interval '{CLOCKS_APART.seconds} seconds'"
"""As in limits/rate.py: also one that ends later than any that begins now."""
_OF_ITS_OWN = "past.holder > wanted.holder || '@' AND past.holder < wanted.holder || 'A'"
"""Meters that have a name after the holder's: `A` is what follows `@`."""
_BEGAN = "coalesce(counted.began_at, wanted.window_start)"
_OPENED = (
    "EXISTS (SELECT FROM meter_windows AS past WHERE past.holder = wanted.holder)",
    f"EXISTS (SELECT FROM meter_windows AS past WHERE {_OF_ITS_OWN})",
    "EXISTS (SELECT FROM gift_openings AS opened WHERE opened.device_id = wanted.device_id)",
)
"""What the meter or a gift link has opened to the device."""
_ENDED = """known.began_at IS NOT NULL
  AND known.began_at <= (SELECT ended FROM wanted WHERE wanted.meter = excluded.holder)"""
"""Whether a rolling window is over by the time of the read; no calendar's is."""
_PROMPT = """(
    SELECT said ->> 0 FROM jsonb_array_elements(said_beside::jsonb) WITH ORDINALITY AS by_left (said, place)
    WHERE coalesce((said ->> 1)::integer, most) >= most - jsonb_array_length(counted.counted)
    ORDER BY place LIMIT 1)"""
"""By the articles that are left, as `Attempt.recorded`."""
_UNTOUCHED = (False, None, None, None, None)
_NO_NETWORK = (None, None, None)


def send(connection: Connection, batch: Sequence[Attempt], now: datetime) -> Sequence[Any]:
    """Count for each what has room, and record it. Rows, in any order, of `meter`, `counted` and `carried` as JSON, None
    where nothing was counted, `began` of a rolling window, and `closed`: the network has no room. `now` is
    wall time.
    """
    some: dict[tuple[Any, ...], int] = {}
    rows = []
    for each in batch:
        window, touch = each.window, each.touch
        common = (
            window.key, each.limit, window.began, window.ended,
            json.dumps(each.prompts) if each.prompts else None,
            *(each.network[0].begun(each.network[1], now) if each.network else _NO_NETWORK),
            *((True, *touch.parts) if touch is not None else _UNTOUCHED),
            *_others(each.entry),
        )  # fmt: skip
        rows.append((some.setdefault(common, len(some) + 1), each.meter, *_own(each.entry)))
    columns = map(list, zip(*rows, strict=True))
    shared = f"[{','.join(map(_in_json, some))}]"
    return connection.exec_driver_sql(_statement(), (now, shared, *columns)).all()


@lru_cache(maxsize=1_000)
def _in_json(common: tuple[Any, ...]) -> str:
    """Values of `_OF_SOME`: those who read at a time have the same again and again."""
    return json.dumps(dict(zip(_OF_SOME, common, strict=True)), default=str)


def begun(connection: Connection, batch: Sequence[Attempt]) -> Sequence[str]:
    """The meters of those to which something has been opened by now."""
    rows = [(each.meter, each.entry.holder, each.entry.device_id) for each in batch]
    columns = tuple(map(list, zip(*rows, strict=True)))
    return connection.exec_driver_sql(_BEGUN, columns).scalars().all()


_BEGUN = f"""
SELECT meter FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (meter, holder, device_id)
WHERE {" OR ".join(_OPENED)}
"""  # noqa: S608 names from the code


@cache
def _statement() -> str:
    reads = ", ".join(
        f"${n}::{kind}[]" for n, kind in enumerate(("integer", *_OF_A_READ.values()), 3)
    )
    some = ", ".join(map(" ".join, _OF_SOME.items()))
    entry = ", ".join(Entry._fields)
    said = ", ".join(
        {"window_start": _BEGAN, "prompt": _PROMPT}.get(name, name) for name in Entry._fields
    )
    first, last = touch_columns("first"), touch_columns("last")
    parts = ", ".join(["wanted.at", *(f"touch_{part}" for part in PARTS)])
    named = ", ".join(f"excluded.last_{part}" for part in PARTS)
    return f"""
WITH wanted AS MATERIALIZED (
  SELECT * FROM unnest({reads}) AS reads (kind, {", ".join(_OF_A_READ)})
  JOIN ROWS FROM (jsonb_to_recordset($2::jsonb) AS ({some})) WITH ORDINALITY
    AS common ({", ".join(_OF_SOME)}, kind) USING (kind)
), beginning AS MATERIALIZED (
  SELECT meter, network, network_most, network_ends,
    row_number() OVER (PARTITION BY network ORDER BY meter) AS place,
    count(*) OVER (PARTITION BY network) AS number
  FROM wanted
  WHERE network IS NOT NULL AND NOT {" AND NOT ".join(_OPENED)}
), taken AS (
  INSERT INTO rate_limits AS held (key, count, started_at, ends_at)
  SELECT network, count(*), $1, max(network_ends) FROM beginning GROUP BY network ORDER BY network
  ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN {_OVER} THEN excluded.count ELSE held.count + excluded.count END,
    started_at = CASE WHEN {_OVER} THEN excluded.started_at ELSE held.started_at END,
    ends_at = CASE WHEN {_OVER} THEN excluded.ends_at ELSE held.ends_at END
  RETURNING key, count
), admitted AS MATERIALIZED (
  SELECT wanted.* FROM wanted
  LEFT JOIN beginning ON beginning.meter = wanted.meter LEFT JOIN taken ON taken.key = beginning.network
  WHERE beginning.meter IS NULL OR place <= beginning.network_most - taken.count + number
), counted AS (
  INSERT INTO meter_windows AS known (holder, window_start, began_at, counted, carried, updated_at)
  SELECT meter, counted_in, began, jsonb_build_array(article_id), '[]', at
  FROM admitted WHERE most > 0 ORDER BY meter
  ON CONFLICT (holder, window_start) DO UPDATE
  SET counted = CASE WHEN {_ENDED} THEN excluded.counted ELSE known.counted || excluded.counted END,
    carried = CASE WHEN {_ENDED} THEN excluded.carried ELSE known.carried END,
    began_at = CASE WHEN {_ENDED} OR known.counted = '[]' THEN excluded.began_at ELSE known.began_at END,
    updated_at = excluded.updated_at
  WHERE {_ENDED} OR (
    jsonb_array_length(known.counted) < (SELECT most FROM wanted WHERE wanted.meter = excluded.holder)
    AND NOT known.counted @> excluded.counted AND NOT known.carried @> excluded.counted)
  RETURNING holder AS meter, counted, carried, began_at
), recorded AS (
  INSERT INTO access_ledger ({entry}) SELECT {said} FROM wanted JOIN counted USING (meter)
), led AS (
  INSERT INTO touches (holder, {", ".join([*first, *last])})
  SELECT DISTINCT ON (holder) holder, {parts}, {parts}
  FROM wanted JOIN counted USING (meter) WHERE touched ORDER BY holder
  ON CONFLICT (holder) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in last)}
  WHERE coalesce({named}) IS NOT NULL AND excluded.last_at >= touches.last_at
)
SELECT wanted.meter, counted.counted::text, counted.carried::text, counted.began_at AS began,
  admitted.meter IS NULL AS closed
FROM wanted
LEFT JOIN admitted ON admitted.meter = wanted.meter LEFT JOIN counted ON counted.meter = wanted.meter
"""  # noqa: S608 names from the code
