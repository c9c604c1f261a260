"""The events of a folder of Bronze objects. Argument: the folder; prints a list of events."""

import gzip
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

folder = Path(sys.argv[1])
lines = [line for part in folder.glob("events/**/*.ndjson.gz") for line in gzip.decompress(part.read_bytes()).splitlines()]
for part in folder.glob("events/**/*.parquet"):
    lines.extend(pq.ParquetFile(part).read(["event"])["event"].to_pylist())
json.dump([json.loads(line) for line in lines], sys.stdout)
