#!/usr/bin/env python3
"""Where in the objects' databases people's keys are.

    python tests/oracle/where_keys_are.py <folder> <key>...

Reads every SQLite database below the folder, unpacks packed rows of the log, and prints how many cells of which column hold
any of the keys, and how many rows of the log are packed: {"cells": {"table.column": count}, "packed": count}.
"""

import collections
import json
import sqlite3
import sys
import zlib
from pathlib import Path

folder, keys = Path(sys.argv[1]), [key.encode() for key in sys.argv[2:]]


def text_of(cell):
    raw = cell.encode() if isinstance(cell, str) else bytes(cell) if isinstance(cell, (bytes, memoryview)) else b""
    try:
        return raw + zlib.decompress(raw, -15)
    except zlib.error:
        return raw


found = collections.Counter()
databases = packed = 0
for file in folder.rglob("*.sqlite"):
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        if "log" in tables:
            databases += 1
            packed += database.execute("select count(*) from log where packed = 1").fetchone()[0]
        for table in tables:
            if table.startswith("_cf"):
                continue
            rows = database.execute(f'select * from "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, cell in zip(columns, row, strict=True):
                    if any(key in text_of(cell) for key in keys):
                        found[f"{table}.{column}"] += 1
if not databases:
    sys.exit("no database of a Shard was found")
print(json.dumps({"cells": found, "packed": packed}))
