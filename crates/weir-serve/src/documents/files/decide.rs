//! What is to be done with a document and its file.

/// What both were like when they agreed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed<'a> {
    pub(super) version: i64,
    pub(super) hash: &'a [u8],
}

/// A document as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// There never was one.
    None,
    Removed,
    There {
        version: i64,
        /// Whether others may read it: what is private is not put into a folder that others have.
        shared: bool,
    },
}

/// A file as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) hash: &'a [u8],
    /// Whether it says what the document says.
    pub(super) same: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    /// They say the same: that is written down.
    Agree,
    /// The document becomes what the file says.
    Apply,
    /// A document is made of the file.
    Create,
    /// A removed document is brought back, as the file says.
    Revive,
    /// The file becomes what the document says.
    Write,
    /// The document goes, as its file did.
    Remove,
    /// The file goes, as its document did.
    Delete,
    /// Both are gone.
    Forget,
    /// Both were changed.
    Conflict,
}

pub(super) fn decide(
    agreed: Option<Agreed<'_>>,
    file: Option<File<'_>>,
    document: Document,
) -> Act {
    let Some(file) = file else {
        return match (agreed, document) {
            (None, Document::There { shared: true, .. }) => Act::Write,
            (None, _) => Act::Nothing,
            (Some(agreed), Document::There { version, .. }) if version == agreed.version => {
                Act::Remove
            }
            // Somebody changed it who did not know that its file was going.
            (Some(_), Document::There { .. }) => Act::Write,
            (Some(_), _) => Act::Forget,
        };
    };
    let is_changed = agreed.is_none_or(|agreed| agreed.hash != file.hash);
    match (document, agreed) {
        (Document::None, _) => Act::Create,
        // Removed here while the file stayed as it was; otherwise the file came, or came back.
        (Document::Removed, Some(_)) if !is_changed => Act::Delete,
        (Document::Removed, _) => Act::Revive,
        (Document::There { version, .. }, Some(agreed)) if !is_changed => {
            match version == agreed.version {
                true => Act::Nothing,
                false if file.same => Act::Agree,
                false => Act::Write,
            }
        }
        (Document::There { .. }, _) if file.same => Act::Agree,
        (Document::There { version, .. }, Some(agreed)) if version == agreed.version => Act::Apply,
        (Document::There { .. }, _) => Act::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Option<Agreed<'_>> = Some(Agreed {
        version: 3,
        hash: b"then",
    });
    const OLD: Option<File<'_>> = Some(File {
        hash: b"then",
        same: false,
    });
    const NEW: Option<File<'_>> = Some(File {
        hash: b"now",
        same: false,
    });
    const SAME: Option<File<'_>> = Some(File {
        hash: b"now",
        same: true,
    });

    fn there(version: i64) -> Document {
        Document::There {
            version,
            shared: true,
        }
    }

    #[test]
    fn whoever_changed_alone_counts() {
        assert_eq!(decide(THEN, OLD, there(3)), Act::Nothing);
        assert_eq!(decide(THEN, NEW, there(3)), Act::Apply);
        assert_eq!(decide(THEN, OLD, there(4)), Act::Write);
        assert_eq!(decide(THEN, NEW, there(4)), Act::Conflict);
        assert_eq!(decide(THEN, SAME, there(4)), Act::Agree);
        assert_eq!(decide(THEN, SAME, there(3)), Act::Agree);
    }

    #[test]
    fn what_is_new_is_taken_over() {
        assert_eq!(decide(None, NEW, Document::None), Act::Create);
        assert_eq!(decide(None, None, there(1)), Act::Write);
        let private = Document::There {
            version: 1,
            shared: false,
        };
        assert_eq!(decide(None, None, private), Act::Nothing);
        // Of two that never agreed nobody can tell which is newer.
        assert_eq!(decide(None, NEW, there(1)), Act::Conflict);
        assert_eq!(decide(None, SAME, there(1)), Act::Agree);
    }

    #[test]
    fn what_goes_takes_the_other_along_unless_that_was_changed() {
        assert_eq!(decide(THEN, None, there(3)), Act::Remove);
        assert_eq!(decide(THEN, None, there(4)), Act::Write);
        assert_eq!(decide(THEN, OLD, Document::Removed), Act::Delete);
        assert_eq!(decide(THEN, NEW, Document::Removed), Act::Revive);
        assert_eq!(decide(None, NEW, Document::Removed), Act::Revive);
        assert_eq!(decide(THEN, None, Document::Removed), Act::Forget);
    }
}
