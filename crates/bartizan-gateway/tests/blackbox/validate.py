"""Is standard input an OpenAPI document of the version that it names? Says what is not, and exits with 1."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator, OpenAPIV32SpecValidator



def references(value):
    """Every reference in a document, but those within data."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for name, below in value.items():
            if name not in ("const", "default", "enum", "example", "examples"):
                yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def leads(reference, document):
    """Whether a reference within the document leads somewhere (RFC 6901)."""
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


document = json.load(sys.stdin)
validator = OpenAPIV32SpecValidator if document["openapi"].startswith("3.2.") else OpenAPIV31SpecValidator
errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator(document).iter_errors()]
errors += [f"{to}: leads nowhere" for to in references(document) if not leads(to, document)]
print("\n".join(errors))
sys.exit(bool(errors))
