"""Is standard input an OpenAPI document of the version that it names? Says what is not, and exits with 1."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator

document = json.load(sys.stdin)
validator = OpenAPIV32SpecValidator if document["openapi"].startswith("3.2.") else OpenAPIV31SpecValidator
errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator(document).iter_errors()]
print("\n".join(errors))
sys.exit(bool(errors))
