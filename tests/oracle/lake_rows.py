#!/usr/bin/env python3
"""Every row of the Parquet files in a folder of Bronze objects, but for the time of its receipt.

    python tests/oracle/lake_rows.py <folder>

Prints {"rows": [digest of each row, sorted], "files": [names of the files, sorted]}.
"""

import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

folder = Path(sys.argv[1])
rows, files = [], []
for file in sorted(folder.glob("events/**/*.parquet")):
    files.append(file.name)
    table = pq.ParquetFile(file).read()
    names = [name for name in table.column_names if name not in ("received_at", "shard")]
    for row in table.select(names).to_pylist():
        rows.append(hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16])
print(json.dumps({"rows": sorted(rows), "files": sorted(files)}))
