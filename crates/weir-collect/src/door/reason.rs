/// Why an event, or a whole body, was set aside. The words are stable: people query for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    MalformedJson,
    InvalidUtf8,
    TooDeep,
    TooLarge,
    NotAnObject,
    MissingType,
    UnknownType,
    MissingId,
    MissingEvent,
    MissingGroupId,
    InvalidField,
    BatchOverflow,
    BatchBroken,
    InvalidMember,
    UndecodableBody,
    BodyTooLarge,
    BadSignature,
}

impl Reason {
    /// All there are.
    pub const ALL: &[Reason] = &[
        Reason::MalformedJson,
        Reason::InvalidUtf8,
        Reason::TooDeep,
        Reason::TooLarge,
        Reason::NotAnObject,
        Reason::MissingType,
        Reason::UnknownType,
        Reason::MissingId,
        Reason::MissingEvent,
        Reason::MissingGroupId,
        Reason::InvalidField,
        Reason::BatchOverflow,
        Reason::BatchBroken,
        Reason::InvalidMember,
        Reason::UndecodableBody,
        Reason::BodyTooLarge,
        Reason::BadSignature,
    ];

    /// Returns the word it has in tables and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::MalformedJson => "malformed_json",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::TooDeep => "too_deep",
            Reason::TooLarge => "too_large",
            Reason::NotAnObject => "not_an_object",
            Reason::MissingType => "missing_type",
            Reason::UnknownType => "unknown_type",
            Reason::MissingId => "missing_id",
            Reason::MissingEvent => "missing_event",
            Reason::MissingGroupId => "missing_group_id",
            Reason::InvalidField => "invalid_field",
            Reason::BatchOverflow => "batch_overflow",
            Reason::BatchBroken => "batch_broken",
            Reason::InvalidMember => "invalid_member",
            Reason::UndecodableBody => "undecodable_body",
            Reason::BodyTooLarge => "body_too_large",
            Reason::BadSignature => "bad_signature",
        }
    }
}
