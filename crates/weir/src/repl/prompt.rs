//! The interactive prompt.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};

use super::complete::{NameCompleter, Names};
use super::session::{Flow, Session};
use super::split::split;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Statements remembered from one session to the next.
const HISTORY: usize = 5_000;

/// Reads statements from the terminal until it is closed or `\q`.
pub(crate) async fn interactive(
    mut session: Session,
    names_from: Client,
    history: PathBuf,
    ui: &Ui,
) -> Result<(), Failure> {
    ui.status(format!(
        "Connected to {}. \\? helps, \\q leaves.",
        session.client.url()
    ));
    let names = Arc::new(RwLock::new(Names::default()));
    let mut editor = editor(names.clone(), history, ui);
    let shared = Arc::new(names_from);
    loop {
        refresh(shared.clone(), names.clone());
        // The editor holds the thread while somebody types.
        let signal = tokio::task::block_in_place(|| editor.read_line(&SqlPrompt));
        let text = match signal.explain(|| "cannot read from the terminal".into())? {
            Signal::Success(text) => text,
            Signal::CtrlC => continue,
            Signal::CtrlD => return Ok(()),
            _ => continue,
        };
        if run(&mut session, &text, ui).await == Flow::Quit {
            return Ok(());
        }
    }
}

/// Runs what was typed; failures are shown and forgotten, Ctrl-C gives up.
async fn run(session: &mut Session, text: &str, ui: &Ui) -> Flow {
    if matches!(text.trim().trim_end_matches(';'), "quit" | "exit") {
        return Flow::Quit;
    }
    let text = if text.trim() == "help" { "\\?" } else { text };
    let (inputs, rest) = split(text);
    for input in inputs.into_iter().chain([rest]) {
        // Dropping the request closes its connection, which ends the query in the server.
        let done = tokio::select! {
            done = session.run(input, ui) => done,
            _ = tokio::signal::ctrl_c() => {
                ui.status("Cancelled.");
                return Flow::Go;
            }
        };
        match done {
            Ok(Flow::Go) => {}
            Ok(Flow::Quit) => return Flow::Quit,
            Err(failure) => {
                ui.failure(&failure);
                return Flow::Go;
            }
        }
    }
    Flow::Go
}

/// Fetches names in the background: typing never waits for the server.
fn refresh(client: Arc<Client>, names: Arc<RwLock<Names>>) {
    tokio::spawn(async move {
        if let Some(fresh) = Names::load(&client).await
            && let Ok(mut names) = names.write()
        {
            *names = fresh;
        }
    });
}

fn editor(names: Arc<RwLock<Names>>, history: PathBuf, ui: &Ui) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu("names".to_owned()),
            ReedlineEvent::MenuNext,
        ]),
    );
    let menu = ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name("names")));
    let editor = Reedline::create()
        .with_completer(Box::new(NameCompleter(names)))
        .with_menu(menu)
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_validator(Box::new(Finished))
        .with_ansi_colors(ui.is_coloured())
        .use_bracketed_paste(true);
    match FileBackedHistory::with_file(HISTORY, history) {
        // A statement that begins with a blank is not kept: for those with a password in them.
        Ok(history) => editor
            .with_history(Box::new(history))
            .with_history_exclusion_prefix(Some(" ".to_owned())),
        Err(error) => {
            ui.warn(format!("statements will not be remembered: {error}"));
            editor
        }
    }
}

/// A statement may go over several lines, until its `;`.
struct Finished;

impl Validator for Finished {
    fn validate(&self, text: &str) -> ValidationResult {
        let word = text.trim();
        let is_word = matches!(word, "" | "quit" | "exit" | "help");
        if is_word || word.starts_with('\\') || split(text).1.is_empty() {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

struct SqlPrompt;

impl Prompt for SqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "weir".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "    | ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("(search: {}) ", search.term).into()
    }
}
