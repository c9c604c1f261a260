#!/usr/bin/env python3
"""Every value and all metadata of Parquet files, as text.

    python tests/oracle/parquet_dump.py <file> ...

Prints one JSON array of texts, one for each file.
"""

import json
import sys

import pyarrow.parquet as pq


def text(path):
    """One file as text."""
    file = pq.ParquetFile(path)
    return f"{file.metadata}\n{file.schema}\n{file.metadata.metadata}\n" + "\n".join(
        "\t".join(map(str, row.values())) for row in file.read().to_pylist()
    )


if __name__ == "__main__":
    json.dump([text(path) for path in sys.argv[1:]], sys.stdout)
