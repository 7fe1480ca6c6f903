use std::sync::Weak;

use weir_jinja::{Call, Error, Result, Value};

use super::{Purpose, Stage, source_cte};
use crate::context::{EventTimeFilter, Relation, node_error};
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{NodeConfig, ResourceKind, UniqueId, Version};

impl Stage {
    /// `ref(name)`, `ref(package, name)`, with `v=` or `version=`.
    pub(in crate::compile) fn reference(&self, call: &mut Call<'_>) -> Result<Value> {
        let version = call
            .named("version")
            .or_else(|| call.named("v"))
            .filter(|value| !value.is_none());
        let version = version.and_then(|version| Version::from_json(&to_json(&version)));
        let within = call
            .named("package")
            .map(|package| package.to_str().to_string());
        let mut names: Vec<String> = call
            .rest()
            .iter()
            .map(|name| name.to_str().to_string())
            .collect();
        let name = names
            .pop()
            .ok_or_else(|| Error::custom("ref() takes one or two names (0 given)"))?;
        let within = names.pop().or(within);
        let node = &self.parts.node;
        let found = self.compiler().resolver().node(
            &node.package,
            &name,
            within.as_deref(),
            version.as_ref(),
        );
        let Some(found) = found.cloned() else {
            return Err(self.missing_node(&name));
        };
        let anything =
            self.parts.purpose == Purpose::Operation || node.kind == ResourceKind::SqlOperation;
        if !anything && !node.depends_on.nodes.contains(&found.id) {
            return Err(self.undeclared(&name));
        }
        self.note_read(&found.id);
        if let Some(unit) = self.unit() {
            if !unit.inputs.contains_key(&found.id) {
                return Err(self.not_given(&found.id));
            }
            self.note_cte(&found.id);
            return Ok(
                Relation::ephemeral(&self.compiler().shared().dialect, &found.alias).value(),
            );
        }
        if found.is_ephemeral() {
            if self.parts.purpose == Purpose::Operation {
                return Err(node_error(
                    ModelErrorKind::Access,
                    format!("Operations can not ref() ephemeral nodes, but {name} is ephemeral"),
                ));
            }
            self.note_cte(&found.id);
            let relation = Relation::ephemeral(&self.compiler().shared().dialect, &found.alias);
            return Ok(self.limited(relation, &found.config).value());
        }
        let relation = self.compiler().deferred_or_own(
            &found,
            self.context.get().and_then(Weak::upgrade).as_deref(),
            call,
        )?;
        Ok(self.limited(relation, &found.config).value())
    }

    fn missing_node(&self, name: &str) -> Error {
        let node = &self.parts.node;
        Error::from_source(
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("{} depends on a node named '{name}' which was not found or is disabled", node.id),
            )
            .hint("check the name; a node of another package may need the package before it: ref('package', 'name')"),
        )
    }

    /// A unit test never reads real rows by accident.
    fn not_given(&self, id: &UniqueId) -> Error {
        Error::from_source(
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("the unit test gives no rows for {id}, which the model reads"),
            )
            .hint("add it to `given`, with `rows: []` if it is to be empty"),
        )
    }

    fn undeclared(&self, name: &str) -> Error {
        Error::from_source(
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("dbt was unable to infer all dependencies for the model \"{}\": it refers to '{name}' only while running", self.parts.node.name),
            )
            .hint(format!("add this comment to the model: -- depends_on: {{{{ ref('{name}') }}}}")),
        )
    }

    /// `source(source, table)`.
    pub(super) fn source(&self, call: &mut Call<'_>) -> Result<Value> {
        let source_name = call.required_str("source_name")?;
        let table = call.required_str("table_name")?;
        call.finish()?;
        let node = &self.parts.node;
        let found = self
            .compiler()
            .resolver()
            .source(&node.package, &source_name, &table)
            .cloned();
        let Some(found) = found else {
            return Err(Error::from_source(
                ModelError::new(
                    ModelErrorKind::MissingReference,
                    format!("{} depends on a source named '{source_name}.{table}' which was not found or is disabled", node.id),
                )
                .hint("check the names against the sources: in properties files"),
            ));
        };
        self.note_read(&found.id);
        if let Some(unit) = self.unit() {
            if !unit.inputs.contains_key(&found.id) {
                return Err(self.not_given(&found.id));
            }
            self.note_cte(&found.id);
            return Ok(
                Relation::ephemeral(&self.compiler().shared().dialect, &source_cte(&found)).value(),
            );
        }
        let relation = self.compiler().source_relation(&found);
        Ok(self.limited(relation, &found.config).value())
    }

    /// Restricts what is read of a relation: nothing for `--empty`, one batch, or a sample.
    fn limited(&self, mut relation: Relation, config: &NodeConfig) -> Relation {
        let options = self.compiler().options();
        let reads_rows = self.unit().is_none();
        if options.empty && reads_rows {
            relation.limit = Some(0);
        }
        let filters = matches!(
            self.parts.node.kind,
            ResourceKind::Model | ResourceKind::Snapshot
        ) && reads_rows;
        let Some(column) = config.event_time().filter(|_| filters) else {
            return relation;
        };
        let batch = self
            .parts
            .batch
            .as_ref()
            .map(|batch| (batch.start, batch.end));
        let span = match (batch, options.sample) {
            (Some((start, end)), Some((first, last))) => Some((start.max(first), end.min(last))),
            (batch, sample) => batch.or(sample),
        };
        if let Some((start, end)) = span {
            relation.event_time = Some(EventTimeFilter {
                column: column.to_owned(),
                start: Some(start),
                end: Some(end),
            });
        }
        relation
    }
}
