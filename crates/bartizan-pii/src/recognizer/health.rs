//! Is this a patient's or an insured person's number? Hospitals and insurers have no common form.

use crate::{Recognizer, recognizer::formed};

const RECORD: &[&str] = &[
    "mrn",
    "medical",
    "record",
    "chart",
    "patient",
    "hospital",
    "patientennummer",
    "fallnummer",
    "dossier",
    "historia",
    "clínica",
    "cartella",
    "prontuário",
    "patiëntnummer",
    "pacjenta",
    "カルテ",
];
const MEMBER: &[&str] = &[
    "member",
    "policy",
    "subscriber",
    "insurance",
    "insured",
    "beneficiary",
    "versicherungsnummer",
    "police",
    "póliza",
    "polizza",
    "apólice",
    "polis",
    "polisy",
    "assuré",
    "mutuelle",
    "保険証",
];

pub(crate) const ROWS: &[Recognizer] = formed![
    MEDICAL_RECORD_NUMBER, "a number that begins with `MRN`",
        ["mrn-999999?9?9?9?9?", "mrn999999?9?9?9?9?"], any, 0.8, RECORD,
        yes ["MRN-3292960", "mrn: MRN4227008"], no ["MRN-12", "XMRN-3292960"];
    MEDICAL_RECORD_NUMBER, "five to ten digits, beside a word",
        ["999999?9?9?9?9?", "A999999?9?9?9?", "99-99-99", "999-99-99", "999-999-999"], any, 0.12, RECORD,
        yes ["medical record number 4839201", "MRN: 00482913"], no ["4839201", "record 12"];
    HEALTH_INSURANCE_NUMBER, "letters and digits of 8 to 15 places, beside a word",
        ["AAA99999?9?9?9?9?9?9?9?", "AA999999?9?9?9?9?9?9?", "A9999999?9?9?9?9?9?9?",
         "99999999?9?9?9?9?9?", "999-99-9999-99"],
        any, 0.12, MEMBER,
        yes ["member ID XYZ123456789", "Policy number 4839201746"], no ["XYZ123456789", "policy 12345"];
];

fn any(_: &[u8]) -> bool {
    true
}
