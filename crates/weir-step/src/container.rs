//! Commands in containers, through podman or docker.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::declare::{Compat, Step};
use crate::error::{StepError, StepErrorKind};
use crate::scratch::Scratch;

/// Variables of a container that are not for the program that starts it.
const INNER: [&str; 2] = ["HOME", "TMPDIR"];

/// A program that runs containers.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    program: PathBuf,
}

/// What one container is given.
pub(crate) struct Inside<'a> {
    pub(crate) step: &'a Step,
    pub(crate) argv: &'a [String],
    pub(crate) image: &'a str,
    pub(crate) network: bool,
    pub(crate) mark: &'a str,
    pub(crate) project: &'a Path,
    pub(crate) scratch: &'a Scratch,
    pub(crate) stdin: bool,
    pub(crate) env: &'a [(String, String)],
}

impl Engine {
    /// Finds podman or docker in the folders of `path`.
    pub(crate) fn find(path: &str) -> Result<Self, StepError> {
        for name in ["podman", "docker"] {
            for folder in path.split(':').filter(|folder| !folder.is_empty()) {
                let program = Path::new(folder).join(name);
                if program.is_file() {
                    return Ok(Self { program });
                }
            }
        }
        Err(StepError::new(
            StepErrorKind::Unsupported,
            "there is neither podman nor docker on this machine",
        )
        .with_hint("install podman, or use `runner: process`"))
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the id of an image, fetching it if it is not there.
    pub(crate) async fn image_id(&self, image: &str) -> Result<String, StepError> {
        let inspect = ["image", "inspect", "--format", "{{.Id}}", image];
        if let Ok(id) = self.ask(&inspect).await {
            return Ok(id);
        }
        let failed = |why: String| {
            StepError::new(
                StepErrorKind::Unsupported,
                format!("cannot get the image `{image}`: {why}"),
            )
            .with_hint("check that the engine runs and the image exists, or use `runner: process`")
        };
        self.ask(&["pull", "--quiet", image])
            .await
            .map_err(failed)?;
        self.ask(&inspect).await.map_err(failed)
    }

    async fn ask(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Ends a container that its starter left behind.
    pub(crate) async fn remove(&self, mark: &str) {
        // It is gone already, most of the time.
        let _ = self.ask(&["rm", "--force", &container_name(mark)]).await;
    }

    /// Returns the arguments that run a command in a container. Values of variables are not among
    /// them: everybody can read arguments.
    pub(crate) fn argv(&self, inside: &Inside<'_>) -> Vec<String> {
        let limits = &inside.step.limits;
        let Inside {
            scratch, project, ..
        } = inside;
        let mut argv: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        let program = self.program.display().to_string();
        let name = container_name(inside.mark);
        add(&[&program, "run", "--rm", "--init", "--name", &name]);
        add(&["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]);
        add(&["--security-opt", "no-new-privileges"]);
        add(&["--network", if inside.network { "bridge" } else { "none" }]);
        add(&["--user", &owner()]);
        if inside.stdin {
            add(&["--interactive"]);
        }
        if let Some(bytes) = limits.memory {
            add(&["--memory", &bytes.to_string()]);
        }
        if let Some(count) = limits.processes {
            add(&["--pids-limit", &count.to_string()]);
        }
        for (kind, bound) in [
            ("fsize", limits.file_size),
            ("nofile", limits.open_files),
            ("cpu", limits.cpu.map(|cpu| cpu.as_secs().max(1))),
            ("core", Some(0)),
        ] {
            if let Some(bound) = bound {
                add(&["--ulimit", &format!("{kind}={bound}:{bound}")]);
            }
        }
        let mut bind = |from: &Path, to: &Path, mode: &str| {
            let volume = format!("{}:{}{mode}", from.display(), to.display());
            add(&["--volume", &volume]);
        };
        bind(project, project, ":ro");
        bind(&scratch.tmp, &scratch.tmp, "");
        match inside.step.compat {
            Compat::Weir => {
                bind(&scratch.inputs, &scratch.inputs, ":ro");
                bind(&scratch.out, &scratch.out, "");
            }
            Compat::Pachyderm => bind(&scratch.inputs, &scratch.seen(&scratch.inputs), ""),
        }
        let cwd = project.join(&inside.step.cwd).display().to_string();
        add(&["--workdir", &cwd]);
        for (key, _) in inside.env {
            match INNER.contains(&key.as_str()) {
                true => add(&["--env", &format!("{key}={}", scratch.tmp.display())]),
                false if key == "PATH" && !inside.step.env.contains_key("PATH") => {}
                false => add(&["--env", key]),
            }
        }
        add(&[inside.image]);
        argv.extend(inside.argv.iter().cloned());
        argv
    }
}

pub(crate) fn container_name(mark: &str) -> String {
    format!("weir-{mark}")
}

/// Files in the folders belong to whom Weir runs as.
fn owner() -> String {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    format!("{}:{}", user.as_raw(), group.as_raw())
}

/// Takes what the engine's own program needs from Weir's environment.
pub(crate) fn outer_env(env: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut outer: Vec<(String, String)> = env
        .into_iter()
        .filter(|(key, _)| !INNER.contains(&key.as_str()))
        .collect();
    for name in ["HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINER_HOST"] {
        if let Ok(value) = std::env::var(name) {
            outer.push((name.to_owned(), value));
        }
    }
    outer
}
