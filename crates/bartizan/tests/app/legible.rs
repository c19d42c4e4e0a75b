//! Does an answer pass that another reader would read in another way than it was searched?

use bartizan::body::Body;
use bartizan::pii::{Action, Pii};
use bartizan::{App, Caller, Problem, endpoint};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::house::{House, request};

const MAIL: &str = "ann@example.org";

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// An app whose answers have this type and these bytes, in so large pieces.
async fn answering(media: &'static str, bytes: &[u8], piece: usize) -> House {
    let pieces: Vec<_> = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
    let answer = move |_: Caller| {
        let frames = pieces.clone().into_iter();
        let frames =
            frames.map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(piece.into())));
        let stream = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let mut response = Response::new(Body::new(stream));
        response.headers_mut().insert(header::CONTENT_TYPE, media.parse().unwrap());
        for name in ["etag", "digest", "content-digest", "repr-digest", "content-md5"] {
            response.headers_mut().insert(name, "of-the-body".parse().unwrap());
        }
        async { Ok::<_, Problem>(response) }
    };
    let pii = Pii::new().detect(["EMAIL", "CREDIT_CARD"]);
    House::build(
        App::builder("Legible").pii(&pii).endpoint(endpoint("GET", "/").public().call(answer)),
    )
    .await
}

/// What arrived, and whether it was whole.
async fn got(house: &House) -> (StatusCode, Vec<u8>, bool) {
    let answer = house.send(request("", "GET", "/", &json!(null))).await;
    let (status, mut body) = (answer.status(), answer.into_body());
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => return (status, all, false),
        }
    }
    (status, all, true)
}

#[tokio::test]
async fn a_text_that_is_another_text_to_another_reader_does_not_pass() {
    let latin = b"4111\xa01111\xa01111\xa01111".to_vec();
    for (media, bytes) in [
        ("text/plain", wide(MAIL)),
        ("text/plain", wide("{\"mail\":\"ann@example.org\"}")),
        ("text/plain", MAIL.bytes().flat_map(|byte| [0, 0, 0, byte]).collect()),
        ("text/plain; charset=iso-8859-1", latin.clone()),
        ("text/plain; charset=windows-1252", latin),
        ("text/html", [b"\x1f\x8b\x08".to_vec(), vec![0xff; 40]].concat()),
    ] {
        for piece in [1, 3, 1000] {
            let house = answering(media, &bytes, piece).await;
            let (status, all, whole) = got(&house).await;
            assert!(!(status.is_success() && whole), "{media} {bytes:?}");
            let letters: Vec<u8> = all.into_iter().filter(|byte| *byte != 0).collect();
            assert!(letters.len() < 8, "{media}: {letters:?}");
        }
    }
}

#[tokio::test]
async fn what_is_plain_passes_in_any_pieces() {
    for (media, bytes) in [
        ("text/plain; charset=iso-8859-1", b"nothing here but ASCII".to_vec()),
        ("text/plain", "größer, 漢字, 😀".as_bytes().to_vec()),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and {\"more\":1}".to_vec()),
        ("audio/mpeg", b"ID3\x04\0\0\0\0\0\x23TSSE\0\0\0".to_vec()),
        ("image/gif", b"GIF8".to_vec()[..0].to_vec()),
    ] {
        for piece in [1, 2, 7, 1000] {
            let house = answering(media, &bytes, piece).await;
            assert_eq!(got(&house).await, (StatusCode::OK, bytes.clone(), true), "{media}");
        }
    }
}

#[tokio::test]
async fn a_text_that_calls_itself_a_picture_does_not_pass() {
    let text = br#"{"mail":"ann@example.org"}"#;
    for media in [
        "image/png",
        "image/png, application/json",
        "image/png;charset=utf-8",
        "image/svg",
        "audio/mpegurl",
        "video/vnd.mpegurl",
        "font/woff2",
    ] {
        for piece in [1, 1000] {
            let (status, all, whole) = got(&answering(media, text, piece).await).await;
            assert!(!(status.is_success() && whole), "{media}");
            assert!(!String::from_utf8_lossy(&all).contains("ann@"), "{media}");
        }
    }
}

#[tokio::test]
async fn no_digest_tells_what_was_masked() {
    for (media, masked) in [("text/plain", true), ("application/json", true), ("image/png", false)]
    {
        let text = if masked {
            &b"\"ann@example.org\""[..]
        } else {
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]
        };
        let house = answering(media, text, 1000).await;
        let answer = house.send(request("", "GET", "/", &json!(null))).await;
        for name in ["etag", "digest", "content-digest", "repr-digest", "content-md5"] {
            assert_eq!(answer.headers().contains_key(name), !masked, "{media}: {name}");
        }
    }
}

#[tokio::test]
async fn what_the_operator_looks_for_stands_in_no_record_either() {
    let pii = Pii::new().detect(["EMAIL"]).custom("CUSTOMER_ID", "CUST-[0-9]{6}").block(["Falcon"]);
    let echo = endpoint("GET", "/u/{id}").public().call(|_| async { Ok("fine".to_owned()) });
    let blocking = Pii::new().custom("PLATE", "[A-Z]{2}-[0-9]{4}").requests(Action::Block);
    let other = endpoint("GET", "/other").public().pii(&blocking);
    let other = other.call(|_| async { Ok("fine".to_owned()) });
    let house = House::build(App::builder("Own").pii(&pii).endpoint(echo).endpoint(other)).await;
    for path in ["/u/CUST-123456", "/u/Falcon", "/u/AB-1234", "/no/CUST%2D123456"] {
        let request = Request::get(path).header("host", "gate.test");
        let request = request.header("user-agent", "CUST-123456 of Falcon").body(Body::empty());
        house.send(request.unwrap()).await;
    }
    house.ends(4).await;
    for record in house.records() {
        let record = record.to_string();
        for own in ["CUST-", "Falcon", "AB-1234"] {
            assert!(!record.contains(own), "{own} in {record}");
        }
    }
}
