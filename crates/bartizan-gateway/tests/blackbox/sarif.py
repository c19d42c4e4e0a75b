"""Is standard input a log of SARIF? Takes the file of the schema. Says what is not, and exits with 1."""

import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator, FormatChecker

schema = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
validator = Draft7Validator(schema, format_checker=FormatChecker())
errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(json.load(sys.stdin))]
print("\n".join(errors))
sys.exit(bool(errors))
