#!/usr/bin/env python3
"""Whether answers of `GET /sage` have the shape of schemas/json/sage.schema.json, by a validator that Sage has no part in.

    python tests/oracle/answer_schema.py <answer.json> …

Prints {"faults": [{"file", "at", "rule"}]}: where and which keyword, never a value.
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parent.parent.parent / "schemas/json/sage.schema.json"

schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
faults = []
for file in sys.argv[1:]:
    for fault in validator.iter_errors(json.loads(Path(file).read_text(encoding="utf-8"))):
        faults.append({"file": file, "at": "/".join(map(str, fault.absolute_path)), "rule": fault.validator})
print(json.dumps({"faults": faults}))
