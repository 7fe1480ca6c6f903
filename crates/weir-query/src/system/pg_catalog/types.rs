//! `pg_type`: the types clients may meet, with Postgres' own numbers.

use datafusion::arrow::datatypes::DataType;

/// A type as Postgres knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PgType {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    /// How SQL spells it.
    pub(crate) sql: &'static str,
    /// Bytes of a value; -1 when they vary.
    pub(crate) length: i16,
    pub(crate) category: char,
    /// The type of arrays of it; 0 when there is none.
    pub(crate) array: u32,
    /// The type of an array's elements; 0 for other types.
    pub(crate) element: u32,
}

const fn base(
    oid: u32,
    name: &'static str,
    sql: &'static str,
    length: i16,
    category: char,
    array: u32,
) -> PgType {
    PgType {
        oid,
        name,
        sql,
        length,
        category,
        array,
        element: 0,
    }
}

const fn array(oid: u32, name: &'static str, sql: &'static str, element: u32) -> PgType {
    PgType {
        oid,
        name,
        sql,
        length: -1,
        category: 'A',
        array: 0,
        element,
    }
}

/// The types, as in `pg_type.dat` of PostgreSQL 15.
pub(crate) const TYPES: [PgType; 55] = [
    base(16, "bool", "boolean", 1, 'B', 1000),
    base(17, "bytea", "bytea", -1, 'U', 1001),
    base(18, "char", "\"char\"", 1, 'Z', 1002),
    base(19, "name", "name", 64, 'S', 1003),
    base(20, "int8", "bigint", 8, 'N', 1016),
    base(21, "int2", "smallint", 2, 'N', 1005),
    base(22, "int2vector", "int2vector", -1, 'A', 1006),
    base(23, "int4", "integer", 4, 'N', 1007),
    base(24, "regproc", "regproc", 4, 'N', 1008),
    base(25, "text", "text", -1, 'S', 1009),
    base(26, "oid", "oid", 4, 'N', 1028),
    base(30, "oidvector", "oidvector", -1, 'A', 1013),
    base(114, "json", "json", -1, 'U', 199),
    base(700, "float4", "real", 4, 'N', 1021),
    base(701, "float8", "double precision", 8, 'N', 1022),
    base(705, "unknown", "unknown", -2, 'X', 0),
    base(1042, "bpchar", "character", -1, 'S', 1014),
    base(1043, "varchar", "character varying", -1, 'S', 1015),
    base(1082, "date", "date", 4, 'D', 1182),
    base(1083, "time", "time without time zone", 8, 'D', 1183),
    base(
        1114,
        "timestamp",
        "timestamp without time zone",
        8,
        'D',
        1115,
    ),
    base(
        1184,
        "timestamptz",
        "timestamp with time zone",
        8,
        'D',
        1185,
    ),
    base(1186, "interval", "interval", 16, 'T', 1187),
    base(1700, "numeric", "numeric", -1, 'N', 1231),
    base(2205, "regclass", "regclass", 4, 'N', 2210),
    base(2206, "regtype", "regtype", 4, 'N', 2211),
    base(2249, "record", "record", -1, 'P', 2287),
    base(2278, "void", "void", 4, 'P', 0),
    base(2950, "uuid", "uuid", 16, 'U', 2951),
    base(3802, "jsonb", "jsonb", -1, 'U', 3807),
    base(4089, "regnamespace", "regnamespace", 4, 'N', 4090),
    array(199, "_json", "json[]", 114),
    array(1000, "_bool", "boolean[]", 16),
    array(1001, "_bytea", "bytea[]", 17),
    array(1002, "_char", "\"char\"[]", 18),
    array(1003, "_name", "name[]", 19),
    array(1005, "_int2", "smallint[]", 21),
    array(1007, "_int4", "integer[]", 23),
    array(1009, "_text", "text[]", 25),
    array(1014, "_bpchar", "character[]", 1042),
    array(1015, "_varchar", "character varying[]", 1043),
    array(1016, "_int8", "bigint[]", 20),
    array(1021, "_float4", "real[]", 700),
    array(1022, "_float8", "double precision[]", 701),
    array(1028, "_oid", "oid[]", 26),
    array(1115, "_timestamp", "timestamp without time zone[]", 1114),
    array(1182, "_date", "date[]", 1082),
    array(1183, "_time", "time without time zone[]", 1083),
    array(1185, "_timestamptz", "timestamp with time zone[]", 1184),
    array(1187, "_interval", "interval[]", 1186),
    array(1231, "_numeric", "numeric[]", 1700),
    array(2210, "_regclass", "regclass[]", 2205),
    array(2287, "_record", "record[]", 2249),
    array(2951, "_uuid", "uuid[]", 2950),
    array(3807, "_jsonb", "jsonb[]", 3802),
];

/// Returns the type with that number.
pub(crate) fn by_oid(oid: u32) -> Option<&'static PgType> {
    TYPES.iter().find(|kind| kind.oid == oid)
}

/// Returns the type with that name, in the catalog's or in SQL's spelling.
pub(crate) fn by_name(name: &str) -> Option<&'static PgType> {
    let name = name.trim().to_ascii_lowercase();
    let spelled = match name.as_str() {
        "int" => "int4",
        "decimal" => "numeric",
        "string" => "text",
        other => other,
    };
    TYPES
        .iter()
        .find(|kind| kind.name == spelled || kind.sql == spelled)
}

/// Returns the number of the Postgres type that values of an Arrow type travel as.
pub fn type_oid(kind: &DataType) -> u32 {
    match kind {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 25,
        DataType::Boolean => 16,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => 21,
        DataType::Int32 | DataType::UInt16 => 23,
        // Only the catalogs have such columns; Postgres' own unsigned type is the oid.
        DataType::UInt32 => 26,
        DataType::Int64 | DataType::UInt64 => 20,
        DataType::Float16 | DataType::Float32 => 700,
        DataType::Float64 => 701,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => 17,
        DataType::Date32 | DataType::Date64 => 1082,
        DataType::Time32(_) | DataType::Time64(_) => 1083,
        DataType::Timestamp(_, None) => 1114,
        DataType::Timestamp(_, Some(_)) => 1184,
        DataType::Duration(_) | DataType::Interval(_) => 1186,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => 1700,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => match by_oid(type_oid(item.data_type())) {
            Some(PgType { array, .. }) if *array != 0 => *array,
            // Lists of lists and of records travel as JSON.
            _ => 114,
        },
        DataType::Dictionary(_, value) => type_oid(value),
        DataType::RunEndEncoded(_, value) => type_oid(value.data_type()),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => 114,
    }
}

/// Returns the `typmod` of an Arrow type: precision and scale of decimals; else -1.
pub fn type_modifier(kind: &DataType) -> i32 {
    match kind {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
        }
        _ => -1,
    }
}

/// Returns the Arrow type a value of a Postgres type is read as; none for types not known.
pub fn arrow_type(oid: u32) -> Option<DataType> {
    use datafusion::arrow::datatypes::{Field, IntervalUnit, TimeUnit};
    Some(match oid {
        16 => DataType::Boolean,
        17 => DataType::Binary,
        20 => DataType::Int64,
        21 => DataType::Int16,
        23 => DataType::Int32,
        26 | 24 | 2205 | 2206 | 4089 => DataType::UInt32,
        18 | 19 | 25 | 114 | 705 | 1042 | 1043 | 2950 | 3802 => DataType::Utf8,
        700 => DataType::Float32,
        701 => DataType::Float64,
        1082 => DataType::Date32,
        1083 => DataType::Time64(TimeUnit::Microsecond),
        1114 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1184 => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        1186 => DataType::Interval(IntervalUnit::MonthDayNano),
        1700 => DataType::Decimal128(38, 10),
        other => {
            let element = by_oid(other).filter(|kind| kind.element != 0)?.element;
            DataType::List(std::sync::Arc::new(Field::new_list_field(
                arrow_type(element)?,
                true,
            )))
        }
    })
}

/// Returns how SQL spells the type with that number.
pub fn type_name_of(oid: u32) -> Option<&'static str> {
    by_oid(oid).map(|kind| kind.sql)
}

/// Returns the bytes values of the type take; -1 when they vary.
pub fn type_length(oid: u32) -> i16 {
    by_oid(oid).map_or(-1, |kind| kind.length)
}

/// Returns the type of the elements of an array type; none for other types.
pub fn array_element(oid: u32) -> Option<u32> {
    by_oid(oid)
        .map(|kind| kind.element)
        .filter(|element| *element != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_elements_name_each_other() {
        for kind in TYPES.iter().filter(|kind| kind.element != 0) {
            let element = by_oid(kind.element).expect(kind.name);
            assert_eq!(element.array, kind.oid, "{}", kind.name);
        }
    }

    #[test]
    fn numbers_are_unique() {
        let mut oids: Vec<u32> = TYPES.iter().map(|kind| kind.oid).collect();
        oids.sort_unstable();
        oids.dedup();
        assert_eq!(oids.len(), TYPES.len());
    }
}
