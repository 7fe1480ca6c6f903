//! Sheets of Google by their API, asked with a key: what everybody with the link may see.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use tempfile::NamedTempFile;
use url::Url;

use super::copy::copy;
use super::place::Listed;
use super::rows::{Broken, Each};
use super::sheet::Sheet;
use crate::budget::Account;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::http::{Http, HttpAnswer, HttpError, HttpRequest};
use crate::progress::Progress;
use crate::spec::{FileFormat, FileStream, FilesSpec, Secret};

/// Where Google answers, unless `endpoint` says otherwise.
const ENDPOINT: &str = "https://sheets.googleapis.com";
/// The option that has the key.
const KEY: &str = "api_key";
const OPTIONS: [&str; 2] = [KEY, "endpoint"];
/// As often a request is made when Google is busy.
const TRIES: u32 = 5;
/// The longest answers: a list of sheets or an error, and a sheet.
const LIST: u64 = 4 << 20;
const SHEET: u64 = 512 << 20;
/// As much is told of what Google says.
const SAID: usize = 300;

/// A spreadsheet.
pub(super) struct Google {
    id: String,
    endpoint: Url,
    key: Secret,
    streams: Vec<FileStream>,
    http: Arc<dyn Http>,
    account: Arc<Account>,
    progress: Progress,
}

/// What the API says of a spreadsheet.
#[derive(Deserialize)]
struct Book {
    #[serde(default)]
    sheets: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    title: String,
    /// Sheets of another type are pictures.
    sheet_type: Option<String>,
}

/// What the API says instead.
#[derive(Deserialize)]
struct Refused {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

impl Google {
    /// Whether a place is one: the URL of a spreadsheet, with a key.
    pub(super) fn is_one(url: &Url, files: &FilesSpec) -> bool {
        files.options.contains_key(KEY) && id(url).is_some()
    }

    pub(super) fn open(
        url: &Url,
        files: &FilesSpec,
        http: Arc<dyn Http>,
        account: Arc<Account>,
        progress: Progress,
    ) -> Result<Self, ExtractError> {
        let invalid = |message: String, hint: &str| {
            ExtractError::new(ExtractErrorKind::Invalid, message).hint(hint)
        };
        let options = &files.options;
        if let Some(unknown) = options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
            let message = format!("unknown key `{unknown}` in the `options` of a spreadsheet");
            return Err(invalid(message, "there are `api_key` and `endpoint`"));
        }
        let endpoint = options.get("endpoint").map_or(ENDPOINT, Secret::reveal);
        let endpoint = Url::parse(endpoint)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && !url.cannot_be_a_base());
        let (Some(id), Some(endpoint), Some(key)) = (id(url), endpoint, options.get(KEY)) else {
            let message = "`endpoint` is no URL".to_owned();
            return Err(invalid(message, "leave it out, or write https://HOST"));
        };
        Ok(Self {
            id: id.to_owned(),
            endpoint,
            key: key.clone(),
            streams: files.streams.clone(),
            http,
            account,
            progress,
        })
    }

    /// Lists the sheets that are read, with the stream of each: those that are named, or the first.
    pub(super) async fn sheets(&self) -> Result<Vec<(Listed, FileStream)>, ExtractError> {
        let mut url = self.url(&[])?;
        url.query_pairs_mut()
            .append_pair("fields", "sheets.properties");
        let answer = self.ask(url).await?;
        let text = self.text(answer, LIST).await?;
        let book: Book = serde_json::from_slice(&text).map_err(|error| {
            ExtractError::new(
                ExtractErrorKind::Protocol,
                "Google's list of sheets is none",
            )
            .because(error)
        })?;
        let parts = book.sheets.into_iter().map(|part| part.properties);
        let grids =
            parts.filter(|part| part.sheet_type.as_deref().is_none_or(|kind| kind == "GRID"));
        let titles: Vec<String> = grids.map(|part| part.title).collect();
        let Some(first) = titles.first() else {
            let message = "the spreadsheet has no sheet";
            return Err(ExtractError::new(ExtractErrorKind::NotFound, message));
        };
        let alone = [FileStream {
            name: first.clone(),
            ..FileStream::default()
        }];
        let streams = match self.streams.is_empty() {
            true => &alone[..],
            false => &self.streams,
        };
        let mut sheets = Vec::with_capacity(streams.len());
        for stream in streams {
            let title = stream.sheet.as_ref().unwrap_or(first);
            if !titles.contains(title) {
                let message = format!("stream `{}`: there is no sheet `{title}`", stream.name);
                return Err(ExtractError::new(ExtractErrorKind::NotFound, message)
                    .hint(format!("there are: {}", titles.join(", "))));
            }
            let same = |(listed, _): &&(Listed, FileStream)| listed.path == *title;
            if let Some((_, other)) = sheets.iter().find(same) {
                let (one, other) = (&stream.name, &other.name);
                let message =
                    format!("streams `{other}` and `{one}` read the same sheet `{title}`");
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("name another `sheet` for one of them"));
            }
            let listed = Listed {
                path: title.clone(),
                size: 0,
                // Nobody tells when a sheet changed.
                modified: None,
                is_local: false,
            };
            let stream = FileStream {
                format: Some(FileFormat::GoogleSheet),
                ..stream.clone()
            };
            sheets.push((listed, stream));
        }
        Ok(sheets)
    }

    /// Brings a sheet here, as it is answered.
    pub(super) async fn fetch(&self, title: &str) -> Result<NamedTempFile, ExtractError> {
        // All of the sheet, whatever is in its title.
        let range = format!("'{}'", title.replace('\'', "''"));
        let mut url = self.url(&["values", &range])?;
        url.query_pairs_mut()
            .append_pair("valueRenderOption", "UNFORMATTED_VALUE")
            .append_pair("dateTimeRenderOption", "FORMATTED_STRING")
            .append_pair("majorDimension", "ROWS");
        let body = self.ask(url).await?.body;
        let mut length = 0;
        let pieces = body.map(|piece| {
            let piece = piece.map_err(|error| self.unreachable(error))?;
            length += piece.len() as u64;
            match length > SHEET {
                true => Err(too_long()),
                false => Ok(piece),
            }
        });
        copy(pieces).await
    }

    /// Returns the URL of the spreadsheet or of something in it, without the key.
    fn url(&self, within: &[&str]) -> Result<Url, ExtractError> {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            path.extend(["v4", "spreadsheets", &self.id]).extend(within);
        }
        Ok(url)
    }

    /// Asks until Google has time, as long and as often as it wants.
    async fn ask(&self, url: Url) -> Result<HttpAnswer, ExtractError> {
        for tried in 0..TRIES {
            self.account.ask(&self.progress).await?;
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("key", self.key.reveal());
            let request = HttpRequest {
                url,
                head: false,
                headers: Vec::new(),
            };
            let answer = self.http.ask(request).await;
            let answer = answer.map_err(|error| self.unreachable(error))?;
            match answer.status {
                200..=299 => return Ok(answer),
                429 | 503 => {
                    let wait = answer
                        .retry_after
                        .unwrap_or(Duration::from_secs(1 << tried));
                    self.account.rest(wait);
                }
                _ => return Err(self.refused(answer).await),
            }
        }
        let message = format!("Google was too busy, {TRIES} times");
        Err(ExtractError::new(ExtractErrorKind::RateLimited, message)
            .hint("ask less often: `budget: 60/min` in the source's file, or a greater `every`"))
    }

    async fn refused(&self, answer: HttpAnswer) -> ExtractError {
        let status = answer.status;
        let text = self.text(answer, LIST).await.unwrap_or_default();
        let refused = serde_json::from_slice::<Refused>(&text);
        let said = refused.map_or_else(|_| String::new(), |refused| refused.error.message);
        let said: String = said
            .replace(self.key.reveal(), "***")
            .chars()
            .take(SAID)
            .collect();
        let is_key = said.to_lowercase().contains("api key");
        let (kind, hint) = match status {
            400 | 401 | 403 if is_key => (
                ExtractErrorKind::Denied,
                "check `api_key` under `options`, and what its restrictions in Google's console allow",
            ),
            401 => (ExtractErrorKind::Denied, "check `api_key` under `options`"),
            403 => (
                ExtractErrorKind::Denied,
                "share the spreadsheet with everybody who has the link, and enable the Google Sheets API in the key's project",
            ),
            404 => (
                ExtractErrorKind::NotFound,
                "check `path` in the source's file",
            ),
            500.. => (ExtractErrorKind::Unreachable, "try again later"),
            _ => (
                ExtractErrorKind::Protocol,
                "check `path` and `sheet` in the source's file",
            ),
        };
        let message = match said.is_empty() {
            true => format!("Google answers {status} for the spreadsheet"),
            false => format!("Google answers {status} for the spreadsheet: {said}"),
        };
        ExtractError::new(kind, message).hint(hint)
    }

    /// Reads a short answer.
    async fn text(&self, answer: HttpAnswer, most: u64) -> Result<Vec<u8>, ExtractError> {
        let (mut body, mut text) = (answer.body, Vec::new());
        while let Some(chunk) = body.try_next().await.map_err(|e| self.unreachable(e))? {
            text.extend_from_slice(&chunk);
            if text.len() as u64 > most {
                return Err(too_long());
            }
        }
        Ok(text)
    }

    fn unreachable(&self, error: HttpError) -> ExtractError {
        let host = self.endpoint.host_str().unwrap_or_default();
        let message = format!("`{host}` cannot be asked for the spreadsheet");
        // Whatever speaks HTTP may say which URL it was, and the key is in it.
        let mut told = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            told = format!("{told}: {cause}");
            next = cause.source();
        }
        let encoded: String =
            url::form_urlencoded::byte_serialize(self.key.reveal().as_bytes()).collect();
        let told = told
            .replace(self.key.reveal(), "***")
            .replace(&encoded, "***");
        ExtractError::new(ExtractErrorKind::Unreachable, message).because(told)
    }
}

fn too_long() -> ExtractError {
    let message = "Google's answer is longer than 512 MiB";
    ExtractError::new(ExtractErrorKind::Unsupported, message).hint("divide the sheet")
}

/// Returns which spreadsheet the URL of one is of: `https://docs.google.com/spreadsheets/d/ID/edit`.
fn id(url: &Url) -> Option<&str> {
    if url.host_str() != Some("docs.google.com") {
        return None;
    }
    let rest = url.path().strip_prefix("/spreadsheets/d/")?;
    let id = rest.split('/').next()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (!id.is_empty() && id.bytes().all(fits)).then_some(id)
}

/// Reads the rows of an answer.
pub(super) fn rows(
    bytes: impl Read,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Result<(), Broken> {
    let mut sheet = Sheet::new(stream);
    let mut ended = false;
    let mut answer = serde_json::Deserializer::from_reader(std::io::BufReader::new(bytes));
    let read = Answer(Rows {
        sheet: &mut sheet,
        each,
        ended: &mut ended,
    })
    .deserialize(&mut answer);
    match read {
        // Nobody wants more.
        _ if ended => Ok(()),
        Ok(()) => {
            sheet.end_row(each);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The values of an answer, row by row: a sheet may be long.
struct Answer<'a, 'f>(Rows<'a, 'f>);

struct Rows<'a, 'f> {
    sheet: &'a mut Sheet,
    each: &'a mut Each<'f>,
    ended: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Answer<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the values of a sheet")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut rows = Some(self.0);
        while let Some(key) = map.next_key::<String>()? {
            match rows.take_if(|_| key == "values") {
                Some(rows) => map.next_value_seed(rows)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut number = 0_u32;
        while let Some(row) = seq.next_element::<Vec<Value>>()? {
            for (column, value) in row.into_iter().enumerate() {
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text).filter(|text| !text.is_empty()),
                    other => Some(other.to_string()),
                };
                let at = (number, u32::try_from(column).map_err(A::Error::custom)?);
                let goes_on = self.sheet.take(at, text, self.each);
                if !goes_on.map_err(A::Error::custom)? {
                    *self.ended = true;
                    return Err(A::Error::custom("nobody wants more"));
                }
            }
            number = number.saturating_add(1);
        }
        Ok(())
    }
}
