use std::sync::Arc;

use weir_jinja::{Args, Interpreter, Value};

use super::earlier::code_of;
use super::fused::Fused;
use super::result::{NodeResult, Provenance, Status, Timing};
use super::runner::{Command, Runner, seconds_between};
use crate::compile::{Compiled, Compiler, Purpose, StageParts, failure};
use crate::context::{Adapter, Context, Relation, Session};
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{JsonMap, Manifest, Node, ResourceKind, UniqueId};

/// Runs single nodes.
pub(super) struct Executor<'r> {
    pub(super) runner: &'r Runner,
    command: Command,
    pub(super) fused: Fused,
}

/// A node's code as it was rendered without a look at the warehouse: what it is when the node is built
/// by the same invocation with the same options.
#[derive(Clone, Debug)]
pub struct Rendered(pub(super) Arc<Compiled>);

/// How building a node ended: what the warehouse said.
pub(super) struct Built {
    pub(super) message: String,
    pub(super) response: JsonMap,
    pub(super) main: Option<Value>,
}

impl<'r> Executor<'r> {
    pub(super) fn new(runner: &'r Runner, command: Command, fused: Fused) -> Self {
        Self {
            runner,
            command,
            fused,
        }
    }

    /// Runs a node and says how it ended. The session is as before: no transaction stays open.
    pub(super) fn run(&self, id: &UniqueId, session: &Arc<Session>) -> NodeResult {
        session.set_name(id.as_str());
        let started = self.runner.now();
        let manifest = self.runner.manifest();
        let mut result = if let Some(kind) = described(&manifest, id) {
            let mut result = super::unit::blank(id, Status::NoOp);
            result.kind = kind;
            result.message = Some("NO-OP".to_owned());
            result.failures = Some(0);
            result
        } else if let Some(unit) = manifest.unit_tests.get(id) {
            self.unit_test(unit, session)
        } else if let Some(node) = manifest.nodes.get(id) {
            self.node(node, session)
        } else {
            let mut result = super::unit::unknown(id);
            result.message = Some(format!("{id} is not in the project"));
            result
        };
        session.rollback();
        result.thread.clone_from(&session.thread);
        result.seconds = seconds_between(started, self.runner.now());
        result
    }

    fn node(&self, node: &Arc<Node>, session: &Arc<Session>) -> NodeResult {
        let result = NodeResult::of(node, Status::Success, &session.thread);
        match self.runner.compiler.comment(node, session) {
            Ok(comment) => session.set_comment(comment),
            Err(error) => return result.failed(error, &shown(node)),
        }
        if self.command == Command::Compile {
            return self.compiled_only(node, session, result);
        }
        if self.command == Command::Clone {
            return self.cloned(node, session, result);
        }
        match node.kind {
            ResourceKind::Test => self.data_test(node, session, result),
            ResourceKind::Seed => self.seeded(node, session, result),
            ResourceKind::Model if is_microbatch(node) => self.microbatch(node, session, result),
            _ => self.compiled_and_built(node, session, result),
        }
    }

    fn compiled_only(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        if node.kind == ResourceKind::Seed {
            return result;
        }
        let parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Compile,
        );
        match self.compile(parts, session, &mut result) {
            Ok(_) => result,
            Err(error) => result.failed(error, &shown(node)),
        }
    }

    /// Compiles, and notes what was found in the result.
    pub(super) fn compile(
        &self,
        parts: StageParts,
        session: &Arc<Session>,
        result: &mut NodeResult,
    ) -> Result<Compiled, ModelError> {
        let started_at = self.runner.now();
        let node = Arc::clone(&parts.node);
        let batch = parts.batch.is_some();
        let is_whole = !batch && parts.unit.is_none();
        let rendered = self.runner.parts.options.rendered.get(&node.id);
        let compiled = match rendered.filter(|_| is_whole) {
            Some(Rendered(compiled)) => Compiled::clone(compiled),
            None => self.runner.compiler.compile(parts, session)?,
        };
        result.timing.push(Timing {
            name: "compile",
            started_at,
            completed_at: self.runner.now(),
        });
        if !batch {
            result.compiled_path = self.runner.compiler.write_compiled(&node, &compiled.sql);
        }
        result.compiled_code = Some(Arc::clone(&compiled.sql));
        result.provenance = Provenance {
            sql_hash: Some(crate::hash::sha256_hex(compiled.sql.as_bytes())),
            reads: compiled.reads.clone(),
            code: Some(code_of(&node, compiled.sql.as_bytes(), &self.runner.macros)),
        };
        Ok(compiled)
    }

    fn compiled_and_built(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Compile,
        );
        match self.compile(parts, session, &mut result) {
            Ok(compiled) => match self.needs_building(node, &mut result) {
                true => self.built(node, Some(compiled.sql), session, result),
                false => result.told_again(),
            },
            Err(error) => result.failed(error, &shown(node)),
        }
    }

    fn seeded(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let code = match super::seed::contents(self.runner.shared(), node) {
            Ok(bytes) => code_of(node, &bytes, &self.runner.macros),
            Err(error) => return result.failed(error, &shown(node)),
        };
        result.provenance.code = Some(code);
        match self.needs_building(node, &mut result) {
            true => self.built(node, None, session, result),
            false => result.told_again(),
        }
    }

    /// Says whether a node would be built, having compiled it; with what it was compiled to, if it is
    /// that again when it is built.
    pub(super) fn decided(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        result: &mut NodeResult,
    ) -> Result<(bool, Option<Rendered>), ModelError> {
        let before = session.looked();
        let mut rendered = None;
        if node.kind == ResourceKind::Seed {
            let bytes = super::seed::contents(self.runner.shared(), node)?;
            result.provenance.code = Some(code_of(node, &bytes, &self.runner.macros));
        } else {
            let (compiler, node) = (Arc::clone(&self.runner.compiler), Arc::clone(node));
            let parts = StageParts::new(compiler, node, Purpose::Compile);
            let compiled = self.compile(parts, session, result)?;
            rendered = (session.looked() == before).then(|| Rendered(Arc::new(compiled)));
        }
        Ok((self.needs_building(node, result), rendered))
    }

    /// Decides whether what was built before does, and notes why not.
    fn needs_building(&self, node: &Arc<Node>, result: &mut NodeResult) -> bool {
        let Provenance { code, reads, .. } = &result.provenance;
        let code = code.as_deref().unwrap_or_default();
        let manifest = self.runner.manifest();
        let why = self
            .runner
            .reuse
            .of_node(&manifest, node, code, reads)
            .err();
        result.reason = why.clone().filter(|why| !why.is_empty());
        why.is_some()
    }

    /// Builds by the node's materialization.
    fn built(
        &self,
        node: &Arc<Node>,
        sql: Option<Arc<str>>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let mut parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Build,
        );
        parts.sql = sql;
        let started_at = self.runner.now();
        let built = self.materialize(parts, node.config.materialized(), session);
        result.timing.push(Timing {
            name: "execute",
            started_at,
            completed_at: self.runner.now(),
        });
        match built {
            Ok(built) => {
                result.message = Some(built.message);
                result.response = built.response;
                result
            }
            Err(error) => result.failed(error, &shown(node)),
        }
    }

    /// The production relation under this environment's name.
    fn cloned(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let mut parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Build,
        );
        if let Some(deferred) = self.runner.compiler.deferred(&node.id) {
            let relation = self.runner.compiler.deferred_relation(deferred);
            parts.sql = Some(format!("select * from {}", relation.render()).into());
        }
        let started_at = self.runner.now();
        let built = self.materialize(parts, "clone", session);
        result.timing.push(Timing {
            name: "execute",
            started_at,
            completed_at: self.runner.now(),
        });
        match built {
            Ok(built) if built.main.is_none() => {
                result.status = Status::NoOp;
                result.message = Some("No-op".to_owned());
                result
            }
            Ok(built) => {
                result.message = Some(built.message);
                result.response = built.response;
                result
            }
            Err(error) => result.failed(error, &shown(node)),
        }
    }

    /// Calls the macro of a materialization.
    pub(super) fn materialize(
        &self,
        parts: StageParts,
        materialized: &str,
        session: &Arc<Session>,
    ) -> Result<Built, ModelError> {
        let node = Arc::clone(&parts.node);
        let shared = self.runner.shared();
        let found = shared
            .macros
            .materialization(&shared.dialect.chain, &node.package, materialized)
            .cloned();
        let Some(found) = found else {
            return Err(ModelError::new(
                ModelErrorKind::Template,
                format!("No materialization '{materialized}' was found for adapter {}! (searched types 'default' and '{0}')", shared.dialect.adapter),
            )
            .of(node.id.as_str())
            .hint("take table, view, incremental or ephemeral, or write the materialization in a macro file"));
        };
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(session)));
        let mut interpreter = Interpreter::new(Arc::clone(&shared.environment));
        let returned = interpreter.call_macro(&found, Args::none(), &*context);
        let returned = returned.map_err(|error| failure(error, &node));
        if returned.is_err() {
            session.rollback();
        }
        let returned = returned?;
        // A materialization of the project's own may have left its transaction open.
        session
            .commit()
            .map_err(|error| crate::context::warehouse_error(error).of(node.id.as_str()))?;
        Self::remember(&returned, session, &node)?;
        Ok(outcome(&context))
    }

    /// Takes the relations that a materialization says it made into the cache.
    fn remember(returned: &Value, session: &Session, node: &Node) -> Result<(), ModelError> {
        let relations = match returned {
            Value::Dict(dict) => dict.get_str("relations"),
            _ => None,
        };
        let Some(Value::List(relations)) = relations else {
            return Err(ModelError::new(
                ModelErrorKind::Template,
                format!("The materialization (\"{}\") did not explicitly return a list of relations to add to the cache.", node.config.materialized()),
            )
            .of(node.id.as_str())
            .hint("end it with {{ return({'relations': [target_relation]}) }}"));
        };
        for relation in relations.items() {
            if let Some(relation) = relation.as_object::<Relation>() {
                Adapter::remember(session, relation);
            }
        }
        Ok(())
    }
}

/// Reads what the statement called `main` answered.
fn outcome(context: &Context) -> Built {
    let main = context.results().main();
    let response = main
        .as_ref()
        .and_then(Value::as_dict)
        .and_then(|main| main.get_str("response"));
    let Some(response) = response else {
        return Built {
            message: "OK".to_owned(),
            response: JsonMap::new(),
            main,
        };
    };
    let message = response.to_str().to_string();
    let mut json = JsonMap::new();
    json.insert("_message".to_owned(), message.as_str().into());
    if let Value::Object(object) = &response {
        for key in ["code", "rows_affected"] {
            if let Ok(Some(value)) = object.attr(key) {
                // What counts no rows says -1, as drivers do.
                let unknown = value.is_none() && key == "rows_affected";
                json.insert(
                    key.to_owned(),
                    if unknown {
                        (-1).into()
                    } else {
                        to_json(&value)
                    },
                );
            }
        }
    }
    Built {
        message,
        response: json,
        main,
    }
}

fn is_microbatch(node: &Node) -> bool {
    node.config.materialized() == "incremental"
        && node.config.incremental_strategy() == Some("microbatch")
}

/// Returns the kind of what is described only, and for which there is nothing to do.
pub(super) fn described(manifest: &Manifest, id: &UniqueId) -> Option<ResourceKind> {
    if manifest.exposures.contains_key(id) {
        return Some(ResourceKind::Exposure);
    }
    manifest
        .saved_queries
        .contains_key(id)
        .then_some(ResourceKind::SavedQuery)
}

/// How messages name a node: `model orders (models/orders.sql)`.
pub(super) fn shown(node: &Node) -> String {
    format!(
        "{} {} ({})",
        node.kind.as_str(),
        node.name,
        node.original_path
    )
}
