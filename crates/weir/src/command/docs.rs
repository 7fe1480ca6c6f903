use std::path::PathBuf;

use clap::CommandFactory;

use super::Arguments;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Write the generated reference pages
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder they go into
    #[arg(default_value = "docs")]
    dir: PathBuf,
}

impl Args {
    pub(crate) fn run(self, ui: &Ui) -> Result<(), Failure> {
        for (name, page) in pages() {
            let path = self.dir.join(name);
            std::fs::write(&path, page).explain(|| format!("cannot write `{}`", path.display()))?;
            ui.status(format!("Wrote {}", path.display()));
        }
        Ok(())
    }
}

/// Returns the generated pages: file name and text.
pub(crate) fn pages() -> [(&'static str, String); 2] {
    [
        ("configuration.md", weir_core::config::reference()),
        ("cli.md", cli()),
    ]
}

const CLI_HEAD: &str = "\
# The command line

<!-- Generated from the commands' own help by `make docs`. -->

- stdout is the answer; progress, warnings, errors and logs go to stderr.
- `--json` writes answers and errors as JSON, one value a line.
- Colour is used on terminals only, and never when `NO_COLOR` is set.
- Errors say what failed, what caused it, and what to do.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | something you can fix: the message says what |
| 2 | wrong usage |
| 255 | a bug in Weir |
";

fn cli() -> String {
    let mut page = CLI_HEAD.to_owned();
    let mut command = Arguments::command().term_width(90);
    command.build();
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        help(sub, "weir", 2, &mut page);
    }
    page
}

fn help(command: &clap::Command, above: &str, level: usize, page: &mut String) {
    let name = format!("{above} {}", command.get_name());
    let mut command = command
        .clone()
        .term_width(90)
        .bin_name(&name)
        .disable_help_flag(true);
    let text = command.render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    page.push_str(&format!(
        "\n{} `{name}`\n\n```text\n{}\n```\n",
        "#".repeat(level),
        lines.join("\n").trim()
    ));
    // The commands below `dbt` are those above, by the same names.
    let is_dbt = command.get_name() == "dbt";
    for sub in command
        .get_subcommands()
        .filter(|sub| !is_dbt && !sub.is_hide_set() && sub.get_name() != "help")
    {
        help(sub, &name, level + 1, page);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_pages_are_the_generated_ones() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (name, page) in super::pages() {
            let committed = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(
                committed == page,
                "docs/{name} is out of date: run `make docs`"
            );
        }
    }
}
