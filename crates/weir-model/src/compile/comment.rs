//! `query-comment`: what a project has put before, or behind, every statement it sends.

use std::sync::Arc;

use serde_json::Value as Json;
use weir_jinja::{Interpreter, Template, Value};

use super::compiler::{Compiler, failure};
use super::stage::{Purpose, StageParts};
use crate::context::{Session, StatementComment};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Node, ResourceKind};

const FILE: &str = "dbt_project.yml";

/// What dbt says of a statement where a project asks for comments and gives no text.
const USUAL: &str = "{%- set said = {'app': 'dbt', 'dbt_version': dbt_version, 'profile_name': target.get('profile_name'), \
    'target_name': target.get('target_name')} -%}\
    {%- if node is not none -%}{%- do said.update({'node_id': node.unique_id}) -%}\
    {%- else -%}{%- do said.update({'connection_name': connection_name}) -%}{%- endif -%}\
    {{ return(tojson(said)) }}";

impl Compiler {
    /// Renders the comment of the statements that run for `node`; none where the project asks for none.
    ///
    /// # Errors
    /// The template fails, or what it gives would end the comment.
    pub(crate) fn comment(
        self: &Arc<Self>,
        node: &Arc<Node>,
        session: &Arc<Session>,
    ) -> Result<Option<StatementComment>, ModelError> {
        let (text, append) = match &self.shared().project.root().query_comment {
            Some(Json::String(text)) => (text.as_str(), false),
            Some(Json::Object(map)) => (
                map.get("comment")
                    .map_or(USUAL, |text| text.as_str().unwrap_or_default()),
                map.get("append").and_then(Json::as_bool).unwrap_or(false),
            ),
            _ => return Ok(None),
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        // Macros of the command line are for no node.
        let named = match node.kind {
            ResourceKind::Operation if node.id.as_str().starts_with("macro.") => "none",
            _ => "model",
        };
        let parts = StageParts {
            extra: vec![("connection_name", Value::str(node.id.as_str()))],
            ..StageParts::new(Arc::clone(self), Arc::clone(node), Purpose::Operation)
        };
        let (_stage, context) = Self::context(parts, Some(Arc::clone(session)));
        let wrapped = format!(
            "{{% macro query_comment_macro(connection_name, node) %}}{text}{{% endmacro %}}\
             {{{{ query_comment_macro(connection_name, {named}) }}}}"
        );
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
        let rendered = Template::parse(FILE, &wrapped)
            .and_then(|template| interpreter.render(&template, &*context))
            .map_err(|error| failure(error, node))?;
        let rendered = rendered.trim();
        if rendered.contains("*/") {
            return Err(ModelError::new(
                ModelErrorKind::Template,
                "`query-comment` gives a text with `*/`, which would end the comment",
            )
            .of(node.id.as_str()));
        }
        Ok((!rendered.is_empty()).then(|| StatementComment {
            text: rendered.to_owned(),
            append,
        }))
    }
}
