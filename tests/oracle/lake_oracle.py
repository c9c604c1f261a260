#!/usr/bin/env python3
"""What DuckDB and pyarrow find in a folder of Bronze objects.

    python tests/oracle/lake_oracle.py <folder>

The folder holds `events/dt=…/hour=…/*.parquet` and `*.ndjson.gz` as they lie in the bucket. Prints one JSON object: per
reader the rows, distinct ids and sums of Parquet; of DuckDB also those of the NDJSON parts.
"""

import json
import sys
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.dataset as ds

SUMS = ("cost_nano_usd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def of_duckdb(folder):
    """Parquet by way of Hive partitions; NDJSON as JSON."""
    con = duckdb.connect()
    found = {}
    if list(folder.glob("events/**/*.parquet")):
        rows = f"read_parquet('{folder}/events/*/*/*.parquet', hive_partitioning = true)"
        sums = ", ".join(f"sum({name})::hugeint" for name in SUMS)
        row = con.execute(f"select count(*), count(distinct id), {sums} from {rows}").fetchone()
        misplaced = con.execute(
            f"select count(*) from {rows} where strftime(received_at, '%Y-%m-%d') <> cast(dt as varchar)"
            " or extract(hour from received_at) <> cast(hour as integer)"
        ).fetchone()[0]
        per_kind = con.execute(f"select kind, count(*) from {rows} group by kind").fetchall()
        found["parquet"] = {
            "rows": row[0],
            "ids": row[1],
            **{name: int(total or 0) for name, total in zip(SUMS, row[2:], strict=True)},
            "misplaced": misplaced,
            "kinds": dict(per_kind),
        }
    if list(folder.glob("events/**/*.ndjson.gz")):
        lines = f"read_ndjson_objects('{folder}/events/*/*/*.ndjson.gz')"
        row = con.execute(
            "select count(*), count(distinct json ->> '$.id'),"
            " sum((json ->> '$.body.turn.cost.nano_usd')::hugeint), sum((json ->> '$.body.turn.usage.input_tokens')::hugeint),"
            f" sum((json ->> '$.body.turn.usage.output_tokens')::hugeint) from {lines}"
        ).fetchone()
        names = ("rows", "ids", "cost_nano_usd", "input_tokens", "output_tokens")
        found["ndjson"] = {name: int(total or 0) for name, total in zip(names, row, strict=True)}
    return found


def of_pyarrow(folder):
    """Parquet as one data set."""
    if not list(folder.glob("events/**/*.parquet")):
        return {}
    table = ds.dataset(folder / "events", format="parquet", partitioning="hive", exclude_invalid_files=True).to_table(
        columns=["id", *SUMS]
    )
    sums = {name: pc.sum(table[name]).as_py() or 0 for name in SUMS}
    return {"parquet": {"rows": table.num_rows, "ids": pc.count_distinct(table["id"]).as_py(), **sums}}


def main():
    """Reads and prints."""
    folder = Path(sys.argv[1])
    json.dump({"duckdb": of_duckdb(folder), "pyarrow": of_pyarrow(folder)}, sys.stdout)


if __name__ == "__main__":
    main()
