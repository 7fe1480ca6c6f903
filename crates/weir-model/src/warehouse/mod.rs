//! Where models become tables: the seam that PostgreSQL and Weir itself implement.
//!
//! [`Warehouse`] hands out [`Connection`]s, one for each thread that runs nodes. Everything above this
//! module speaks to a warehouse through these two traits and a [`Dialect`]; SQL that differs between
//! warehouses lies in the macro library, chosen by [`Dialect::chain`].
//!
//! What this module is not: it knows neither projects nor templates.

mod answer;
mod cell;
mod dialect;
mod error;
pub mod postgres;
mod relation;

use std::fmt::Debug;

use async_trait::async_trait;

pub use answer::{Answer, Table, TableColumn};
pub use cell::{Cell, CellKind};
pub use dialect::{Dialect, IdentifierCase, Quoting};
pub use error::{WarehouseError, WarehouseErrorKind, WarehouseFailure};
pub use relation::{ColumnInfo, RelationInfo, RelationKind, RelationName};

/// What every call of this module returns.
pub type Result<T> = std::result::Result<T, WarehouseError>;

/// A place that keeps tables and runs SQL.
///
/// # Contract
/// - `dialect` answers at once and always the same.
/// - `connect` may be called from several tasks at a time; connections do not see each other's open
///   transactions, and what one has committed the others see with their next statement.
/// - Dropping a warehouse does not end connections that it gave.
#[async_trait]
pub trait Warehouse: Send + Sync + Debug {
    /// Returns what distinguishes this warehouse's SQL.
    fn dialect(&self) -> &Dialect;

    /// Opens a connection. `name` is for logs of the warehouse, such as `model.shop.orders`.
    async fn connect(&self, name: &str) -> Result<Box<dyn Connection>>;
}

/// One session of a [`Warehouse`].
///
/// # Contract
/// - **One caller at a time.** Every method takes `&mut self`; only a [`Canceller`] may be used while
///   another call is under way.
/// - **Atomic.** Outside a transaction each statement is atomic by itself. Several statements in one
///   `execute` are run in order; whether they are one unit is the warehouse's affair, callers that
///   need it call `begin`. Between `begin` and `commit` everything is one unit if
///   [`Dialect::transactions`] says so; otherwise `begin` and `commit` do nothing, and `rollback`
///   undoes nothing.
/// - **After an error** within a transaction, the transaction is over or refuses everything but
///   `rollback`; calling `rollback` is always allowed and leaves the connection usable unless it is
///   [`WarehouseErrorKind::Lost`].
/// - **Dropping** a connection rolls an open transaction back. Dropping the future of a call leaves it
///   unknown whether the statement ran; the connection must then be dropped too.
/// - **Durable** is what `commit` has answered for (or, outside a transaction, what `execute` has).
#[async_trait]
pub trait Connection: Send {
    /// Runs one or more statements separated by semicolons and returns the answer of the last.
    ///
    /// Rows are returned only if `fetch` asks for them; `Fetch::Limit` may stop early.
    async fn execute(&mut self, sql: &str, fetch: Fetch) -> Result<Answer>;

    /// Opens a transaction. Within a transaction it does nothing.
    async fn begin(&mut self) -> Result<()>;

    /// Makes the open transaction durable. Without one it does nothing.
    async fn commit(&mut self) -> Result<()>;

    /// Undoes the open transaction. Without one it does nothing.
    async fn rollback(&mut self) -> Result<()>;

    /// Whether a transaction is open.
    fn in_transaction(&self) -> bool;

    /// Lists the schemas of a database.
    async fn schemas(&mut self, database: &str) -> Result<Vec<String>>;

    /// Lists the relations of one schema; of a schema that does not exist, none.
    async fn relations(&mut self, database: &str, schema: &str) -> Result<Vec<RelationInfo>>;

    /// Lists the columns of a relation in their order; of a relation that does not exist, none.
    async fn columns(&mut self, relation: &RelationName) -> Result<Vec<ColumnInfo>>;

    /// Lists which relations would go if others were dropped: pairs of what is read and what reads it.
    ///
    /// Warehouses whose `drop` leaves readers alone have none.
    async fn dependents(&mut self) -> Result<Vec<(RelationName, RelationName)>> {
        Ok(Vec::new())
    }

    /// Returns names and types of the columns that a query would give, without running it.
    async fn describe(&mut self, sql: &str) -> Result<Vec<TableColumn>>;

    /// Appends rows to `columns` of an existing table by the fastest way there is, and returns how many
    /// it wrote. All or none are written. Every row has as many cells as there are columns; cells are
    /// converted to the column's type by the warehouse as a literal of that text would be.
    async fn copy_in(
        &mut self,
        table: &RelationName,
        columns: &[String],
        rows: &mut (dyn Iterator<Item = Vec<Cell>> + Send),
    ) -> Result<u64>;

    /// Returns a handle that ends what this connection runs, usable from anywhere.
    fn canceller(&self) -> Box<dyn Canceller>;
}

/// Ends the statement that a connection runs.
#[async_trait]
pub trait Canceller: Send + Sync {
    /// Asks for the end of the running statement, which then fails with
    /// [`WarehouseErrorKind::Cancelled`]. With none running it does nothing.
    async fn cancel(&self) -> Result<()>;
}

/// How many rows of an answer the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// None: the tag is enough.
    None,
    /// All of them.
    All,
    /// At most so many.
    Limit(usize),
}
