//! What does an app ask for beside the scopes of its endpoints and their schemas?

use bartizan::{App, Caller, Json, Problem, endpoint};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::house::{House, key};

#[tokio::test]
async fn what_the_whole_app_asks_for_is_asked_for_wherever_it_is_not_public() {
    let app = App::builder("Guarded")
        .required_scopes(&["app:use"])
        .api_key(key("guest").scopes(&["notes:read"]))
        .api_key(key("member").scopes(&["app:use"]))
        .api_key(key("reader").scopes(&["app:use", "notes:read"]))
        .endpoint(endpoint("GET", "/health").public().call(fine))
        .endpoint(endpoint("GET", "/me").authenticated().call(fine))
        .endpoint(endpoint("GET", "/notes").scope("notes:read").call(fine));
    let house = House::build(app).await;
    for (who, health, me, notes) in [
        ("", 200, 401, 401),
        ("guest", 200, 403, 403),
        ("member", 200, 200, 403),
        ("reader", 200, 200, 200),
    ] {
        for (path, status) in [("/health", health), ("/me", me), ("/notes", notes)] {
            let seen = house.ask(who, "GET", path, &Value::Null).await;
            assert_eq!(seen.status.as_u16(), status, "{who} {path}: {seen:?}");
        }
    }
}

async fn fine(_: Caller) -> Result<Json<bool>, Problem> {
    Ok(Json(true))
}

/// A number of seats that JSON Schema is not told about.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
struct Even(u8);

impl TryFrom<u8> for Even {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number.is_multiple_of(2) { Ok(Self(number)) } else { Err("it must be even") }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Booking {
    #[serde(rename = "rooms/~")]
    rooms: Vec<Room>,
}

#[derive(Deserialize, JsonSchema)]
struct Room {
    seats: Even,
}

async fn book(_: Caller, booking: Booking) -> Result<Json<u32>, Problem> {
    Ok(Json(booking.rooms.iter().map(|room| u32::from(room.seats.0)).sum()))
}

#[tokio::test]
async fn a_rule_of_a_type_says_where_it_is_broken_and_never_with_what() {
    let app = App::builder("Rooms").endpoint(endpoint("POST", "/rooms").public().json(book));
    let house = House::build(app).await;
    let rooms = |last: u8| json!({ "rooms/~": [{ "seats": 4 }, { "seats": last }] });
    let seen = house.ask("", "POST", "/rooms", &rooms(2)).await;
    assert_eq!((seen.status.as_u16(), &seen.body), (200, &json!(6)));
    let seen = house.ask("", "POST", "/rooms", &rooms(77)).await;
    assert_eq!(seen.status.as_u16(), 422, "{seen:?}");
    assert_eq!(seen.body["violations"][0]["pointer"], "/rooms~1~0/1/seats");
    assert!(!seen.body.to_string().contains("77"), "{seen:?}");
}
