//! What kind of text is a body?

use http::{HeaderMap, header};

/// What kind of text a body is, by its `Content-Type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/json` and whatever ends in `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `text/…`.
    Text,
    /// No type given.
    Unnamed,
    /// A picture, a sound, a film or a font: nothing that anybody reads.
    Binary,
    /// What nobody here can read.
    Other,
}

/// Kinds of bytes that are no text to anybody, by their types and subtypes (IANA's registry, and what
/// browsers and servers call them beside it). What is not listed may be a text: `image/svg+xml`,
/// `audio/mpegurl`, `image/vnd.dxf`.
const BINARY: [(&str, &[&str]); 4] = [
    (
        "image",
        &[
            "apng",
            "avif",
            "bmp",
            "gif",
            "heic",
            "heif",
            "jp2",
            "jpeg",
            "jpg",
            "jxl",
            "png",
            "tiff",
            "vnd.microsoft.icon",
            "webp",
            "x-icon",
        ],
    ),
    (
        "audio",
        &[
            "aac", "basic", "flac", "l16", "l24", "m4a", "mp3", "mp4", "mpeg", "ogg", "opus",
            "pcm", "vnd.wave", "wav", "wave", "webm", "x-flac", "x-m4a", "x-wav",
        ],
    ),
    ("video", &["mp4", "mpeg", "ogg", "quicktime", "webm", "x-matroska"]),
    ("font", &["collection", "otf", "sfnt", "ttf", "woff", "woff2"]),
];

impl Media {
    /// The media type of a message with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
            return Self::Other;
        }
        let mut values = headers.get_all(header::CONTENT_TYPE).iter();
        let Some(value) = values.next() else { return Self::Unnamed };
        if values.next().is_some() {
            // Which of them counts differs from reader to reader.
            return Self::Other;
        }
        if value == "application/json" {
            return Self::Json;
        }
        let value = value.to_str().unwrap_or("?");
        if is_binary(value) {
            return Self::Binary;
        }
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        match essence {
            _ if parts.any(hides_ascii) => Self::Other,
            _ if is("application/json") => Self::Json,
            _ if is("application/x-www-form-urlencoded") => Self::Form,
            _ if tail(essence, 5).eq_ignore_ascii_case("+json") => Self::Json,
            _ if head(essence, 5).eq_ignore_ascii_case("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Whether this is one type and no text: a reader that finds a second one, or an encoding of texts, might
/// go by that.
fn is_binary(value: &str) -> bool {
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let Some((kind, subtype)) = essence.trim().split_once('/') else { return false };
    let is = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
    let listed = |(known, subtypes): &(&str, &[&str])| {
        is(kind, known) && subtypes.iter().any(|known| is(subtype, known))
    };
    let named = parameters.to_ascii_lowercase().contains("charset");
    BINARY.iter().any(listed) && !value.contains(',') && !named
}

/// The first `n` bytes, where they are whole characters; otherwise nothing.
fn head(text: &str, n: usize) -> &str {
    text.get(..n).unwrap_or_default()
}

/// The last `n` bytes, where they are whole characters; otherwise nothing.
fn tail(text: &str, n: usize) -> &str {
    text.len().checked_sub(n).and_then(|from| text.get(from..)).unwrap_or_default()
}

/// Whether this parameter names an encoding in which ASCII does not stand for itself, or one that
/// nobody here knows: what looks harmless could be anything to whoever decodes it.
fn hides_ascii(parameter: &str) -> bool {
    let Some((parameter, name)) = parameter.split_once('=') else { return false };
    if !parameter.trim().eq_ignore_ascii_case("charset") {
        return false;
    }
    let name = name.trim().trim_matches('"').to_ascii_lowercase();
    let known = ["utf-8", "utf8", "us-ascii", "ascii", "latin1"].contains(&name.as_str());
    !(known || name.starts_with("iso-8859-") || name.starts_with("windows-125"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(value: &str) -> Media {
        Media::of(&[(header::CONTENT_TYPE, value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn what_is_compressed_is_nothing_that_we_can_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(header::CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(Media::of(&headers), Media::Json);
        headers.append(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(Media::of(&headers), Media::Other);
    }

    #[test]
    fn a_body_of_two_types_is_nothing_that_we_can_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        assert_eq!(Media::of(&headers), Media::Text);
        headers.append(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(Media::of(&headers), Media::Other);
    }

    #[test]
    fn bytes_are_no_text_only_where_nothing_says_that_they_are() {
        for plain in ["image/png", "Image/JPEG", "audio/L16; rate=24000", "video/mp4;codecs=avc1"] {
            assert_eq!(media(plain), Media::Binary, "{plain}");
        }
        for odd in [
            "image/png, application/json",
            "image/png; a=b, application/json",
            "image/png;charset=utf-8",
            "image/svg+xml",
            "image/svg",
            "image/vnd.dxf",
            "audio/mpegurl",
            "audio/x-mpegurl",
            "video/vnd.mpegurl",
            "image",
        ] {
            assert_eq!(media(odd), Media::Other, "{odd}");
        }
    }

    #[test]
    fn an_encoding_that_hides_ascii_is_nothing_that_we_can_read() {
        for plain in
            ["application/json", "Application/JSON; charset=UTF-8", "a/b+json;charset=\"utf8\""]
        {
            assert_eq!(media(plain), Media::Json, "{plain}");
        }
        assert_eq!(media("text/plain; boundary=utf-7; charset=ISO-8859-1"), Media::Text);
        for odd in
            ["utf-7", "utf-16", "UTF-16LE", "\"utf-7\"", "ibm037", "iso-2022-jp", "hz-gb-2312", ""]
        {
            assert_eq!(media(&format!("text/plain; charset={odd}")), Media::Other, "{odd}");
            assert_eq!(media(&format!("application/json; a=b; Charset = {odd}")), Media::Other);
        }
    }
}
