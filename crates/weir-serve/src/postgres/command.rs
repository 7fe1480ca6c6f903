//! What a statement is: about the session, or for the engine.

use super::encode::copy::Style;
use super::failure::Failure;
use super::script::{Kind, Piece, pieces};

/// A statement, understood as far as the session has to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Begin {
        reading: bool,
    },
    /// `SET TRANSACTION READ ONLY` or `READ WRITE`.
    SetReading(bool),
    Commit,
    Rollback,
    /// `SAVEPOINT`, `RELEASE`: the tag to answer with.
    Savepoint(&'static str),
    RollbackTo,
    Set {
        name: String,
        values: Vec<String>,
    },
    Reset(String),
    Show(String),
    Discard(&'static str),
    /// The name, or none for all.
    Deallocate(Option<String>),
    /// `PREPARE name (types) AS query`.
    Prepare {
        name: String,
        types: Vec<String>,
        query: String,
    },
    /// `EXECUTE name (arguments)`; the arguments as they are written.
    Execute {
        name: String,
        arguments: String,
    },
    /// `SELECT pg_cancel_backend(process)`.
    EndSession {
        process: i32,
        kind: End,
    },
    Declare {
        name: String,
        query: String,
        hold: bool,
    },
    Fetch {
        name: String,
        rows: Rows,
        moves: bool,
    },
    Close(Option<String>),
    Copy {
        query: String,
        style: Style,
    },
    /// Takes rows from the client.
    CopyIn {
        /// The table and its columns, as they are written.
        target: String,
        /// What has the columns that are written.
        query: String,
        style: Style,
    },
    /// Accepted, nothing to do: the tag to answer with.
    Nothing(&'static str),
    /// Answers with rows and changes nothing.
    Read,
    /// May change something.
    Write,
}

/// How many rows of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Next(u64),
    All,
}

/// Understands a statement.
pub(super) fn understand(sql: &str) -> Result<Command, Failure> {
    let pieces = pieces(sql);
    let is = |at: usize, word: &str| pieces.get(at).is_some_and(|piece| piece.is(word));
    let name = |at: usize| pieces.get(at).map(Piece::value);
    let Some(first) = pieces.first() else {
        return Ok(Command::Nothing(""));
    };
    let first = first.value();
    Ok(match first.as_str() {
        "begin" => Command::Begin {
            reading: reads_only(&pieces),
        },
        "start" if is(1, "transaction") => Command::Begin {
            reading: reads_only(&pieces),
        },
        "commit" | "end" => Command::Commit,
        "abort" => Command::Rollback,
        "rollback" if is(1, "to") || is(2, "to") => Command::RollbackTo,
        "rollback" => Command::Rollback,
        "savepoint" => Command::Savepoint("SAVEPOINT"),
        "release" => Command::Savepoint("RELEASE"),
        "set" => set(&pieces, sql)?,
        "reset" => Command::Reset(match is(1, "time") {
            true => "timezone".to_owned(),
            false => name(1).ok_or_else(|| syntax("RESET takes a name"))?,
        }),
        "show" => show(&pieces),
        "discard" => Command::Discard(match name(1).as_deref() {
            Some("all") => "DISCARD ALL",
            Some("plans") => "DISCARD PLANS",
            Some("temp" | "temporary") => "DISCARD TEMP",
            _ => "DISCARD SEQUENCES",
        }),
        "deallocate" => {
            let at = if is(1, "prepare") { 2 } else { 1 };
            Command::Deallocate(name(at).filter(|_| !is(at, "all")))
        }
        "declare" => declare(&pieces, sql)?,
        "fetch" => fetch(&pieces, false)?,
        "move" => fetch(&pieces, true)?,
        "close" => Command::Close(name(1).filter(|_| !is(1, "all"))),
        "copy" => copy(&pieces, sql)?,
        "listen" => {
            return Err(Failure::new("0A000", "LISTEN is not supported")
                .hint("events as they come in: GET /api/v1/tail, or `weir tail`"));
        }
        "notify" => return Err(Failure::new("0A000", "NOTIFY is not supported")),
        "unlisten" => Command::Nothing("UNLISTEN"),
        "checkpoint" => Command::Nothing("CHECKPOINT"),
        "vacuum" => Command::Nothing("VACUUM"),
        "analyze" | "analyse" => Command::Nothing("ANALYZE"),
        "lock" => Command::Nothing("LOCK TABLE"),
        "prepare" => prepare(&pieces, sql)?,
        "execute" => execute(&pieces, sql)?,
        "select" if end_session(&pieces).is_some() => end_session(&pieces).unwrap_or(Command::Read),
        "select" | "with" | "values" | "table" | "explain" | "describe" | "desc" | "(" => {
            Command::Read
        }
        _ => Command::Write,
    })
}

/// What is ended of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What it runs.
    Query,
    All,
}

impl End {
    fn function(self) -> &'static str {
        match self {
            End::Query => "pg_cancel_backend",
            End::All => "pg_terminate_backend",
        }
    }

    /// Returns the question that has the answer of the call.
    pub(super) fn answer(self, found: bool) -> String {
        format!("SELECT {found} AS {}", self.function())
    }
}

fn end_session(pieces: &[Piece<'_>]) -> Option<Command> {
    let call = match pieces.get(1..)? {
        [schema, dot, rest @ ..] if schema.is("pg_catalog") && dot.is(".") => rest,
        rest => rest,
    };
    let [function, open, process, close] = call else {
        return None;
    };
    let kinds = [End::Query, End::All].into_iter();
    let kind = kinds
        .into_iter()
        .find(|kind| function.is(kind.function()))?;
    let process = (process.kind == Kind::Number && open.is("(") && close.is(")"))
        .then(|| process.text.parse().ok())??;
    Some(Command::EndSession { process, kind })
}

fn prepare(pieces: &[Piece<'_>], sql: &str) -> Result<Command, Failure> {
    let is = |at: usize, word: &str| pieces.get(at).is_some_and(|piece| piece.is(word));
    if is(1, "transaction") {
        return Err(Failure::new(
            "0A000",
            "PREPARE TRANSACTION is not supported",
        ));
    }
    let wrong = || syntax("PREPARE takes a name, types in brackets, AS and a statement");
    let name = pieces.get(1).map(Piece::value).ok_or_else(wrong)?;
    let at = pieces
        .iter()
        .position(|piece| piece.is("as"))
        .ok_or_else(wrong)?;
    let query = pieces.get(at + 1).ok_or_else(wrong)?;
    let types = match (pieces.get(2), pieces.get(at.saturating_sub(1))) {
        (Some(open), Some(close)) if open.is("(") && close.is(")") => {
            arguments(&sql[open.start..close.end()])
        }
        _ => Vec::new(),
    };
    Ok(Command::Prepare {
        name,
        types,
        query: sql[query.start..].to_owned(),
    })
}

fn execute(pieces: &[Piece<'_>], sql: &str) -> Result<Command, Failure> {
    let name = pieces
        .get(1)
        .map(Piece::value)
        .ok_or_else(|| syntax("EXECUTE takes the name of a prepared statement"))?;
    let arguments = match (pieces.get(2), pieces.last()) {
        (None, _) => String::new(),
        (Some(open), Some(close)) if open.is("(") && close.is(")") => {
            sql[open.start..close.end()].to_owned()
        }
        _ => return Err(syntax("EXECUTE takes a name and arguments in brackets")),
    };
    Ok(Command::Execute { name, arguments })
}

/// Takes `(a, f(b, c))` apart at the commas that are in no other brackets.
pub(super) fn arguments(written: &str) -> Vec<String> {
    let inside = written.trim();
    let inside = inside
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let Some(inside) = inside.filter(|inside| !inside.trim().is_empty()) else {
        return Vec::new();
    };
    let (mut all, mut from, mut depth) = (Vec::new(), 0, 0_i32);
    for piece in pieces(inside) {
        match piece.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "," if depth == 0 => {
                all.push(inside[from..piece.start].trim().to_owned());
                from = piece.end();
            }
            _ => {}
        }
    }
    all.push(inside[from..].trim().to_owned());
    all
}

/// Whether `READ ONLY` is among the modes of a transaction.
fn reads_only(pieces: &[Piece<'_>]) -> bool {
    pieces
        .windows(2)
        .any(|pair| pair[0].is("read") && pair[1].is("only"))
}

fn syntax(message: &str) -> Failure {
    Failure::new("42601", message)
}

fn set(pieces: &[Piece<'_>], sql: &str) -> Result<Command, Failure> {
    let mut at = 1;
    let is = |at: usize, word: &str| pieces.get(at).is_some_and(|piece| piece.is(word));
    if is(at, "session") && is(at + 1, "characteristics") {
        let value = if reads_only(pieces) { "on" } else { "off" };
        return Ok(Command::Set {
            name: "default_transaction_read_only".to_owned(),
            values: vec![value.to_owned()],
        });
    }
    if is(at, "session") || is(at, "local") {
        at += 1;
    }
    if is(at, "transaction") {
        return Ok(Command::SetReading(reads_only(pieces)));
    }
    if is(at, "constraints") {
        return Ok(Command::Nothing("SET"));
    }
    if is(at, "role") || is(at, "authorization") {
        let none = is(at + 1, "none") || is(at + 1, "default");
        return match none {
            true => Ok(Command::Nothing("SET")),
            false => Err(
                Failure::new("0A000", "a session cannot become somebody else")
                    .hint("connect as that user"),
            ),
        };
    }
    let (name, mut at) = match () {
        () if is(at, "time") && is(at + 1, "zone") => ("timezone".to_owned(), at + 2),
        () if is(at, "names") => ("client_encoding".to_owned(), at + 1),
        () => {
            let mut name = pieces
                .get(at)
                .map(Piece::value)
                .ok_or_else(|| syntax("SET takes a name"))?;
            at += 1;
            while is(at, ".") {
                name = format!(
                    "{name}.{}",
                    pieces.get(at + 1).map(Piece::value).unwrap_or_default()
                );
                at += 2;
            }
            if !is(at, "=") && !is(at, "to") {
                return Err(syntax("SET takes a name, = or TO, and a value"));
            }
            (name, at + 1)
        }
    };
    let mut values = Vec::new();
    while let Some(piece) = pieces.get(at) {
        if piece.is("-") || piece.is("+") {
            let end = pieces.get(at + 1).map_or(piece.end(), Piece::end);
            values.push(sql[piece.start..end].to_owned());
            at += 2;
            continue;
        }
        if !piece.is(",") {
            values.push(match piece.kind {
                // Names of zones and the like keep their letters.
                Kind::Word => piece.text.to_owned(),
                _ => piece.value(),
            });
        }
        at += 1;
    }
    Ok(Command::Set { name, values })
}

fn show(pieces: &[Piece<'_>]) -> Command {
    let word = |at: usize| pieces.get(at).map(Piece::value).unwrap_or_default();
    match word(1).as_str() {
        // Lists the engine makes.
        "tables" | "schemas" | "columns" | "functions" | "databases" | "views" | "create"
        | "catalogs" | "extended" | "full" | "all" => Command::Read,
        "time" if word(2) == "zone" => Command::Show("TimeZone".to_owned()),
        "transaction" => Command::Show("transaction_isolation".to_owned()),
        "session" => Command::Show("session_authorization".to_owned()),
        _ => {
            let mut name = pieces
                .get(1)
                .map(|piece| piece.text.trim_matches('"').to_owned())
                .unwrap_or_default();
            let mut at = 2;
            while pieces.get(at).is_some_and(|piece| piece.is(".")) {
                name = format!("{name}.{}", word(at + 1));
                at += 2;
            }
            Command::Show(name)
        }
    }
}

fn declare(pieces: &[Piece<'_>], sql: &str) -> Result<Command, Failure> {
    let name = pieces
        .get(1)
        .map(Piece::value)
        .ok_or_else(|| syntax("DECLARE takes a name"))?;
    let query = pieces.iter().position(|piece| piece.is("for"));
    let query = query.and_then(|at| pieces.get(at + 1));
    let query = query.ok_or_else(|| syntax("DECLARE ... CURSOR FOR takes a query"))?;
    let head: Vec<String> = pieces
        .iter()
        .take_while(|piece| piece.start < query.start)
        .map(Piece::value)
        .collect();
    let has = |word: &str| head.iter().any(|other| other == word);
    if has("scroll") && !has("no") {
        return Err(Failure::new("0A000", "cursors move forward only").hint("declare it NO SCROLL"));
    }
    Ok(Command::Declare {
        name,
        query: sql[query.start..].to_owned(),
        hold: has("hold") && !has("without"),
    })
}

fn fetch(pieces: &[Piece<'_>], moves: bool) -> Result<Command, Failure> {
    let mut rows = Rows::Next(1);
    let mut at = 1;
    let mut direction = true;
    while let Some(piece) = pieces.get(at) {
        match piece.value().as_str() {
            "from" | "in" => {
                at += 1;
                break;
            }
            "next" if direction => {}
            "forward" if direction => {}
            "all" if direction => rows = Rows::All,
            "backward" | "prior" | "first" | "last" | "absolute" | "relative" | "-"
                if direction =>
            {
                return Err(Failure::new("55000", "cursors move forward only"));
            }
            _ if piece.kind == Kind::Number => {
                let number = piece.text.parse();
                rows = Rows::Next(number.map_err(|_| syntax("FETCH takes a number of rows"))?);
            }
            _ => break,
        }
        direction = true;
        at += 1;
    }
    let name = pieces
        .get(at)
        .map(Piece::value)
        .ok_or_else(|| syntax("FETCH takes the name of a cursor"))?;
    Ok(Command::Fetch { name, rows, moves })
}

fn copy(pieces: &[Piece<'_>], sql: &str) -> Result<Command, Failure> {
    // The first TO or FROM outside of brackets.
    let mut depth = 0;
    let direction = pieces.iter().position(|piece| {
        match piece.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0 && (piece.is("to") || piece.is("from"))
    });
    let Some(at) = direction else {
        return Err(syntax("COPY takes TO STDOUT or FROM STDIN"));
    };
    let reads = pieces[at].is("from");
    if reads && !pieces.get(at + 1).is_some_and(|source| source.is("stdin")) {
        return Err(Failure::new(
            "42501",
            "COPY from a file or a program of the server is not allowed",
        )
        .hint("COPY ... FROM STDIN; in psql, \\copy reads a file of yours"));
    }
    if !reads && !pieces.get(at + 1).is_some_and(|target| target.is("stdout")) {
        return Err(Failure::new(
            "42501",
            "COPY to a file or a program of the server is not allowed",
        )
        .hint("COPY ... TO STDOUT; in psql, \\copy writes to a file of yours"));
    }
    let source = sql[pieces[1].start..pieces[at].start].trim();
    let inner = source
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'));
    let query = match inner {
        Some(_) if reads => return Err(syntax("COPY ... FROM STDIN takes a table")),
        Some(query) => query.to_owned(),
        None => match source.split_once('(') {
            Some((table, columns)) => {
                format!(
                    "SELECT {} FROM {table}",
                    columns.trim_end().trim_end_matches(')')
                )
            }
            None => format!("SELECT * FROM {source}"),
        },
    };
    let style = style(&pieces[at + 2..])?;
    Ok(match reads {
        true => Command::CopyIn {
            target: source.to_owned(),
            query,
            style,
        },
        false => Command::Copy { query, style },
    })
}

/// Reads the options of COPY, in the form with brackets or the older one without.
fn style(pieces: &[Piece<'_>]) -> Result<Style, Failure> {
    let (mut format, mut header, mut force_quote) = ("text".to_owned(), false, false);
    let (mut delimiter, mut quote, mut null) = (None, b'"', None);
    let byte = |piece: Option<&Piece<'_>>, what: &str| {
        let value = piece.map(Piece::value).unwrap_or_default();
        match value.as_bytes() {
            [byte] if !matches!(byte, b'\n' | b'\r' | b'\\') => Ok(*byte),
            _ => Err(Failure::new(
                "22023",
                format!("COPY {what} must be a single one-byte character"),
            )),
        }
    };
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        let after = pieces.get(at + 1);
        let mut used = 2;
        match piece.value().as_str() {
            "format" => format = after.map(Piece::value).unwrap_or_default(),
            "csv" | "binary" | "text" => (format, used) = (piece.value(), 1),
            "header" => {
                let value = after.map(Piece::value).unwrap_or_default();
                let off = ["false", "off", "0"].contains(&value.as_str());
                header = !off;
                used = if off || ["true", "on", "1"].contains(&value.as_str()) {
                    2
                } else {
                    1
                };
            }
            "delimiter" | "delimiters" => {
                let value = if after.is_some_and(|word| word.is("as")) {
                    pieces.get(at + 2)
                } else {
                    after
                };
                delimiter = Some(byte(value, "delimiter")?);
            }
            "quote" => quote = byte(after, "quote")?,
            "null" => {
                let value = if after.is_some_and(|word| word.is("as")) {
                    pieces.get(at + 2)
                } else {
                    after
                };
                null = Some(value.map(Piece::value).unwrap_or_default());
            }
            "force_quote" => (force_quote, used) = (true, 2),
            "encoding" | "escape" => {}
            _ => used = 1,
        }
        at += used;
    }
    Ok(match format.as_str() {
        "text" => Style::Text {
            delimiter: delimiter.unwrap_or(b'\t'),
            null: null.unwrap_or_else(|| "\\N".to_owned()),
            header,
        },
        "csv" => Style::Csv {
            delimiter: delimiter.unwrap_or(b','),
            quote,
            null: null.unwrap_or_default(),
            header,
            force_quote,
        },
        "binary" => Style::Binary,
        other => {
            return Err(Failure::new(
                "22023",
                format!("COPY format \"{other}\" not recognized"),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> Command {
        understand(sql).unwrap_or_else(|failure| panic!("{sql}: {failure:?}"))
    }

    #[test]
    fn statements_about_the_session_are_understood() {
        let set = |name: &str, values: &[&str]| Command::Set {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        assert_eq!(
            read("SET search_path TO a, \"B c\""),
            set("search_path", &["a", "B c"])
        );
        assert_eq!(
            read("set session time zone 'Europe/Berlin'"),
            set("timezone", &["Europe/Berlin"])
        );
        assert_eq!(read("SET LOCAL my.var = -5"), set("my.var", &["-5"]));
        assert_eq!(read("show time zone"), Command::Show("TimeZone".to_owned()));
        assert_eq!(
            read("START TRANSACTION READ ONLY"),
            Command::Begin { reading: true }
        );
        assert_eq!(
            read("begin isolation level repeatable read"),
            Command::Begin { reading: false }
        );
        assert_eq!(read("rollback to savepoint a"), Command::RollbackTo);
        assert_eq!(read("/* x */ select 1"), Command::Read);
        assert_eq!(read("insert into t values (1)"), Command::Write);
        assert_eq!(understand("set role admin").unwrap_err().code, "0A000");
    }

    #[test]
    fn cursors_are_understood() {
        assert_eq!(
            read("DECLARE \"c\" NO SCROLL CURSOR WITH HOLD FOR select 1"),
            Command::Declare {
                name: "c".to_owned(),
                query: "select 1".to_owned(),
                hold: true,
            }
        );
        let fetch = |rows| Command::Fetch {
            name: "c".to_owned(),
            rows,
            moves: false,
        };
        assert_eq!(read("FETCH FORWARD 10 FROM \"c\""), fetch(Rows::Next(10)));
        assert_eq!(read("fetch all in c"), fetch(Rows::All));
        assert_eq!(read("fetch c"), fetch(Rows::Next(1)));
        assert!(understand("FETCH BACKWARD 1 FROM c").is_err());
    }

    #[test]
    fn copying_out_is_understood_and_files_are_refused() {
        assert_eq!(
            read("COPY shop.t (\"a b\", c) FROM STDIN"),
            Command::CopyIn {
                target: "shop.t (\"a b\", c)".to_owned(),
                query: "SELECT \"a b\", c FROM shop.t ".to_owned(),
                style: Style::Text {
                    delimiter: b'\t',
                    null: "\\N".to_owned(),
                    header: false
                },
            }
        );
        assert_eq!(
            read("COPY (select 1 as \"to\") TO STDOUT WITH (FORMAT csv, HEADER)"),
            Command::Copy {
                query: "select 1 as \"to\"".to_owned(),
                style: Style::Csv {
                    delimiter: b',',
                    quote: b'"',
                    null: String::new(),
                    header: true,
                    force_quote: false
                },
            }
        );
        assert_eq!(
            read("copy shop.orders (id, amount) to stdout binary"),
            Command::Copy {
                query: "SELECT id, amount FROM shop.orders ".to_owned(),
                style: Style::Binary,
            }
        );
        for (sql, code) in [
            ("COPY t TO '/etc/passwd'", "42501"),
            ("COPY t TO PROGRAM 'sh'", "42501"),
            ("COPY t FROM '/etc/passwd'", "42501"),
            ("COPY t FROM PROGRAM 'sh'", "42501"),
            ("COPY (SELECT 1) FROM STDIN", "42601"),
            ("COPY t", "42601"),
            ("COPY t TO STDOUT (format csv, delimiter 'ab')", "22023"),
        ] {
            assert_eq!(understand(sql).unwrap_err().code, code, "{sql}");
        }
    }
}
