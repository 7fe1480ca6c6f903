//! The audit's form: each record holds the hash of the one before it, so that none can be changed or
//! taken out without all that follow telling.

use chrono::{DateTime, SecondsFormat, Utc};
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;

/// Something that happened and is to be remembered.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it, as far as it is known.
    pub actor: String,
    /// Their roles at that time.
    pub roles: Vec<String>,
    /// How they had proved who they are.
    pub auth: &'static str,
    /// The door they came through.
    pub door: Option<&'static str>,
    /// The address they came from.
    pub ip: Option<String>,
    /// What was done, such as `user.create`.
    pub action: String,
    /// What it was done to, such as `user ada`.
    pub object: String,
    /// What there was before, without secrets.
    pub before: Option<Value>,
    /// What there is now, without secrets.
    pub after: Option<Value>,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Position in the chain, from 1.
    pub id: i64,
    /// The JSON text, as it was hashed.
    pub record: String,
    /// SHA-256 of the text, in hexadecimal.
    pub hash: String,
}

/// The chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("audit record {id} {problem}")]
pub struct TamperedAudit {
    /// The first record that does not fit.
    pub id: i64,
    problem: &'static str,
}

/// What the first record names as the hash before it.
pub fn first_hash() -> String {
    "0".repeat(64)
}

#[derive(Serialize)]
struct Json<'a> {
    id: i64,
    ts: String,
    actor: &'a str,
    roles: &'a [String],
    auth: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    action: &'a str,
    object: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a Value>,
    before_hash: Option<String>,
    after_hash: Option<String>,
    prev_hash: &'a str,
}

impl AuditEntry {
    /// Puts the entry at the end of a chain.
    pub fn chained(&self, id: i64, prev_hash: &str) -> AuditRecord {
        let hash_of = |value: &Value| hex(&value.to_string());
        let json = Json {
            id,
            ts: self.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            actor: &self.actor,
            roles: &self.roles,
            auth: self.auth,
            door: self.door,
            ip: self.ip.as_deref(),
            action: &self.action,
            object: &self.object,
            before: self.before.as_ref(),
            after: self.after.as_ref(),
            before_hash: self.before.as_ref().map(hash_of),
            after_hash: self.after.as_ref().map(hash_of),
            prev_hash,
        };
        // Strings, numbers and values that are JSON already: this cannot fail.
        let record = serde_json::to_string(&json).unwrap_or_default();
        let hash = hex(&record);
        AuditRecord { id, record, hash }
    }
}

impl AuditRecord {
    /// Checks that this record follows the one with `prev_id` and `prev_hash` and is as it was
    /// written.
    pub fn follows(&self, prev_id: i64, prev_hash: &str) -> Result<(), TamperedAudit> {
        let fail = |problem| {
            Err(TamperedAudit {
                id: self.id,
                problem,
            })
        };
        if self.id != prev_id + 1 {
            return fail("does not follow the one before it: records are missing");
        }
        if hex(&self.record) != self.hash {
            return fail("was changed after it was written");
        }
        let Ok(json) = serde_json::from_str::<Value>(&self.record) else {
            return fail("is no JSON");
        };
        if json["id"].as_i64() != Some(self.id) || json["prev_hash"].as_str() != Some(prev_hash) {
            return fail(
                "does not belong where it is: one before it was changed, added or removed",
            );
        }
        Ok(())
    }
}

fn hex(text: &str) -> String {
    use std::fmt::Write;
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(
        String::with_capacity(64),
        |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<AuditRecord> {
        let mut prev = first_hash();
        (1..=4)
            .map(|id| {
                let record = AuditEntry {
                    at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
                    actor: "ada".to_owned(),
                    roles: vec!["admin".to_owned()],
                    auth: "password",
                    door: None,
                    ip: None,
                    action: "user.create".to_owned(),
                    object: format!("user number {id}"),
                    before: None,
                    after: Some(serde_json::json!({ "roles": ["viewer"] })),
                }
                .chained(id, &prev);
                prev.clone_from(&record.hash);
                record
            })
            .collect()
    }

    fn verify(records: &[AuditRecord]) -> Result<(), TamperedAudit> {
        let mut prev = (0, first_hash());
        for record in records {
            record.follows(prev.0, &prev.1)?;
            prev = (record.id, record.hash.clone());
        }
        Ok(())
    }

    #[test]
    fn a_chain_that_nobody_touched_holds() {
        assert_eq!(verify(&chain()), Ok(()));
    }

    #[test]
    fn whatever_is_done_to_a_chain_shows() {
        let mut changed = chain();
        changed[1].record = changed[1].record.replace("ada", "eve");
        assert_eq!(verify(&changed).unwrap_err().id, 2);

        // With the hash made to fit, the next one tells.
        changed[1].hash = hex(&changed[1].record);
        assert_eq!(verify(&changed).unwrap_err().id, 3);

        let mut removed = chain();
        removed.remove(1);
        assert_eq!(verify(&removed).unwrap_err().id, 3);

        let mut swapped = chain();
        swapped.swap(1, 2);
        assert!(verify(&swapped).is_err());
    }
}
