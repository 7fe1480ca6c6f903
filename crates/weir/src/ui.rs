use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// All printing: the answer to stdout, everything else to stderr.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    json: bool,
    colour: bool,
}

/// ANSI styles, used on terminals only.
#[derive(Clone, Copy)]
enum Style {
    Bold,
    Red,
    Yellow,
    Green,
    Cyan,
}

impl Ui {
    pub(crate) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            colour: !plain && std::io::stderr().is_terminal(),
        }
    }

    /// Whether the terminal may be coloured.
    pub(crate) fn is_coloured(&self) -> bool {
        self.colour
    }

    /// Whether a program reads the answer.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line of the answer.
    pub(crate) fn answer(&self, line: impl AsRef<str>) {
        to_stdout(line.as_ref());
    }

    /// Writes a value of the answer as one line of JSON.
    pub(crate) fn answer_json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => to_stdout(&line),
            Err(error) => self.warn(format!("an answer cannot be written as JSON: {error}")),
        }
    }

    /// Writes a piece of the answer as it is.
    pub(crate) fn answer_bytes(&self, bytes: &[u8]) {
        write_stdout(&[bytes]);
    }

    /// Says what is going on.
    pub(crate) fn status(&self, line: impl AsRef<str>) {
        to_stderr(line.as_ref());
    }

    /// Says what is going on, with a heading.
    pub(crate) fn headed(&self, head: &str, line: impl AsRef<str>) {
        to_stderr(&format!(
            "{} {}",
            self.paint(Style::Green, head),
            line.as_ref()
        ));
    }

    /// Writes a heading of its own.
    pub(crate) fn heading(&self, line: &str) {
        to_stderr(&format!("\n{}", self.paint(Style::Bold, line)));
    }

    /// Writes what can be copied and run.
    pub(crate) fn command(&self, line: &str) {
        to_stderr(&format!("  {}", self.paint(Style::Cyan, line)));
    }

    pub(crate) fn warn(&self, line: impl AsRef<str>) {
        to_stderr(&format!(
            "{}: {}",
            self.paint(Style::Yellow, "warning"),
            line.as_ref()
        ));
    }

    /// Says one of several things that are wrong; a [`Self::failure`] follows.
    pub(crate) fn problem(&self, report: impl AsRef<str>) {
        to_stderr(&format!(
            "{}: {}\n",
            self.paint(Style::Red, "error"),
            report.as_ref()
        ));
    }

    /// Says how one piece of work ended: its outcome, what it was, a remark and how long it took.
    pub(crate) fn outcome(&self, word: &str, is_bad: bool, what: &str, remark: &str, took: &str) {
        let style = match (is_bad, word) {
            (true, "warn") => Style::Yellow,
            (true, _) => Style::Red,
            (false, _) => Style::Green,
        };
        let word = self.paint(style, &format!("{word:>8}"));
        let remark = match remark.is_empty() {
            true => String::new(),
            false => format!("  {remark}"),
        };
        to_stderr(&format!("{word}  {what}{remark}  {took}"));
    }

    /// Writes more about what was just said, indented.
    pub(crate) fn detail(&self, text: impl AsRef<str>) {
        for line in text.as_ref().lines() {
            to_stderr(&format!("          {line}"));
        }
    }

    /// Says why a command failed: what, its causes, the way out.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            #[derive(Serialize)]
            struct Line<'a> {
                error: &'a str,
                causes: &'a [String],
                #[serde(skip_serializing_if = "Option::is_none")]
                hint: Option<&'a str>,
            }
            let line = Line {
                error: failure.message(),
                causes: failure.causes(),
                hint: failure.hint(),
            };
            to_stderr(&serde_json::to_string(&line).unwrap_or_default());
            return;
        }
        to_stderr(&format!(
            "{}: {}",
            self.paint(Style::Red, "error"),
            failure.message()
        ));
        for cause in failure.causes() {
            for line in cause.lines() {
                to_stderr(&format!("  caused by: {line}"));
            }
        }
        if let Some(hint) = failure.hint() {
            to_stderr(&format!("\n{}: {hint}", self.paint(Style::Cyan, "hint")));
        }
    }

    /// Says that Weir itself is wrong.
    pub(crate) fn bug(&self) {
        let error = self.paint(Style::Red, "error");
        to_stderr(&format!(
            "{error}: this is a bug in Weir; what is printed above tells where"
        ));
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => 1,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn to_stdout(line: &str) {
    write_stdout(&[line.as_bytes(), b"\n"]);
}

fn write_stdout(pieces: &[&[u8]]) {
    let mut out = std::io::stdout().lock();
    let written = pieces.iter().try_for_each(|piece| out.write_all(piece));
    if let Err(error) = written.and_then(|()| out.flush())
        && error.kind() == ErrorKind::BrokenPipe
    {
        // `weir tail | head` has all it wanted.
        std::process::exit(0);
    }
}

fn to_stderr(line: &str) {
    let mut out = std::io::stderr().lock();
    // Nobody is left to be told when stderr is gone.
    let _ = out.write_all(format!("{line}\n").as_bytes());
}
