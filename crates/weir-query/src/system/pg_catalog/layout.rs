//! The columns of `pg_catalog`, as PostgreSQL 15 has them.

use super::cells::Kind;

/// Tables and their columns; a letter says the type: `b`oolean, `s`mallint, `i`nteger, bi`g`int,
/// `r`eal, `o`id, `t`ext, `T`ext[], `S`mallint[].
const TABLES: &[(&str, &str)] = &[
    ("pg_am", "oid:o amname:t amhandler:t amtype:t"),
    ("pg_attrdef", "oid:o adrelid:o adnum:s adbin:t"),
    (
        "pg_attribute",
        "attrelid:o attname:t atttypid:o attstattarget:i attlen:s attnum:s attndims:i attcacheoff:i atttypmod:i \
         attbyval:b attalign:t attstorage:t attcompression:t attnotnull:b atthasdef:b atthasmissing:b attidentity:t \
         attgenerated:t attisdropped:b attislocal:b attinhcount:i attcollation:o attacl:T attoptions:T attfdwoptions:T attmissingval:T",
    ),
    (
        "pg_auth_members",
        "roleid:o member:o grantor:o admin_option:b",
    ),
    (
        "pg_available_extensions",
        "name:t default_version:t installed_version:t comment:t",
    ),
    (
        "pg_cast",
        "oid:o castsource:o casttarget:o castfunc:o castcontext:t castmethod:t",
    ),
    (
        "pg_class",
        "oid:o relname:t relnamespace:o reltype:o reloftype:o relowner:o relam:o relfilenode:o reltablespace:o relpages:i \
         reltuples:r relallvisible:i reltoastrelid:o relhasindex:b relisshared:b relpersistence:t relkind:t relnatts:s relchecks:s \
         relhasrules:b relhastriggers:b relhassubclass:b relrowsecurity:b relforcerowsecurity:b relispopulated:b relreplident:t \
         relispartition:b relrewrite:o relfrozenxid:g relminmxid:g relacl:T reloptions:T relpartbound:t",
    ),
    (
        "pg_collation",
        "oid:o collname:t collnamespace:o collowner:o collprovider:t collisdeterministic:b collencoding:i collcollate:t collctype:t \
         colliculocale:t collversion:t",
    ),
    (
        "pg_constraint",
        "oid:o conname:t connamespace:o contype:t condeferrable:b condeferred:b convalidated:b conrelid:o contypid:o conindid:o \
         conparentid:o confrelid:o confupdtype:t confdeltype:t confmatchtype:t conislocal:b coninhcount:i connoinherit:b conkey:S \
         confkey:S conpfeqop:S conppeqop:S conffeqop:S confdelsetcols:S conexclop:S conbin:t",
    ),
    (
        "pg_conversion",
        "oid:o conname:t connamespace:o conowner:o conforencoding:i contoencoding:i conproc:t condefault:b",
    ),
    (
        "pg_cursors",
        "name:t statement:t is_holdable:b is_binary:b is_scrollable:b creation_time:t",
    ),
    (
        "pg_database",
        "oid:o datname:t datdba:o encoding:i datlocprovider:t datistemplate:b datallowconn:b datconnlimit:i datfrozenxid:g \
         datminmxid:g dattablespace:o datcollate:t datctype:t daticulocale:t datcollversion:t datacl:T",
    ),
    ("pg_db_role_setting", "setdatabase:o setrole:o setconfig:T"),
    (
        "pg_default_acl",
        "oid:o defaclrole:o defaclnamespace:o defaclobjtype:t defaclacl:T",
    ),
    (
        "pg_depend",
        "classid:o objid:o objsubid:i refclassid:o refobjid:o refobjsubid:i deptype:t",
    ),
    (
        "pg_description",
        "objoid:o classoid:o objsubid:i description:t",
    ),
    ("pg_enum", "oid:o enumtypid:o enumsortorder:r enumlabel:t"),
    (
        "pg_event_trigger",
        "oid:o evtname:t evtevent:t evtowner:o evtfoid:o evtenabled:t evttags:T",
    ),
    (
        "pg_extension",
        "oid:o extname:t extowner:o extnamespace:o extrelocatable:b extversion:t extconfig:T extcondition:T",
    ),
    (
        "pg_foreign_data_wrapper",
        "oid:o fdwname:t fdwowner:o fdwhandler:o fdwvalidator:o fdwacl:T fdwoptions:T",
    ),
    (
        "pg_foreign_server",
        "oid:o srvname:t srvowner:o srvfdw:o srvtype:t srvversion:t srvacl:T srvoptions:T",
    ),
    ("pg_foreign_table", "ftrelid:o ftserver:o ftoptions:T"),
    (
        "pg_index",
        "indexrelid:o indrelid:o indnatts:s indnkeyatts:s indisunique:b indnullsnotdistinct:b indisprimary:b indisexclusion:b \
         indimmediate:b indisclustered:b indisvalid:b indcheckxmin:b indisready:b indislive:b indisreplident:b indkey:S \
         indcollation:S indclass:S indoption:S indexprs:t indpred:t",
    ),
    (
        "pg_indexes",
        "schemaname:t tablename:t indexname:t tablespace:t indexdef:t",
    ),
    (
        "pg_inherits",
        "inhrelid:o inhparent:o inhseqno:i inhdetachpending:b",
    ),
    (
        "pg_language",
        "oid:o lanname:t lanowner:o lanispl:b lanpltrusted:b lanplcallfoid:o laninline:o lanvalidator:o lanacl:T",
    ),
    ("pg_largeobject_metadata", "oid:o lomowner:o lomacl:T"),
    (
        "pg_locks",
        "locktype:t database:o relation:o pid:i mode:t granted:b",
    ),
    (
        "pg_matviews",
        "schemaname:t matviewname:t matviewowner:t tablespace:t hasindexes:b ispopulated:b definition:t",
    ),
    ("pg_namespace", "oid:o nspname:t nspowner:o nspacl:T"),
    (
        "pg_opclass",
        "oid:o opcmethod:o opcname:t opcnamespace:o opcowner:o opcfamily:o opcintype:o opcdefault:b opckeytype:o",
    ),
    (
        "pg_operator",
        "oid:o oprname:t oprnamespace:o oprowner:o oprkind:t oprcanmerge:b oprcanhash:b oprleft:o oprright:o oprresult:o",
    ),
    (
        "pg_partitioned_table",
        "partrelid:o partstrat:t partnatts:s partdefid:o partattrs:S partclass:S partcollation:S partexprs:t",
    ),
    (
        "pg_policy",
        "oid:o polname:t polrelid:o polcmd:t polpermissive:b polroles:S polqual:t polwithcheck:t",
    ),
    (
        "pg_prepared_statements",
        "name:t statement:t prepare_time:t parameter_types:T from_sql:b",
    ),
    (
        "pg_proc",
        "oid:o proname:t pronamespace:o proowner:o prolang:o procost:r prorows:r provariadic:o prosupport:o prokind:t prosecdef:b \
         proleakproof:b proisstrict:b proretset:b provolatile:t proparallel:t pronargs:s pronargdefaults:s prorettype:o \
         proargtypes:S proallargtypes:S proargmodes:T proargnames:T proargdefaults:t protrftypes:S prosrc:t probin:t prosqlbody:t \
         proconfig:T proacl:T",
    ),
    (
        "pg_publication",
        "oid:o pubname:t pubowner:o puballtables:b pubinsert:b pubupdate:b pubdelete:b pubtruncate:b pubviaroot:b",
    ),
    ("pg_publication_namespace", "oid:o pnpubid:o pnnspid:o"),
    (
        "pg_publication_rel",
        "oid:o prpubid:o prrelid:o prqual:t prattrs:S",
    ),
    (
        "pg_range",
        "rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o rngcanonical:o rngsubdiff:o",
    ),
    (
        "pg_rewrite",
        "oid:o rulename:t ev_class:o ev_type:t ev_enabled:t is_instead:b ev_qual:t ev_action:t",
    ),
    (
        "pg_roles",
        "rolname:t rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b rolreplication:b rolconnlimit:i \
         rolpassword:t rolvaliduntil:t rolbypassrls:b rolconfig:T oid:o",
    ),
    (
        "pg_sequence",
        "seqrelid:o seqtypid:o seqstart:g seqincrement:g seqmax:g seqmin:g seqcache:g seqcycle:b",
    ),
    (
        "pg_sequences",
        "schemaname:t sequencename:t sequenceowner:t data_type:t start_value:g min_value:g max_value:g increment_by:g cycle:b \
         cache_size:g last_value:g",
    ),
    (
        "pg_settings",
        "name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t vartype:t source:t min_val:t max_val:t enumvals:T \
         boot_val:t reset_val:t sourcefile:t sourceline:i pending_restart:b",
    ),
    ("pg_shdescription", "objoid:o classoid:o description:t"),
    (
        "pg_stat_activity",
        "datid:o datname:t pid:i leader_pid:i usesysid:o usename:t application_name:t client_addr:t client_hostname:t client_port:i \
         backend_start:t xact_start:t query_start:t state_change:t wait_event_type:t wait_event:t state:t backend_xid:g \
         backend_xmin:g query_id:g query:t backend_type:t",
    ),
    (
        "pg_stat_user_tables",
        "relid:o schemaname:t relname:t seq_scan:g seq_tup_read:g idx_scan:g idx_tup_fetch:g n_tup_ins:g n_tup_upd:g n_tup_del:g \
         n_live_tup:g n_dead_tup:g",
    ),
    (
        "pg_statistic_ext",
        "oid:o stxrelid:o stxname:t stxnamespace:o stxowner:o stxstattarget:i stxkeys:S stxkind:T stxexprs:t",
    ),
    (
        "pg_subscription",
        "oid:o subdbid:o subname:t subowner:o subenabled:b",
    ),
    (
        "pg_tables",
        "schemaname:t tablename:t tableowner:t tablespace:t hasindexes:b hasrules:b hastriggers:b rowsecurity:b",
    ),
    (
        "pg_tablespace",
        "oid:o spcname:t spcowner:o spcacl:T spcoptions:T",
    ),
    ("pg_timezone_names", "name:t abbrev:t utc_offset:t is_dst:b"),
    (
        "pg_trigger",
        "oid:o tgrelid:o tgparentid:o tgname:t tgfoid:o tgtype:s tgenabled:t tgisinternal:b tgconstrrelid:o tgconstrindid:o \
         tgconstraint:o tgdeferrable:b tginitdeferred:b tgnargs:s tgattr:S tgargs:t tgqual:t tgoldtable:t tgnewtable:t",
    ),
    (
        "pg_ts_config",
        "oid:o cfgname:t cfgnamespace:o cfgowner:o cfgparser:o",
    ),
    (
        "pg_ts_parser",
        "oid:o prsname:t prsnamespace:o prsstart:t prstoken:t prsend:t prsheadline:t prslextype:t",
    ),
    (
        "pg_type",
        "oid:o typname:t typnamespace:o typowner:o typlen:s typbyval:b typtype:t typcategory:t typispreferred:b typisdefined:b \
         typdelim:t typrelid:o typsubscript:t typelem:o typarray:o typinput:t typoutput:t typreceive:t typsend:t typmodin:t \
         typmodout:t typanalyze:t typalign:t typstorage:t typnotnull:b typbasetype:o typtypmod:i typndims:i typcollation:o \
         typdefaultbin:t typdefault:t typacl:T",
    ),
    (
        "pg_user",
        "usename:t usesysid:o usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:t useconfig:T",
    ),
    (
        "pg_user_mappings",
        "umid:o srvid:o srvname:t umuser:o usename:t umoptions:T",
    ),
    (
        "pg_views",
        "schemaname:t viewname:t viewowner:t definition:t",
    ),
];

/// Returns the names of the catalog's tables.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}

/// Returns the columns of a table.
pub(super) fn of(table: &str) -> Option<Vec<(&'static str, Kind)>> {
    let (_, columns) = TABLES.iter().find(|(name, _)| *name == table)?;
    Some(
        columns
            .split_whitespace()
            .filter_map(|column| {
                let (name, letter) = column.split_once(':')?;
                let kind = match letter {
                    "b" => Kind::Bool,
                    "s" => Kind::Int2,
                    "i" => Kind::Int4,
                    "g" => Kind::Int8,
                    "r" => Kind::Float4,
                    "o" => Kind::Oid,
                    "T" => Kind::TextArray,
                    "S" => Kind::Int2Array,
                    _ => Kind::Text,
                };
                Some((name, kind))
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_columns_and_a_place_in_order() {
        let all: Vec<&str> = names().collect();
        assert!(all.is_sorted());
        for (name, columns) in TABLES {
            assert_eq!(
                of(name).unwrap().len(),
                columns.split_whitespace().count(),
                "{name}"
            );
        }
    }
}
