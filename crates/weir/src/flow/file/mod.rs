//! `schedules.yml`: what runs when, read with the place of every mistake.

mod schedule;
pub(crate) mod section;

use std::collections::BTreeMap;
use std::time::Duration;

use weir_flow::{Asset, PoolName, RetryPolicy, Timeouts};
use weir_model::ModelError;
use weir_model::yaml::{Yaml, read};

pub(super) use self::schedule::{FileSchedule, FileTrigger, Place};
use self::section::Reader;

/// The name of the file.
pub(super) const FILE: &str = "schedules.yml";

/// How many steps run at once unless the file says so: builds share the machine with questions.
const AT_ONCE: u32 = 2;

/// What the file says.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowFile {
    /// The folder of the dbt project, below the folder of the file.
    pub(super) project: Option<(String, Place)>,
    /// The target to build in, as with `--target`.
    pub(super) target: Option<String>,
    /// How many steps run at once, over all pools.
    pub(super) at_once: Option<u32>,
    pub(super) pools: Vec<(PoolName, u32)>,
    /// Who is told, by name.
    pub(super) receivers: BTreeMap<String, Receiver>,
    pub(super) defaults: Settings,
    /// Later rules win.
    pub(super) steps: Vec<Rule>,
    pub(super) schedules: Vec<FileSchedule>,
}

/// Where alerts go.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Receiver {
    /// An incoming webhook of Slack, Mattermost, Discord (`/slack`) and the like.
    Slack(String),
    /// A URL that takes JSON; the token goes into its `Authorization` header.
    Webhook { url: String, token: Option<String> },
    /// People, over SMTP.
    Email(Email),
}

/// How mail is sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Email {
    pub(super) to: Vec<String>,
    pub(super) from: String,
    /// `host:port`.
    pub(super) server: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// `starttls`, `tls` or `none`.
    pub(super) encryption: String,
}

impl std::fmt::Debug for Receiver {
    // Addresses of webhooks are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Slack(_) => "Slack",
            Self::Webhook { .. } => "Webhook",
            Self::Email(_) => "Email",
        })
    }
}

/// What is said of how steps are run; what is not said is as elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) pool: Option<(PoolName, Place)>,
    pub(super) priority: Option<i32>,
    retries: Retries,
    timeouts: Timeouts,
}

#[derive(Clone, Debug, Default)]
struct Retries {
    transient: Option<u32>,
    resource: Option<u32>,
    lost: Option<u32>,
    permanent: Option<u32>,
    first_wait: Option<Duration>,
    longest_wait: Option<Duration>,
}

impl Settings {
    /// Has an asset be run as is said here.
    pub(super) fn apply(&self, asset: &mut Asset) {
        if let Some((pool, _)) = &self.pool {
            asset.pool = Some(pool.clone());
        }
        asset.priority = self.priority.unwrap_or(asset.priority);
        self.retry(&mut asset.retry);
        self.timeout(&mut asset.timeouts);
    }

    /// Puts what is said here in the place of what a policy has.
    pub(super) fn retry(&self, policy: &mut RetryPolicy) {
        let said = &self.retries;
        policy.transient = said.transient.unwrap_or(policy.transient);
        policy.resource = said.resource.unwrap_or(policy.resource);
        policy.lost = said.lost.unwrap_or(policy.lost);
        policy.permanent = said.permanent.unwrap_or(policy.permanent);
        policy.first_wait = said.first_wait.unwrap_or(policy.first_wait);
        policy.longest_wait = said.longest_wait.unwrap_or(policy.longest_wait);
    }

    fn timeout(&self, timeouts: &mut Timeouts) {
        timeouts.queue = self.timeouts.queue.or(timeouts.queue);
        timeouts.run = self.timeouts.run.or(timeouts.run);
        timeouts.silence = self.timeouts.silence.or(timeouts.silence);
    }
}

/// Settings of some steps.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) select: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) settings: Settings,
    pub(super) place: Place,
}

const KEYS: [&str; 9] = [
    "version",
    "project",
    "target",
    "at_once",
    "pools",
    "alerts",
    "defaults",
    "steps",
    "schedules",
];

impl FlowFile {
    /// Reads `text`; `variable` tells environment variables.
    ///
    /// # Errors
    /// All mistakes, each with its place and what to write instead.
    pub(super) fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<ModelError>> {
        let document = read(FILE, text).map_err(|error| vec![error])?;
        let mut reader = Reader {
            file: FILE,
            text,
            variable,
            errors: document.warnings,
        };
        let file = match document.root.is_null() {
            true => Self::default(),
            false => Self::read(&mut reader, &document.root),
        };
        match reader.errors.is_empty() {
            true => Ok(file),
            false => Err(reader.errors),
        }
    }

    /// Returns how many steps run at once.
    pub(super) fn slots(&self) -> u32 {
        self.at_once.unwrap_or(AT_ONCE)
    }

    fn read(reader: &mut Reader<'_>, root: &Yaml) -> Self {
        let mut file = Self::default();
        let Some(map) = reader.map(root, "schedules.yml", &KEYS) else {
            return file;
        };
        reader.number(map, "version", (1, 1));
        file.project = reader.text(map, "project").map(str::to_owned).map(|text| {
            let at = map
                .entry("project")
                .map_or((0, 0), |e| (e.value.line, e.value.column));
            (text, at)
        });
        file.target = reader.text(map, "target").map(str::to_owned);
        let at_once = reader.number(map, "at_once", (1, 8));
        file.at_once = at_once.and_then(|number| u32::try_from(number).ok());
        if let Some(pools) = map.get("pools").filter(|pools| !pools.is_null()) {
            file.pools = pools_of(reader, pools);
        }
        if let Some(alerts) = map.get("alerts").filter(|alerts| !alerts.is_null()) {
            file.receivers = receivers_of(reader, alerts);
        }
        if let Some(defaults) = map.get("defaults").filter(|defaults| !defaults.is_null()) {
            let keys = ["retries", "timeout", "pool", "priority"];
            if let Some(map) = reader.map(defaults, "`defaults`", &keys) {
                file.defaults = settings_of(reader, map);
            }
        }
        for rule in reader.list(map, "steps") {
            let keys = [
                "select", "exclude", "retries", "timeout", "pool", "priority",
            ];
            if let Some(map) = reader.map(rule, "an entry of `steps`", &keys) {
                let words =
                    |words: Vec<(String, Place)>| words.into_iter().map(|(w, _)| w).collect();
                let select = words(reader.words(map, "select"));
                let exclude = words(reader.words(map, "exclude"));
                let settings = settings_of(reader, map);
                let place = (rule.line, rule.column);
                file.steps.push(Rule {
                    select,
                    exclude,
                    settings,
                    place,
                });
            }
        }
        for schedule in reader.list(map, "schedules") {
            let names: Vec<String> = file.receivers.keys().cloned().collect();
            file.schedules
                .extend(schedule::read(reader, schedule, &names));
        }
        file
    }
}

fn pools_of(reader: &mut Reader<'_>, yaml: &Yaml) -> Vec<(PoolName, u32)> {
    let Some(map) = yaml.as_map() else {
        let hint =
            Some("write `heavy: 1`: a name and how many steps it lets run at once".to_owned());
        reader.wrong(
            (yaml.line, yaml.column),
            format!("`pools` is {}, not a mapping", yaml.what()),
            hint,
        );
        return Vec::new();
    };
    let mut pools = Vec::new();
    for entry in map {
        if let Some(size) = reader.number(map, &entry.key, (1, 1000)) {
            pools.push((
                PoolName::new(entry.key.as_str()),
                u32::try_from(size).unwrap_or(1),
            ));
        }
    }
    pools
}

fn settings_of(reader: &mut Reader<'_>, map: &weir_model::yaml::Map) -> Settings {
    let pool = reader.text(map, "pool").map(|name| {
        let at = map
            .entry("pool")
            .map_or((0, 0), |e| (e.value.line, e.value.column));
        (PoolName::new(name), at)
    });
    let mut settings = Settings {
        pool,
        ..Settings::default()
    };
    let priority = reader.number(map, "priority", (-100, 100));
    settings.priority = priority.and_then(|number| i32::try_from(number).ok());
    if let Some(yaml) = map.get("retries").filter(|yaml| !yaml.is_null()) {
        let keys = [
            "transient",
            "resource",
            "lost",
            "permanent",
            "first_wait",
            "longest_wait",
        ];
        if let Some(map) = reader.map(yaml, "`retries`", &keys) {
            let mut tries = |key| {
                let number = reader.number(map, key, (1, 1000));
                number.and_then(|number| u32::try_from(number).ok())
            };
            settings.retries.transient = tries("transient");
            settings.retries.resource = tries("resource");
            settings.retries.lost = tries("lost");
            settings.retries.permanent = tries("permanent");
            settings.retries.first_wait = reader.duration(map, "first_wait");
            settings.retries.longest_wait = reader.duration(map, "longest_wait");
        }
    }
    if let Some(yaml) = map.get("timeout").filter(|yaml| !yaml.is_null())
        && let Some(map) = reader.map(yaml, "`timeout`", &["queue", "run", "silence"])
    {
        settings.timeouts.queue = reader.duration(map, "queue");
        settings.timeouts.run = reader.duration(map, "run");
        settings.timeouts.silence = reader.duration(map, "silence");
    }
    settings
}

fn receivers_of(reader: &mut Reader<'_>, yaml: &Yaml) -> BTreeMap<String, Receiver> {
    let Some(map) = yaml.as_map() else {
        let hint = Some("write `team: {slack: \"${env:SLACK_URL}\"}`".to_owned());
        reader.wrong(
            (yaml.line, yaml.column),
            format!("`alerts` is {}, not a mapping", yaml.what()),
            hint,
        );
        return BTreeMap::new();
    };
    let mut receivers = BTreeMap::new();
    for entry in map {
        let what = format!("alert receiver `{}`", entry.key);
        let keys = ["slack", "webhook", "token", "email"];
        let Some(own) = reader.map(&entry.value, &what, &keys) else {
            continue;
        };
        let kinds: Vec<&str> = ["slack", "webhook", "email"]
            .into_iter()
            .filter(|kind| own.get(kind).is_some())
            .collect();
        if kinds.len() != 1 {
            let message = format!("{what} needs one of `slack`, `webhook` and `email`");
            reader.wrong((entry.line, entry.column), message, None);
            continue;
        }
        let receiver = match kinds[0] {
            "slack" => reader.value(own, "slack", true).map(Receiver::Slack),
            "webhook" => {
                let token = reader.value(own, "token", true);
                let url = reader.value(own, "webhook", false);
                url.map(|url| Receiver::Webhook { url, token })
            }
            _ => own
                .get("email")
                .and_then(|yaml| email_of(reader, yaml))
                .map(Receiver::Email),
        };
        if let Some(Receiver::Slack(url) | Receiver::Webhook { url, .. }) = &receiver
            && url::Url::parse(url).is_ok_and(|url| !["http", "https"].contains(&url.scheme()))
                | url::Url::parse(url).is_err()
        {
            reader.wrong(
                (entry.line, entry.column),
                format!("{what} has no address that begins with http:// or https://"),
                None,
            );
            continue;
        }
        receivers.extend(receiver.map(|receiver| (entry.key.clone(), receiver)));
    }
    receivers
}

fn email_of(reader: &mut Reader<'_>, yaml: &Yaml) -> Option<Email> {
    let keys = ["to", "from", "server", "user", "password", "encryption"];
    let map = reader.map(yaml, "`email`", &keys)?;
    let to: Vec<String> = reader
        .words(map, "to")
        .into_iter()
        .map(|(to, _)| to)
        .collect();
    let from = reader.value(map, "from", false);
    let server = reader.value(map, "server", false);
    let user = reader.value(map, "user", false);
    let password = reader.value(map, "password", true);
    let encryption = reader
        .text(map, "encryption")
        .unwrap_or("starttls")
        .to_owned();
    let at = (yaml.line, yaml.column);
    if !["starttls", "tls", "none"].contains(&encryption.as_str()) {
        let hint = Some("it is `starttls`, `tls` or `none`".to_owned());
        reader.wrong(at, format!("there is no encryption `{encryption}`"), hint);
        return None;
    }
    if to.is_empty() || from.is_none() || server.is_none() {
        let hint = Some("write `to`, `from` and `server: host:587`".to_owned());
        reader.wrong(at, "mail needs `to`, `from` and `server`".to_owned(), hint);
        return None;
    }
    Some(Email {
        to,
        from: from?,
        server: server?,
        user,
        password,
        encryption,
    })
}
