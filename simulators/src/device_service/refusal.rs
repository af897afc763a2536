//! Calls that fail as a whole.

use instrument_proto::device::{STATUS_METADATA, StatusCode};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Why a call failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refusal {
    /// OPC UA's word for it.
    pub code: StatusCode,
    /// What was asked for, why it is refused, what to do.
    pub text: String,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Takes the size of a result from what an answer may still have, and refuses the call when that is used up.
    pub(super) fn take_room(room: &mut usize, size: usize) -> Result<(), Refusal> {
        *room = room.checked_sub(size).ok_or_else(|| {
            let text = "the answer would be larger than a message may be; ask for less at once";
            Self::new(StatusCode::BAD_RESPONSE_TOO_LARGE, text)
        })?;
        Ok(())
    }

    /// Refuses a call that names nothing or too much.
    pub(super) fn check_count(count: usize, most: usize) -> Result<(), Refusal> {
        match count {
            0 => Err(Self::new(StatusCode::BAD_NOTHING_TO_DO, "the call names nothing; name at least one")),
            _ if count > most => Err(Self::new(
                StatusCode::BAD_TOO_MANY_OPERATIONS,
                format!("the call names {count}, and {most} are allowed at once; split it"),
            )),
            _ => Ok(()),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let code = match refusal.code {
            StatusCode::BAD_SUBSCRIPTION_ID_INVALID | StatusCode::BAD_MESSAGE_NOT_AVAILABLE => Code::NotFound,
            StatusCode::BAD_TOO_MANY_OPERATIONS
            | StatusCode::BAD_TOO_MANY_SUBSCRIPTIONS
            | StatusCode::BAD_RESPONSE_TOO_LARGE => Code::ResourceExhausted,
            StatusCode::BAD_USER_ACCESS_DENIED => Code::PermissionDenied,
            StatusCode::BAD_IDENTITY_TOKEN_REJECTED => Code::Unauthenticated,
            StatusCode::BAD_NOTHING_TO_DO
            | StatusCode::BAD_HISTORY_OPERATION_INVALID
            | StatusCode::BAD_TIMESTAMPS_TO_RETURN_INVALID
            | StatusCode::BAD_MAX_AGE_INVALID => Code::InvalidArgument,
            _ => Code::FailedPrecondition,
        };
        let mut status = Status::new(code, refusal.to_string());
        if let Ok(number) = MetadataValue::try_from(format!("{:08X}", refusal.code.0)) {
            status.metadata_mut().insert(STATUS_METADATA, number);
        }
        status
    }
}
