//! What kind of thing was found?

use std::{borrow::Borrow, cmp::Ordering, fmt, hash, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name of an entity, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// The kind of a finding, written in upper snake case: Presidio's name where it has one.
///
/// Cheap to clone. [`FromStr`] takes any case and the short names `EMAIL`, `PHONE`, `SSN`, `IP`,
/// `CARD`, `IBAN`, `NAME` and `ADDRESS`; every other well-formed name is a custom entity.
#[derive(Clone)]
pub struct Entity(Name);

#[derive(Clone)]
enum Name {
    Known(&'static str),
    Custom(Arc<str>),
}

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        impl Entity {
            $($(#[$doc])* pub const $name: Self = Self(Name::Known(stringify!($name)));)*

            /// Every entity that this crate has a name for.
            /// Every entity that comes with the program.
            pub const KNOWN: &[Self] = &[$(Self::$name),*];
        }
    };
}

known! {
    /// A routing number of a bank in the United States.
    ABA_ROUTING_NUMBER,
    /// An identity card of the United Arab Emirates.
    AE_EMIRATES_ID,
    /// A token or key of a service: `sk-…`, `ghp_…`, `AKIA…`, `btz_…`.
    API_KEY,
    /// A taxpayer's number of Argentina, CUIT or CUIL.
    AR_CUIT,
    /// A person's number of Argentina.
    AR_DNI,
    /// A social insurance number of Austria.
    AT_SVNR,
    /// A value added tax number of Austria.
    AT_VAT_ID,
    /// A business number of Australia.
    AU_ABN,
    /// A company number of Australia.
    AU_ACN,
    /// A health insurance number of Australia.
    AU_MEDICARE,
    /// A passport of Australia.
    AU_PASSPORT,
    /// A tax file number of Australia.
    AU_TFN,
    /// A firm's number of Belgium.
    BE_ENTERPRISE_NUMBER,
    /// A number of Belgium's national register.
    BE_NATIONAL_ID,
    /// A value added tax number of Belgium.
    BE_VAT_ID,
    /// A person's number of Bulgaria.
    BG_EGN,
    /// A literal of [`Config::block`](crate::Config::block).
    BLOCKED_TERM,
    /// A firm's tax number of Brazil.
    BR_CNPJ,
    /// A person's tax number of Brazil.
    BR_CPF,
    /// A passport of Canada.
    CA_PASSPORT,
    /// A postal code of Canada.
    CA_POSTAL_CODE,
    /// A social insurance number of Canada.
    CA_SIN,
    /// An insured person's number of Switzerland.
    CH_AHV,
    /// A firm's number of Switzerland.
    CH_UID,
    /// A person's or firm's tax number of Chile.
    CL_RUT,
    /// A resident's number of China.
    CN_RESIDENT_ID,
    /// A place on Earth as latitude and longitude.
    COORDINATES,
    /// A citizen's number of Colombia.
    CO_CEDULA,
    /// A firm's tax number of Colombia.
    CO_NIT,
    /// A payment card number (ISO/IEC 7812).
    CREDIT_CARD,
    /// An address of a cryptocurrency.
    CRYPTO,
    /// A tax number of Cyprus.
    CY_TIC,
    /// A birth number of Czechia or Slovakia.
    CZ_BIRTH_NUMBER,
    /// A firm's number of Czechia.
    CZ_ICO,
    /// The day on which a person was born, beside a word that says so.
    DATE_OF_BIRTH,
    /// A day, with a time of day or without.
    DATE_TIME,
    /// A doctor's place of work in Germany.
    DE_BSNR,
    /// A licence to drive of Germany.
    DE_FUEHRERSCHEIN,
    /// A number of Germany's register of companies.
    DE_HANDELSREGISTER,
    /// An insured person's number of Germany.
    DE_HEALTH_INSURANCE,
    /// An identity card of Germany.
    DE_ID_CARD,
    /// A number plate of Germany.
    DE_KFZ,
    /// A doctor's number of Germany.
    DE_LANR,
    /// A passport of Germany.
    DE_PASSPORT,
    /// A postal code of Germany.
    DE_PLZ,
    /// A pension insurance number of Germany.
    DE_SOCIAL_SECURITY,
    /// A person's tax identification number of Germany.
    DE_TAX_ID,
    /// A tax number of a German tax office.
    DE_TAX_NUMBER,
    /// A value added tax number of Germany.
    DE_VAT_ID,
    /// A person's number of Denmark.
    DK_CPR,
    /// A firm's number of Denmark.
    DK_CVR,
    /// A citizen's number of the Dominican Republic.
    DO_CEDULA,
    /// A citizen's number of Ecuador.
    EC_CEDULA,
    /// A person's code of Estonia.
    EE_ISIKUKOOD,
    /// A person's number of Egypt.
    EG_NATIONAL_ID,
    /// An e-mail address (RFC 5321).
    EMAIL_ADDRESS,
    /// A firm's number of Spain.
    ES_CIF,
    /// A foreigner's number of Spain.
    ES_NIE,
    /// A person's tax number of Spain.
    ES_NIF,
    /// A passport of Spain.
    ES_PASSPORT,
    /// A social security number of Spain.
    ES_SOCIAL_SECURITY,
    /// A value added tax number of a country without an entity of its own.
    EU_VAT_ID,
    /// A firm's number of Finland.
    FI_BUSINESS_ID,
    /// A person's code of Finland.
    FI_PERSONAL_IDENTITY_CODE,
    /// An identity card of France.
    FR_ID_CARD,
    /// A social security number of France.
    FR_NIR,
    /// A passport of France.
    FR_PASSPORT,
    /// A firm's number of France.
    FR_SIREN,
    /// The number of a firm's establishment in France.
    FR_SIRET,
    /// A person's tax number of France.
    FR_TAX_ID,
    /// A value added tax number of France.
    FR_VAT_ID,
    /// A tax number of Greece.
    GR_AFM,
    /// A social security number of Greece.
    GR_AMKA,
    /// A membership of a health insurer, beside a word that says so.
    HEALTH_INSURANCE_NUMBER,
    /// An identity card of Hong Kong.
    HK_HKID,
    /// A person's number of Croatia.
    HR_OIB,
    /// A social security number of Hungary.
    HU_TAJ,
    /// A person's tax number of Hungary.
    HU_TAX_ID,
    /// A value added tax number of Hungary.
    HU_VAT_ID,
    /// An international bank account number (ISO 13616).
    IBAN_CODE,
    /// A person's number of Indonesia.
    ID_NIK,
    /// A postal code of Ireland.
    IE_EIRCODE,
    /// A personal public service number of Ireland.
    IE_PPS,
    /// A value added tax number of Ireland.
    IE_VAT_ID,
    /// A person's number of Israel.
    IL_ID_NUMBER,
    /// The number of a mobile device (3GPP TS 23.003).
    IMEI,
    /// A person's number of India.
    IN_AADHAAR,
    /// A firm's tax number of India.
    IN_GSTIN,
    /// A permanent account number of India.
    IN_PAN,
    /// A passport of India.
    IN_PASSPORT,
    /// A number plate of India.
    IN_VEHICLE_REGISTRATION,
    /// A voter's number of India.
    IN_VOTER,
    /// An IPv4 or IPv6 address, with its prefix length where one is written.
    IP_ADDRESS,
    /// A person's number of Iceland.
    IS_KENNITALA,
    /// A licence to drive of Italy.
    IT_DRIVER_LICENSE,
    /// A person's tax code of Italy.
    IT_FISCAL_CODE,
    /// An identity card of Italy.
    IT_IDENTITY_CARD,
    /// A passport of Italy.
    IT_PASSPORT,
    /// A firm's tax number of Italy.
    IT_VAT_CODE,
    /// A firm's number of Japan.
    JP_CORPORATE_NUMBER,
    /// A licence to drive of Japan.
    JP_DRIVER_LICENSE,
    /// A person's number of Japan.
    JP_MY_NUMBER,
    /// A passport of Japan.
    JP_PASSPORT,
    /// A postal code of Japan.
    JP_POSTAL_CODE,
    /// A signed or encrypted JSON Web Token in its compact form (RFC 7519).
    JWT,
    /// A taxpayer's number of Kenya.
    KE_PIN,
    /// A firm's number of South Korea.
    KR_BRN,
    /// A licence to drive of South Korea.
    KR_DRIVER_LICENSE,
    /// A foreigner's number of South Korea.
    KR_FRN,
    /// A passport of South Korea.
    KR_PASSPORT,
    /// A resident's number of South Korea.
    KR_RRN,
    /// A person's number of Kazakhstan.
    KZ_IIN,
    /// A number plate of any country, beside a word that says so.
    LICENSE_PLATE,
    /// An identity card of Sri Lanka.
    LK_NIC,
    /// A person's code of Lithuania.
    LT_ASMENS_KODAS,
    /// A person's number of Luxembourg.
    LU_NATIONAL_ID,
    /// A person's code of Latvia.
    LV_PERSONAS_KODS,
    /// The hardware address of a network interface (IEEE 802).
    MAC_ADDRESS,
    /// A registration to prescribe of the United States (DEA).
    MEDICAL_LICENSE,
    /// A patient's number in a hospital, beside a word that says so.
    MEDICAL_RECORD_NUMBER,
    /// An identity card of Malta.
    MT_ID,
    /// A bank account of Mexico.
    MX_CLABE,
    /// A person's code of Mexico.
    MX_CURP,
    /// A taxpayer's code of Mexico.
    MX_RFC,
    /// A person's number of Malaysia.
    MY_MYKAD,
    /// A number of any country that follows a word for an identity card.
    NATIONAL_ID,
    /// A person's number of Nigeria.
    NG_NIN,
    /// A number plate of Nigeria.
    NG_VEHICLE_REGISTRATION,
    /// A citizen's number of the Netherlands.
    NL_BSN,
    /// A passport or identity card of the Netherlands.
    NL_PASSPORT,
    /// A postal code of the Netherlands.
    NL_POSTCODE,
    /// A value added tax number of the Netherlands.
    NL_VAT_ID,
    /// A value added tax number of a Nordic or Baltic country.
    NORDIC_VAT_ID,
    /// A person's number of Norway.
    NO_FODSELSNUMMER,
    /// A firm's number of Norway.
    NO_ORGANISASJONSNUMMER,
    /// A tax number of New Zealand.
    NZ_IRD,
    /// A patient's number of New Zealand.
    NZ_NHI,
    /// A passport of any country, beside a word that says so.
    PASSPORT,
    /// A password that follows the word, or stands in a connection string.
    PASSWORD,
    /// The name of a person where a title, a label or a phrase announces it. Most are not.
    PERSON,
    /// A taxpayer's number of Peru.
    PE_RUC,
    /// A telephone number (E.164, NANP, and national forms beside a word such as `phone`).
    PHONE_NUMBER,
    /// A mobile telephone number of the Philippines.
    PH_MOBILE_NUMBER,
    /// A passport of the Philippines.
    PH_PASSPORT,
    /// A taxpayer's number of the Philippines.
    PH_TIN,
    /// A common reference number of the Philippines.
    PH_UMID,
    /// An identity card of Pakistan.
    PK_CNIC,
    /// An identity card of Poland.
    PL_ID_CARD,
    /// A taxpayer's number of Poland.
    PL_NIP,
    /// A passport of Poland.
    PL_PASSPORT,
    /// A person's number of Poland.
    PL_PESEL,
    /// A firm's number of Poland.
    PL_REGON,
    /// A private key in PEM (RFC 7468) or in OpenPGP's armour (RFC 9580).
    PRIVATE_KEY,
    /// A citizen's card of Portugal.
    PT_CITIZEN_CARD,
    /// A tax number of Portugal.
    PT_NIF,
    /// A social security number of Portugal.
    PT_NISS,
    /// A person's number of Romania.
    RO_CNP,
    /// A firm's number of Romania.
    RO_CUI,
    /// A firm's tax number of Serbia.
    RS_PIB,
    /// A taxpayer's number of Russia.
    RU_INN,
    /// A passport of Russia.
    RU_PASSPORT,
    /// A pension insurance number of Russia.
    RU_SNILS,
    /// A citizen's or resident's number of Saudi Arabia.
    SA_NATIONAL_ID,
    /// A firm's number of Sweden.
    SE_ORGANISATIONSNUMMER,
    /// A person's number of Sweden.
    SE_PERSONNUMMER,
    /// A person's or foreigner's number of Singapore.
    SG_NRIC_FIN,
    /// A firm's number of Singapore.
    SG_UEN,
    /// A person's number of Slovenia and its neighbours.
    SI_EMSO,
    /// A tax number of Slovenia.
    SI_TAX_ID,
    /// A value added tax number of Slovakia.
    SK_VAT_ID,
    /// A postal address: number and street, with what follows of place and code.
    STREET_ADDRESS,
    /// A business identifier code of a bank (ISO 9362).
    SWIFT_CODE,
    /// A person's number of Thailand.
    TH_TNIN,
    /// A number plate of Türkiye.
    TR_LICENSE_PLATE,
    /// A person's number of Türkiye.
    TR_NATIONAL_ID,
    /// A telephone number of Türkiye.
    TR_PHONE_NUMBER,
    /// A person's number of Taiwan.
    TW_NATIONAL_ID,
    /// A taxpayer's number of Ukraine.
    UA_RNOKPP,
    /// A licence to drive of the United Kingdom.
    UK_DRIVING_LICENCE,
    /// A health service number of England.
    UK_NHS,
    /// A national insurance number of the United Kingdom.
    UK_NINO,
    /// A passport of the United Kingdom.
    UK_PASSPORT,
    /// A postcode of the United Kingdom.
    UK_POSTCODE,
    /// A sort code of a bank in the United Kingdom.
    UK_SORT_CODE,
    /// A taxpayer's reference of the United Kingdom.
    UK_UTR,
    /// A value added tax number of the United Kingdom.
    UK_VAT,
    /// A number plate of the United Kingdom.
    UK_VEHICLE_REGISTRATION,
    /// An address of the web (RFC 3986) with `http`, `https` or `ftp`.
    URL,
    /// The user and password in an address: `scheme://user:password@host`.
    URL_CREDENTIALS,
    /// A bank account in the United States.
    US_BANK_NUMBER,
    /// A licence to drive of a state of the United States.
    US_DRIVER_LICENSE,
    /// An employer's number of the United States.
    US_EIN,
    /// An individual taxpayer's number of the United States.
    US_ITIN,
    /// A Medicare beneficiary's number of the United States.
    US_MBI,
    /// A health provider's number of the United States.
    US_NPI,
    /// A passport of the United States.
    US_PASSPORT,
    /// A United States social security number.
    US_SSN,
    /// A postal code of the United States.
    US_ZIP_CODE,
    /// A universally unique identifier (RFC 9562).
    UUID,
    /// An identity card of Uruguay.
    UY_CI,
    /// A taxpayer's number of Venezuela.
    VE_RIF,
    /// A vehicle's identification number (ISO 3779).
    VIN,
    /// A citizen's number of Vietnam.
    VN_CCCD,
    /// A person's number of South Africa.
    ZA_ID_NUMBER,
    /// A passport of South Africa.
    ZA_PASSPORT,
    /// A tax number of South Africa.
    ZA_TAX_NUMBER,
}

impl Entity {
    /// What is looked for unless something else is asked for. The others are numbers of single
    /// countries, or too common in clean text to be masked unasked.
    pub const DEFAULT: &[Self] = &[
        Self::API_KEY,
        Self::CREDIT_CARD,
        Self::EMAIL_ADDRESS,
        Self::IBAN_CODE,
        Self::IP_ADDRESS,
        Self::JWT,
        Self::PHONE_NUMBER,
        Self::PRIVATE_KEY,
        Self::US_SSN,
    ];

    const ALIASES: &[(&str, Self)] = &[
        ("ADDRESS", Self::STREET_ADDRESS),
        ("CARD", Self::CREDIT_CARD),
        ("DOB", Self::DATE_OF_BIRTH),
        ("EMAIL", Self::EMAIL_ADDRESS),
        ("IBAN", Self::IBAN_CODE),
        ("IP", Self::IP_ADDRESS),
        ("MAC", Self::MAC_ADDRESS),
        ("MRN", Self::MEDICAL_RECORD_NUMBER),
        ("NAME", Self::PERSON),
        ("PHONE", Self::PHONE_NUMBER),
        ("SSN", Self::US_SSN),
    ];

    /// The name in upper snake case.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Custom(name) => name,
        }
    }

    /// A credential. Masking never keeps a part of one: its first characters are its type, its
    /// last ones are guessable material.
    pub fn is_secret(&self) -> bool {
        [Self::API_KEY, Self::JWT, Self::PASSWORD, Self::PRIVATE_KEY, Self::URL_CREDENTIALS]
            .contains(self)
    }
}

impl FromStr for Entity {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let name = text.to_ascii_uppercase();
        if let Some((_, entity)) = Self::ALIASES.iter().find(|(alias, _)| *alias == name) {
            return Ok(entity.clone());
        }
        if let Some(entity) = Self::KNOWN.iter().find(|known| known.as_str() == name) {
            return Ok(entity.clone());
        }
        let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        let letters = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if starts_well && name.len() <= MAX_NAME && name.bytes().all(letters) {
            Ok(Self(Name::Custom(name.into())))
        } else {
            Err(EntityError { name: text.chars().take(MAX_NAME).collect() })
        }
    }
}

/// The name of an entity is not in upper snake case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "entity `{name}` is no name: write at most 64 letters, digits and `_`, beginning with a letter"
)]
pub struct EntityError {
    name: String,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Entity {}

impl PartialOrd for Entity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Entity {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Entity {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Entity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_short_names_mean_the_entities() {
        for (alias, entity) in Entity::ALIASES {
            assert_eq!(alias.parse::<Entity>().as_ref(), Ok(entity));
        }
        assert_eq!("email_address".parse(), Ok(Entity::EMAIL_ADDRESS));
    }

    #[test]
    fn a_custom_name_equals_itself_and_a_bad_one_is_refused() {
        let entity: Entity = "customer_id".parse().expect("a good name");
        assert_eq!((entity.to_string().as_str(), &entity), ("CUSTOMER_ID", &entity.clone()));
        for bad in ["", "9LIVES", "CUSTOMER ID", "ÄRZTIN", &"A".repeat(65)] {
            assert!(bad.parse::<Entity>().is_err(), "{bad}");
        }
    }
}
