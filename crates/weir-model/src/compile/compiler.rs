use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use regex::Regex;
use weir_jinja::{Args, Call, Error, ErrorKind, Interpreter, Names, Template, Value};

use super::cte::inject;
use super::resolve::Resolver;
use super::stage::{Batch, Purpose, Stage, StageParts, source_cte};
use crate::context::{Context, Relation, Session, Shared};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::{JsonMap, Node, NodeDetail, ResourceKind, Source, UniqueId};

/// What a compiler works with.
#[derive(Debug)]
pub(crate) struct CompilerParts {
    pub(crate) shared: Arc<Shared>,
    /// Where `compiled` and `run` are written; none writes nothing.
    pub(crate) target_dir: Option<PathBuf>,
    pub(crate) options: CompileOptions,
    /// Relations of another environment that stand for nodes that are not built here.
    pub(crate) deferred: HashMap<UniqueId, Deferred>,
}

/// What the command line says about what is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompileOptions {
    /// Read no rows.
    pub(crate) empty: bool,
    /// Read rows of this time only.
    pub(crate) sample: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Take deferred relations even where there are own ones, unless the node is selected.
    pub(crate) favor_state: bool,
    /// Write no files.
    pub(crate) no_files: bool,
}

/// A relation of another environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deferred {
    pub(crate) database: Option<String>,
    pub(crate) schema: String,
    pub(crate) alias: String,
}

/// A node's SQL.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// The SQL that is run, ephemeral models put in.
    pub(crate) sql: Arc<str>,
    /// The same without them.
    bare: Arc<str>,
    /// The ephemeral models in it, what they read first.
    pub(crate) ctes: Vec<(UniqueId, String, Arc<str>)>,
    /// What it refers to.
    pub(crate) reads: Vec<UniqueId>,
}

/// Renders nodes of one invocation.
#[derive(Debug)]
pub(crate) struct Compiler {
    parts: CompilerParts,
    resolver: Resolver,
    ephemeral: Mutex<HashMap<UniqueId, Compiled>>,
}

impl Compiler {
    /// Makes a compiler of everything that was parsed.
    pub(crate) fn new(parts: CompilerParts) -> Self {
        let resolver = Resolver::new(
            &parts.shared.manifest(),
            Arc::clone(&parts.shared.project.name),
        );
        Self {
            parts,
            resolver,
            ephemeral: Mutex::default(),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.parts.shared
    }

    pub(crate) fn options(&self) -> &CompileOptions {
        &self.parts.options
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Returns the relation of another environment that stands for a node.
    pub(crate) fn deferred(&self, id: &UniqueId) -> Option<&Deferred> {
        self.parts.deferred.get(id)
    }

    pub(crate) fn deferred_relation(&self, deferred: &Deferred) -> Relation {
        let identifier = Some(deferred.alias.clone());
        let mut relation = Relation::new(
            &self.shared().dialect,
            deferred.database.clone(),
            Some(deferred.schema.clone()),
            identifier,
        );
        self.quote(&mut relation, &JsonMap::new());
        relation
    }

    fn quote(&self, relation: &mut Relation, own: &JsonMap) {
        for map in [&self.shared().project.root().quoting, own] {
            let flag = |key: &str| map.get(key).and_then(serde_json::Value::as_bool);
            relation.path.quote =
                relation
                    .path
                    .quote
                    .with(flag("database"), flag("schema"), flag("identifier"));
        }
    }

    /// Returns the relation a node is built as.
    pub(crate) fn relation(&self, node: &Node) -> Relation {
        let identifier = Some(node.alias.clone());
        let mut relation = Relation::new(
            &self.shared().dialect,
            node.database.clone(),
            Some(node.schema.clone()),
            identifier,
        );
        self.quote(&mut relation, node.config.map("quoting"));
        relation
    }

    /// Returns a source's relation. The project's own quoting does not apply to it.
    pub(crate) fn source_relation(&self, source: &Source) -> Relation {
        let identifier = Some(source.identifier.clone());
        let mut relation = Relation::new(
            &self.shared().dialect,
            source.database.clone(),
            Some(source.schema.clone()),
            identifier,
        );
        let flag = |key: &str| source.quoting.get(key).and_then(serde_json::Value::as_bool);
        relation.path.quote =
            relation
                .path
                .quote
                .with(flag("database"), flag("schema"), flag("identifier"));
        relation
    }

    /// Returns the relation to read of a node: another environment's if it is not built here.
    pub(super) fn deferred_or_own(
        &self,
        node: &Node,
        context: Option<&Context>,
        call: &mut Call<'_>,
    ) -> weir_jinja::Result<Relation> {
        let Some(deferred) = self.deferred(&node.id) else {
            return Ok(self.relation(node));
        };
        let favored =
            self.options().favor_state && !self.shared().selected.read().contains(&node.id);
        let missing = match context {
            Some(context) if !favored => {
                let names: &dyn Names = context;
                let adapter = names
                    .lookup("adapter", call.interpreter)?
                    .unwrap_or(Value::None);
                let args = Args::none()
                    .with("database", node.database.as_deref())
                    .with("schema", node.schema.as_str())
                    .with("identifier", node.alias.as_str());
                call.interpreter
                    .call_method(&adapter, "get_relation", args, names)?
                    .is_none()
            }
            _ => false,
        };
        Ok(if favored || missing {
            self.deferred_relation(deferred)
        } else {
            self.relation(node)
        })
    }

    /// Returns the name of what a text like `ref('orders')` means to a node; other texts are names already.
    pub(crate) fn named_by_text(&self, node: &Node, text: &str) -> Option<String> {
        static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r#"^\s*(?:\{\{\s*)?(ref|source)\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]+)['"])?\s*\)(?:\s*\}\})?\s*$"#).ok()
        });
        let captures = CALL.as_ref()?.captures(text)?;
        let first = captures.get(2)?.as_str();
        let second = captures.get(3).map(|found| found.as_str());
        if captures.get(1)?.as_str() == "source" {
            let source = self.resolver.source(&node.package, first, second?)?;
            return Some(self.source_relation(source).render());
        }
        let (within, name) = second.map_or((None, first), |name| (Some(first), name));
        let found = self.resolver.node(&node.package, name, within, None)?;
        Some(self.relation(found).render())
    }

    /// Makes the names of one rendering.
    pub(crate) fn context(
        parts: StageParts,
        session: Option<Arc<Session>>,
    ) -> (Arc<Stage>, Arc<Context>) {
        let shared = Arc::clone(parts.compiler.shared());
        let package = Arc::clone(&parts.node.package);
        let stage = Stage::new(parts);
        let names: Arc<dyn Names> = Arc::clone(&stage) as Arc<dyn Names>;
        let context = Context::new(shared, package, names, session);
        stage.set_context(&context);
        (stage, context)
    }

    /// Renders a node's SQL and puts the ephemeral models in that it reads.
    pub(crate) fn compile(
        self: &Arc<Self>,
        parts: StageParts,
        session: &Arc<Session>,
    ) -> Result<Compiled, ModelError> {
        self.compile_nested(parts, session, 0)
    }

    fn compile_nested(
        self: &Arc<Self>,
        parts: StageParts,
        session: &Arc<Session>,
        depth: usize,
    ) -> Result<Compiled, ModelError> {
        let node = Arc::clone(&parts.node);
        if depth > 100 {
            return Err(ModelError::new(
                ModelErrorKind::Cycle,
                "ephemeral models nest more than 100 deep",
            )
            .of(node.id.as_str())
            .hint("materialize one of them as a view"));
        }
        if node.language != "sql" {
            return Err(
                ModelError::new(ModelErrorKind::Template, "Python models cannot be run")
                    .of(node.id.as_str())
                    .hint("write the model in SQL, or switch it off with `enabled: false`"),
            );
        }
        let unit = parts.unit.clone();
        let batch = parts.batch.clone();
        let (bare, stage) = self.render(parts, session)?;
        let mut ctes: Vec<(UniqueId, String, Arc<str>)> = Vec::new();
        for id in stage.ctes() {
            if let Some(input) = unit.as_ref().and_then(|unit| unit.inputs.get(&id)) {
                push_cte(
                    &mut ctes,
                    (id.clone(), input.name.clone(), input.sql.as_str().into()),
                );
                continue;
            }
            let found = self.shared().manifest().nodes.get(&id).cloned();
            let Some(found) = found else { continue };
            let compiled = self.ephemeral(&found, batch.as_ref(), session, depth)?;
            for inner in compiled.ctes {
                push_cte(&mut ctes, inner);
            }
            push_cte(
                &mut ctes,
                (id, format!("__dbt__cte__{}", found.alias), compiled.bare),
            );
        }
        let written: Vec<(String, String)> = ctes
            .iter()
            .map(|(_, name, sql)| (name.clone(), sql.to_string()))
            .collect();
        Ok(Compiled {
            sql: inject(&bare, &written).into(),
            bare: bare.into(),
            ctes,
            reads: stage.reads(),
        })
    }

    /// Compiles an ephemeral model once for everybody; those that read a batch are another's each time.
    fn ephemeral(
        self: &Arc<Self>,
        node: &Arc<Node>,
        batch: Option<&Batch>,
        session: &Arc<Session>,
        depth: usize,
    ) -> Result<Compiled, ModelError> {
        if batch.is_none()
            && let Some(known) = self.ephemeral.lock().get(&node.id)
        {
            return Ok(known.clone());
        }
        let mut parts = StageParts::new(Arc::clone(self), Arc::clone(node), Purpose::Compile);
        parts.batch = batch.cloned();
        let compiled = self.compile_nested(parts, session, depth + 1)?;
        if batch.is_none() {
            self.ephemeral
                .lock()
                .insert(node.id.clone(), compiled.clone());
        }
        Ok(compiled)
    }

    /// Renders a node's text alone.
    fn render(
        self: &Arc<Self>,
        parts: StageParts,
        session: &Arc<Session>,
    ) -> Result<(String, Arc<Stage>), ModelError> {
        let node = Arc::clone(&parts.node);
        let (stage, context) = Self::context(parts, Some(Arc::clone(session)));
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
        let shown: Arc<str> = node.original_path.as_str().into();
        let rendered = (|| {
            if let NodeDetail::GenericTest(test) = &node.detail {
                let kwargs = &test.metadata.kwargs;
                let arguments =
                    crate::parse::render_arguments(&mut interpreter, &*context, kwargs, &shown)?;
                stage.set_test_arguments(arguments);
            }
            let template = Template::parse(Arc::clone(&shown), &node.raw_code)?;
            if template.is_plain() {
                return Ok(template.source().to_owned());
            }
            interpreter.render(&template, &*context)
        })();
        match rendered {
            Ok(sql) => Ok((sql, stage)),
            Err(error) => Err(failure(error, &node)),
        }
    }

    /// Makes the stand-in of an input of a unit test: its name.
    pub(crate) fn source_cte_name(source: &Source) -> String {
        format!("__dbt__cte__{}", source_cte(source))
    }

    /// Writes a node's SQL below `target/compiled`; failing to is no reason to stop.
    pub(crate) fn write_compiled(&self, node: &Node, sql: &str) -> Option<String> {
        self.write_file("compiled", node, None, sql)
    }

    /// Writes what builds a node below `target/run`.
    pub(crate) fn write_run(&self, node: &Node, batch: Option<&Batch>, sql: &str) {
        self.write_file("run", node, batch, sql);
    }

    fn write_file(
        &self,
        folder: &str,
        node: &Node,
        batch: Option<&Batch>,
        sql: &str,
    ) -> Option<String> {
        if self.options().no_files {
            return None;
        }
        let target = self.parts.target_dir.as_ref()?;
        let mut below = PathBuf::from(folder).join(&*node.package);
        // What stands in one file with others gets a folder of the file's name.
        let several = matches!(node.kind, ResourceKind::Test)
            && node.original_path.ends_with(".yml")
            || node.original_path.ends_with(".yaml")
            || node.kind == ResourceKind::Snapshot;
        below.push(&node.original_path);
        if several {
            below.push(node.path.rsplit('/').next().unwrap_or(&node.path));
            if node.kind == ResourceKind::Snapshot {
                below.pop();
                below.push(format!("{}.sql", node.name));
            }
        }
        if let Some(batch) = batch {
            let stem = below
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default();
            below.set_extension("");
            below.push(format!("{stem}_{}.sql", batch.id));
        }
        let path = target.join(&below);
        // A file that is written over again costs more than one that is read.
        let is_there = std::fs::read(&path).is_ok_and(|there| there == sql.as_bytes());
        let written = match is_there {
            true => Ok(()),
            // Its folder is there but for the first of it.
            false => std::fs::write(&path, sql).or_else(|_| {
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::write(&path, sql)
            }),
        };
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "compiled SQL could not be written");
        }
        let name = target
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Some(format!("{name}/{}", below.display()))
    }
}

fn push_cte(ctes: &mut Vec<(UniqueId, String, Arc<str>)>, cte: (UniqueId, String, Arc<str>)) {
    if !ctes.iter().any(|(id, ..)| *id == cte.0) {
        ctes.push(cte);
    }
}

/// Tells what failed in a node's templates: what, where, through which macros, and what to do.
pub(crate) fn failure(error: Error, node: &Node) -> ModelError {
    let place = error.place().cloned();
    let hint = error.hint().map(str::to_owned);
    let kind = error.kind();
    let mut message = error.message().to_owned();
    let trace: Vec<String> = error
        .trace()
        .iter()
        .take(8)
        .map(|frame| {
            let owner = frame
                .owner
                .as_ref()
                .map(|owner| format!(" of `{owner}`"))
                .unwrap_or_default();
            format!("in macro `{}`{owner}", frame.name)
        })
        .collect();
    let carried = error
        .into_source()
        .and_then(|source| source.downcast::<ModelError>().ok());
    let made = match carried {
        Some(carried)
            if carried.kind() == ModelErrorKind::Warehouse
                || carried.kind() == ModelErrorKind::Cancelled =>
        {
            return (*carried).of(node.id.as_str());
        }
        Some(carried) => *carried,
        None => {
            for frame in &trace {
                message.push_str(&format!("\n{frame}"));
            }
            ModelError::new(ModelErrorKind::Template, message)
        }
    };
    let made = made.of(node.id.as_str());
    let made = match place {
        Some(place) if made.place().is_none() => {
            let made = if *place.template == *node.original_path {
                made.excerpt(excerpt(&node.raw_code, place.line, place.column))
            } else {
                made
            };
            made.at(Place::at(
                Arc::clone(&place.template),
                place.line,
                place.column,
            ))
        }
        _ => made,
    };
    match (hint, kind) {
        (Some(hint), _) if made.hint_text().is_none() => made.hint(hint),
        (None, ErrorKind::Undefined) if made.hint_text().is_none() => {
            made.hint("check the spelling; a macro of a package needs the package's name before it")
        }
        _ => made,
    }
}
