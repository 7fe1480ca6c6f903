//! `sources/*.yml` of `kind: webhook`: who signs what comes in, and with which secret.

use std::collections::HashMap;

use weir_catalog::{SourceFile, SourceSettings};
use weir_collect::{Scheme, Verifier};
use weir_core::{SourceName, did_you_mean};
use weir_model::ModelError;
use weir_model::yaml::{Map, Yaml, read};

use crate::failure::Failure;
use crate::flow::file::section::{Reader, listed};
use crate::project::{Project, ReadFile};

/// The kind that such files name.
const KIND: &str = "webhook";
const KEYS: [&str; 10] = [
    "name",
    "kind",
    "description",
    "provider",
    "secret",
    "previous_secret",
    "header",
    "prefix",
    "id_header",
    "enabled",
];
const PROVIDERS: [&str; 4] = ["stripe", "github", "slack", "hmac"];
/// What only senders without a name here need.
const OF_HMAC: [&str; 3] = ["header", "prefix", "id_header"];

/// Whether a file of `sources/` describes webhooks.
pub(crate) fn is_webhook(file: &str, text: &str) -> bool {
    read(file, text).is_ok_and(|document| {
        let kind = document.root.as_map().and_then(|map| map.get("kind"));
        kind.and_then(Yaml::as_str) == Some(KIND)
    })
}

/// Returns the source of events that such a file makes.
pub(crate) fn source(read: &ReadFile) -> Result<SourceFile, Failure> {
    let (name, enabled, _) = parsed(read, &|_| Some(String::new()))?;
    Ok(SourceFile {
        name,
        enabled,
        settings: SourceSettings::default(),
    })
}

/// Returns what the webhooks of each source are held against.
pub(crate) fn verifiers(project: &Project) -> Result<HashMap<String, Verifier>, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let mut verifiers = HashMap::new();
    for read in project.webhook_files()? {
        let (name, _, verifier) = parsed(&read, &variable)?;
        verifiers.insert(name.to_string(), verifier);
    }
    Ok(verifiers)
}

/// Returns verifiers that let nothing in.
pub(crate) fn closed(project: &Project) -> Result<HashMap<String, Verifier>, Failure> {
    let mut verifiers = HashMap::new();
    for read in project.webhook_files()? {
        let name = source(&read)?.name.to_string();
        verifiers.insert(name, Verifier::new(Scheme::GitHub, []));
    }
    Ok(verifiers)
}

type Parsed = (SourceName, bool, Verifier);

fn parsed(file: &ReadFile, variable: &dyn Fn(&str) -> Option<String>) -> Result<Parsed, Failure> {
    let told = |errors: Vec<ModelError>| {
        let lines: Vec<String> = errors.iter().map(ModelError::report).collect();
        Failure::new("a source of webhooks is described wrongly").caused(lines.join("\n"))
    };
    let document = read(&file.file, &file.text).map_err(|error| told(vec![error]))?;
    let mut reader = Reader {
        file: &file.file,
        text: &file.text,
        variable,
        errors: document.warnings,
    };
    let parsed = webhook(&mut reader, &document.root, &file.stem);
    match parsed {
        Some(parsed) if reader.errors.is_empty() => Ok(parsed),
        _ => Err(told(reader.errors)),
    }
}

fn webhook(reader: &mut Reader<'_>, root: &Yaml, stem: &str) -> Option<Parsed> {
    let map = reader.map(root, "a source of webhooks", &KEYS)?;
    let at = |key: &str| {
        map.entry(key)
            .map_or((1, 1), |e| (e.value.line, e.value.column))
    };
    let name = reader.text(map, "name").unwrap_or(stem);
    let name = match SourceName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            let hint = "rename the file, or add `name:`".to_owned();
            reader.wrong(at("name"), error.to_string(), Some(hint));
            None
        }
    };
    let word = reader.text(map, "provider").unwrap_or_default();
    let scheme = match word {
        "stripe" => Some(Scheme::Stripe),
        "github" => Some(Scheme::GitHub),
        "slack" => Some(Scheme::Slack),
        "hmac" => hmac(reader, map),
        other => {
            let hint = match did_you_mean(other, &PROVIDERS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it is one of {}", listed(&PROVIDERS)),
            };
            let message = format!("nobody called `{other}` signs webhooks");
            reader.wrong(at("provider"), message, Some(hint));
            None
        }
    };
    if word != "hmac" {
        for key in OF_HMAC.into_iter().filter(|key| map.get(key).is_some()) {
            let message = format!("`{key}` means nothing for `provider: {word}`");
            reader.wrong(at(key), message, Some("take it away".to_owned()));
        }
    }
    let secret = match map.get("secret").is_some() {
        true => reader.value(map, "secret", true),
        false => {
            let hint = "write `secret: ${env:NAME}`, as the sender shows it".to_owned();
            reader.wrong((1, 1), "webhooks need a `secret`".to_owned(), Some(hint));
            None
        }
    };
    let enabled = map.get("enabled").and_then(Yaml::as_bool) != Some(false);
    // While a secret is being changed, both are good.
    let previous = reader.value(map, "previous_secret", true);
    let secrets = [Some(secret?), previous];
    let secrets = secrets.iter().flatten().map(String::as_str);
    let verifier = Verifier::new(scheme?, secrets);
    Some((name?, enabled, verifier))
}

fn hmac(reader: &mut Reader<'_>, map: &Map) -> Option<Scheme> {
    let Some(header) = reader.text(map, "header") else {
        let hint = "write `header: X-Signature`, where the sender puts it".to_owned();
        reader.wrong(
            (1, 1),
            "`provider: hmac` needs a `header`".to_owned(),
            Some(hint),
        );
        return None;
    };
    Some(Scheme::Hmac {
        header: header.to_lowercase(),
        prefix: reader.text(map, "prefix").unwrap_or_default().to_owned(),
        id_header: reader.text(map, "id_header").map(str::to_lowercase),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_and_secrets_are_references() {
        let parse = |text: &str| {
            let file = ReadFile {
                file: "sources/pay.yml".to_owned(),
                stem: "pay".to_owned(),
                text: text.to_owned(),
            };
            let variable = |name: &str| (name == "KEY").then(|| "whsec_value".to_owned());
            let parsed = parsed(&file, &variable);
            parsed
                .map(|(name, ..)| name.to_string())
                .map_err(|failure| failure.text())
        };
        let good = "kind: webhook\nprovider: stripe\nsecret: ${env:KEY}\n";
        assert!(is_webhook("x", good) && !is_webhook("x", "kind: singer\n"));
        assert_eq!(parse(good).unwrap(), "pay");
        let told = |text: &str| parse(text).unwrap_err();
        assert!(
            told("kind: webhook\nprovider: strip\nsecret: ${env:KEY}\n")
                .contains("did you mean `stripe`?")
        );
        assert!(told("kind: webhook\nprovider: stripe\nsecret: abc\n").contains("is a secret"));
        assert!(
            told("kind: webhook\nprovider: hmac\nsecret: ${env:KEY}\n")
                .contains("needs a `header`")
        );
        assert!(
            told("kind: webhook\nprovider: github\nsecret: ${env:NONE}\n")
                .contains("no variable `NONE`")
        );
        let odd = "kind: webhook\nprovider: github\nsecret: ${env:KEY}\nprefix: x\n";
        assert!(told(odd).contains("means nothing"));
    }
}
