//! Puts the web application into the binary: `ui/dist` where it was built, else built here by npm,
//! else a page that says how to build it, so that nobody needs Node to work on the rest.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const NOTICE: &str = include_str!("src/app/notice.html");

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let ui = here.join("../../ui");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/app/notice.html");
    println!("cargo::rerun-if-env-changed=WEIR_UI");
    println!("cargo::rerun-if-changed={}", ui.join("dist").display());
    let built = find(&ui, &out);
    let mut table = String::from("static FILES: &[File] = &[\n");
    match &built {
        Some(folder) => list(folder, folder, &mut table)?,
        None => {
            let page = out.join("index.html");
            fs::write(&page, NOTICE)?;
            entry(&page, "index.html", &mut table);
        }
    }
    table.push_str("];\n");
    fs::write(out.join("ui_files.rs"), table)
}

/// Returns the folder of the built application, building it when that is possible.
fn find(ui: &Path, out: &Path) -> Option<PathBuf> {
    let dist = ui.join("dist");
    let to = out.join("ui");
    // Copied: the next build of the application may begin before this one of the binary ends.
    let _ = fs::remove_dir_all(&to);
    if dist.join("index.html").exists() && copy(&dist, &to).is_ok() {
        return Some(to);
    }
    if env::var("WEIR_UI").is_ok_and(|word| word == "none") || !ui.join("package.json").exists() {
        return None;
    }
    for watched in ["src", "index.html", "package-lock.json", "vite.config.ts"] {
        println!("cargo::rerun-if-changed={}", ui.join(watched).display());
    }
    // Built aside: a build changes nothing among the sources.
    let work = out.join("ui-work");
    let done = copy(ui, &work).is_ok()
        && npm(&work, &["ci", "--no-audit", "--no-fund", "--silent"])
        && npm(
            &work,
            &[
                "run",
                "--silent",
                "build",
                "--",
                "--outDir",
                &to.to_string_lossy(),
            ],
        );
    if done {
        return Some(to);
    }
    println!("cargo::warning=the web application is not built: run ci/ui.sh, and build again");
    None
}

fn npm(folder: &Path, arguments: &[&str]) -> bool {
    let status = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .stdout(io::stderr())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Copies the sources of the application, without what was installed or built.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "node_modules" || name == "dist" || name == "artefacts" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Lists the files below a folder; `NAME.br` and `NAME.gz` are forms of `NAME`.
fn list(root: &Path, folder: &Path, table: &mut String) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            list(root, &path, table)?;
            continue;
        }
        // What ci/ui.sh notes for itself.
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_form = path
            .extension()
            .is_some_and(|end| end == "br" || end == "gz");
        if let (false, Ok(name)) = (is_form || hidden, path.strip_prefix(root)) {
            entry(&path, &name.to_string_lossy().replace('\\', "/"), table);
        }
    }
    Ok(())
}

fn entry(path: &Path, name: &str, table: &mut String) {
    let form = |end: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        let path = PathBuf::from(path);
        match path.exists() {
            true => format!("Some(include_bytes!({path:?}))"),
            false => "None".to_owned(),
        }
    };
    let (brotli, gzip) = (form(".br"), form(".gz"));
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "    File {{ name: {name:?}, plain: include_bytes!({path:?}), brotli: {brotli}, gzip: {gzip} }},"
    );
}
