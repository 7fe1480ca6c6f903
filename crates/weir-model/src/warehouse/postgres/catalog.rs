use super::super::{Cell, ColumnInfo, Dialect, RelationInfo, RelationKind, RelationName, Table};

/// Lists all schemas.
pub(super) const SCHEMAS: &str = "select nspname::text from pg_catalog.pg_namespace order by 1";

/// Lists what is in a schema, whatever the case of its name.
pub(super) fn relations_sql(schema: &str) -> String {
    format!(
        "select c.relname::text, n.nspname::text, c.relkind::text \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where lower(n.nspname) = lower({}) and c.relkind in ('r', 'p', 'v', 'm', 'f') \
         order by 1",
        literal(schema)
    )
}

/// Reads what [`relations_sql`] answered.
pub(super) fn relations_of(table: Option<Table>, database: &str) -> Vec<RelationInfo> {
    let rows = table.map(|table| table.rows).unwrap_or_default();
    let relations = rows.into_iter().filter_map(|row| {
        let [name, schema, kind] = texts(row)?;
        Some(RelationInfo {
            name: RelationName {
                database: Some(database.to_owned()),
                schema,
                name,
            },
            kind: match kind.as_str() {
                "v" => RelationKind::View,
                "m" => RelationKind::MaterializedView,
                "f" => RelationKind::External,
                _ => RelationKind::Table,
            },
        })
    });
    relations.collect()
}

/// Lists which views read which relations. A view's rule depends on what it reads.
pub(super) const DEPENDENTS: &str = "select distinct rn.nspname::text, r.relname::text, dn.nspname::text, d.relname::text \
     from pg_catalog.pg_depend p join pg_catalog.pg_rewrite w on w.oid = p.objid \
     join pg_catalog.pg_class d on d.oid = w.ev_class join pg_catalog.pg_namespace dn on dn.oid = d.relnamespace \
     join pg_catalog.pg_class r on r.oid = p.refobjid join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace \
     where p.classid = 'pg_rewrite'::regclass and p.refclassid = 'pg_class'::regclass and r.oid <> d.oid \
     and rn.nspname not like 'pg\\_%' and rn.nspname <> 'information_schema'";

/// Reads what [`DEPENDENTS`] answered.
pub(super) fn dependents_of(
    table: Option<Table>,
    database: &str,
) -> Vec<(RelationName, RelationName)> {
    let rows = table.map(|table| table.rows).unwrap_or_default();
    let name = |schema, name| RelationName {
        database: Some(database.to_owned()),
        schema,
        name,
    };
    let pairs = rows.into_iter().filter_map(|row| {
        let [read_schema, read, schema, reader] = texts(row)?;
        Some((name(read_schema, read), name(schema, reader)))
    });
    pairs.collect()
}

/// Lists the columns of a relation; one without a schema is whatever the search path finds.
///
/// The catalog is asked directly: `information_schema` hides what arrays and domains are made of and
/// takes longer.
pub(super) fn columns_sql(relation: &RelationName) -> String {
    let place = if relation.schema.is_empty() {
        "pg_catalog.pg_table_is_visible(c.oid)".to_owned()
    } else {
        format!("n.nspname = {}", literal(&relation.schema))
    };
    format!(
        "select a.attname::text, pg_catalog.format_type(a.atttypid, null), \
         case when a.atttypid in (1042, 1043) and a.atttypmod > 4 then (a.atttypmod - 4)::text end, \
         case a.atttypid when 21 then '16' when 23 then '32' when 20 then '64' when 700 then '24' \
           when 701 then '53' when 1700 then \
           case when a.atttypmod > 4 then (((a.atttypmod - 4) >> 16) & 65535)::text end end, \
         case when a.atttypid in (20, 21, 23) then '0' when a.atttypid = 1700 and a.atttypmod > 4 \
           then ((a.atttypmod - 4) & 2047)::text end \
         from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.relname = {} and {place} and c.relkind in ('r', 'p', 'v', 'm', 'f') \
         and a.attnum > 0 and not a.attisdropped order by a.attnum",
        literal(&relation.name)
    )
}

/// Reads what [`columns_sql`] answered.
pub(super) fn columns_of(table: Option<Table>) -> Vec<ColumnInfo> {
    let rows = table.map(|table| table.rows).unwrap_or_default();
    let columns = rows.into_iter().filter_map(|row| {
        let mut texts = row.into_iter().map(|cell| cell.text());
        let (name, data_type) = (texts.next()??, texts.next()??);
        let mut number = || texts.next().flatten().and_then(|text| text.parse().ok());
        Some(ColumnInfo {
            name,
            data_type,
            char_size: number(),
            numeric_precision: number(),
            numeric_scale: number(),
        })
    });
    columns.collect()
}

/// Returns the texts of the first column.
pub(super) fn first_texts(table: Option<Table>) -> Vec<String> {
    let rows = table.map(|table| table.rows).unwrap_or_default();
    let firsts = rows
        .into_iter()
        .filter_map(|row| row.into_iter().next()?.text());
    firsts.collect()
}

/// Returns the relation's name with quotes; the database is the connection's.
pub(super) fn quoted(relation: &RelationName) -> String {
    let dialect = Dialect::postgres();
    let name = dialect.quote(&relation.name);
    if relation.schema.is_empty() {
        return name;
    }
    format!("{}.{name}", dialect.quote(&relation.schema))
}

fn texts<const N: usize>(row: Vec<Cell>) -> Option<[String; N]> {
    let texts: Option<Vec<String>> = row.into_iter().map(|cell| cell.text()).collect();
    texts?.try_into().ok()
}

fn literal(text: &str) -> String {
    Cell::Text(text.to_owned()).literal()
}
