//! How is a refusal worded where a WebSocket is open already? As a code and a reason (RFC 6455
//! section 7.4).

use super::detail;
use crate::refusal::{Outage, Refusal, Upstream};
use crate::validate::Invalid;
use crate::validate::websocket::Breach;

/// The longest reason, in bytes: a control frame holds 125, and the code takes two.
const MAX_REASON: usize = 123;

/// The status that the client of an open WebSocket has seen.
pub(crate) const OPENED: u16 = 101;

/// What a closing frame says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closing {
    /// The code.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: String,
}

impl Closing {
    /// The gateway stops, or nobody has said anything for too long.
    #[must_use]
    pub fn away() -> Self {
        Self { code: AWAY, reason: String::new() }
    }
}

const AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const INVALID: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;
const INTERNAL: u16 = 1011;
const TRY_AGAIN: u16 = 1013;

/// What the client of a WebSocket is told.
#[must_use]
pub fn closing(refusal: &Refusal) -> Closing {
    let mut reason = detail(refusal);
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    Closing { code: code(refusal), reason }
}

fn code(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Invalid(Invalid::Message(breach)) => match breach {
            Breach::Binary => UNSUPPORTED,
            Breach::Frame => PROTOCOL,
            Breach::TooLarge(_) => TOO_LARGE,
            Breach::Utf8 => INVALID,
        },
        Refusal::Unavailable(Outage::ShuttingDown) => AWAY,
        Refusal::Unavailable(_) => TRY_AGAIN,
        Refusal::Failed => INTERNAL,
        Refusal::Upstream(upstream) => match upstream {
            Upstream::Blocked | Upstream::Unreadable(_) => POLICY,
            Upstream::Garbled
            | Upstream::TooSlow
            | Upstream::Unauthorized
            | Upstream::Ungranted
            | Upstream::Unreachable => INTERNAL,
        },
        Refusal::Misdirected(_)
        | Refusal::Invalid(_)
        | Refusal::Blocked(_)
        | Refusal::Objected { .. }
        | Refusal::Withheld { .. }
        | Refusal::Unauthenticated { .. }
        | Refusal::Forbidden(_)
        | Refusal::Waiting(_)
        | Refusal::Exhausted(_)
        | Refusal::Unpriced(_) => POLICY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Objection;

    #[test]
    fn a_reason_fits_into_a_control_frame_and_stays_text() {
        let objection = Objection { detail: "ü".repeat(100), prompt: None };
        let refusal = Refusal::Objected { hook: "h".into(), objection };
        let Closing { code, reason } = closing(&refusal);
        assert_eq!((code, reason.len()), (1008, 122));
    }
}
