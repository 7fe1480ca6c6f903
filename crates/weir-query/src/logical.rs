//! From a statement to a logical plan: what the planner asks is answered from a [`Scope`].
//!
//! A session of its own would do the same. It takes longer to make one than to plan most statements:
//! it has a table of all functions, and those that know who asks would be put into it each time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{CatalogProviderList, TableFunctionArgs};
use datafusion::common::config::ConfigOptions;
use datafusion::common::file_options::file_type::FileType;
use datafusion::common::{
    DFSchema, ResolvedTableReference, Result, TableReference, plan_datafusion_err, plan_err,
};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::parser::Statement;
use datafusion::sql::planner::{ContextProvider, ParserOptions, SqlToRel};

use crate::catalog::Scope;
use crate::functions::Types;
use crate::session::{CATALOG, PATH};
use crate::system::pg_catalog::functions::Asked;

/// Plans a statement whose names mean what they mean in `scope`.
pub(crate) async fn plan(scope: &Scope, statement: Statement) -> Result<LogicalPlan> {
    let base = scope.pinned.base.as_ref();
    let mut tables = HashMap::new();
    for reference in base.resolve_table_references(&statement)? {
        let Entry::Vacant(entry) = tables.entry(resolved(reference)) else {
            continue;
        };
        let name: &ResolvedTableReference = entry.key();
        let schema = scope
            .catalog(&name.catalog)
            .and_then(|catalog| catalog.schema(&name.schema));
        if let Some(schema) = schema
            && let Some(table) = schema.table(&name.table).await?
        {
            entry.insert(provider_as_source(table));
        }
    }
    let options = scope.options();
    let parser = &options.sql_parser;
    let parser = ParserOptions {
        parse_float_as_decimal: parser.parse_float_as_decimal,
        enable_ident_normalization: parser.enable_ident_normalization,
        enable_options_value_normalization: parser.enable_options_value_normalization,
        support_varchar_with_length: parser.support_varchar_with_length,
        map_string_types_to_utf8view: parser.map_string_types_to_utf8view,
        collect_spans: parser.collect_spans,
        default_null_ordering: parser.default_null_ordering.as_str().into(),
    };
    let planning = Planning {
        base,
        options,
        started: scope.pinned.started,
        tables,
        asked: Asked::new(scope.clone()),
    };
    SqlToRel::new_with_options(&planning, parser).statement_to_plan(statement)
}

/// Returns a name in full: what is written without a schema is looked for along the path.
fn resolved(name: TableReference) -> ResolvedTableReference {
    name.resolve(CATALOG, PATH)
}

/// What the planner asks about one statement.
struct Planning<'a> {
    base: &'a SessionState,
    options: Arc<ConfigOptions>,
    started: DateTime<Utc>,
    tables: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
    asked: Asked,
}

impl ContextProvider for Planning<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let name = resolved(name);
        let found = self.tables.get(&name).cloned();
        found.ok_or_else(|| plan_datafusion_err!("table '{name}' not found"))
    }

    fn get_file_type(&self, name: &str) -> Result<Arc<dyn FileType>> {
        plan_err!("There is no registered file format with ext {name}")
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let function = self.base.table_functions().get(name);
        let function =
            function.ok_or_else(|| plan_datafusion_err!("table function '{name}' not found"))?;
        let context = SimplifyContext::builder()
            .with_config_options(self.options.clone())
            .with_query_execution_start_time(Some(self.started))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let none = DFSchema::empty();
        let simple = |arg| simplifier.simplify(simplifier.coerce(arg, &none)?);
        let args = args.into_iter().map(simple).collect::<Result<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, self.base);
        Ok(provider_as_source(
            function.create_table_provider_with_args(args)?,
        ))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name, schema,
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.base.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.base.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let known = || self.base.scalar_functions().get(name).cloned();
        self.asked.get(name).or_else(known)
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.base.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.base.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.base.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        let known = self.base.scalar_functions().keys().cloned();
        known.chain(self.asked.names()).collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        let functions = self.base.higher_order_functions();
        functions.keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.base.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.base.window_functions().keys().cloned().collect()
    }
}
