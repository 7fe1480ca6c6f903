//! A connection of somebody who has signed in: messages in, answers out.

mod begin;
mod copies;
mod extended;
mod prepared;
mod simple;

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use chrono::Utc;
use pgwire::messages::data::{DataRow, NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended,
};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::{BackendKeyData, ParameterStatus, SecretKey};
use pgwire::messages::{PgWireBackendMessage as Reply, PgWireFrontendMessage as Message};
use tokio_util::sync::CancellationToken;
use weir_access::Identity;
use weir_query::{Caller, Description, Parameter, QueryRequest, ScalarValue, arrow_type, type_oid};

use super::Door;
use super::cancel::Entry;
use super::command::{self, Command, understand};
use super::copy_in::{self, Columns};
use super::cursor::{Answer, Asked, Stop, cancelled, interruptible};
use super::decode;
use super::encode::{self, Formats};
use super::failure::Failure;
use super::script;
use super::settings::Variables;
use super::startup::Visitor;
use super::wire::{Broken, Wire};

use copies::copy_out;

/// Prepared statements, portals and cursors a session may keep.
const MAX_KEPT: usize = 5_000;

/// What a session remembers between messages.
pub(super) struct Session {
    door: Arc<Door>,
    identity: Identity,
    address: IpAddr,
    entry: Entry,
    variables: Variables,
    statements: HashMap<String, Arc<Statement>>,
    portals: HashMap<String, Portal>,
    cursors: HashMap<String, (Answer, bool)>,
    status: TransactionStatus,
    /// Whether something was written since BEGIN, which ROLLBACK will not undo.
    written: bool,
    /// Whether the transaction was begun to read only.
    reading: bool,
    /// After an error in the extended protocol everything up to Sync is passed over.
    skipping: bool,
}

/// A prepared statement.
struct Statement {
    sql: String,
    command: Command,
    /// The types the client gave; 0 where it left them to us.
    oids: Vec<u32>,
    /// The highest number of a parameter in it.
    used: usize,
    /// The types that `PREPARE` names.
    types: Vec<String>,
    /// What it answers, once somebody asked.
    description: parking_lot::Mutex<Option<Arc<Description>>>,
}

/// A statement with its parameters.
struct Portal {
    statement: Arc<Statement>,
    parameters: Vec<Parameter>,
    formats: Formats,
    /// Begun when it was described or executed; none before, and after its end.
    answer: Option<Answer>,
    sent: u64,
    ended: Option<String>,
}

/// What a statement leads to.
enum Outcome {
    Tag(String),
    Rows(Box<Answer>),
    /// One row with one value.
    Value(String, String),
    Fetch(String, command::Rows),
    Copy(Box<Answer>, encode::copy::Style),
    /// Rows are to come: where they go, what they have to fit, how they are written.
    CopyIn(String, Arc<Description>, encode::copy::Style),
}

fn tag(tag: impl Into<String>) -> Reply {
    Reply::CommandComplete(CommandComplete::new(tag.into()))
}

impl Session {
    /// Greets the visitor.
    pub(super) fn new(visitor: Visitor, door: &Arc<Door>) -> (Self, Wire) {
        let Visitor {
            mut wire,
            identity,
            address,
            parameters,
        } = visitor;
        let (mut variables, failures) = Variables::new(&parameters);
        let user = identity.user().to_owned();
        let entry = door.cancels.enter(&user);
        variables.settings.process = entry.process;
        for (name, value) in [
            ("server_version", weir_query::SERVER_VERSION),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", &variables.settings.time_zone),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("is_superuser", "off"),
            ("in_hot_standby", "off"),
            ("default_transaction_read_only", "off"),
            ("session_authorization", &user),
            ("application_name", &variables.settings.application_name),
        ] {
            wire.put(Reply::ParameterStatus(ParameterStatus::new(
                name.to_owned(),
                value.to_owned(),
            )));
        }
        wire.put(Reply::BackendKeyData(BackendKeyData::new(
            entry.process,
            SecretKey::I32(entry.secret),
        )));
        for failure in failures {
            // A client that starts with a setting we do not have can still ask.
            wire.notice("WARNING", &failure.to_string());
        }
        let session = Self {
            door: door.clone(),
            identity,
            address,
            entry,
            variables,
            statements: HashMap::new(),
            portals: HashMap::new(),
            cursors: HashMap::new(),
            status: TransactionStatus::Idle,
            written: false,
            reading: false,
            skipping: false,
        };
        session.ready(&mut wire);
        (session, wire)
    }

    fn ready(&self, wire: &mut Wire) {
        wire.put(Reply::ReadyForQuery(ReadyForQuery::new(self.status)));
    }

    /// Answers messages until the client leaves.
    pub(super) async fn run(mut self, wire: &mut Wire, shutdown: CancellationToken) {
        let ended = self.entry.ended.clone();
        let end = loop {
            if let Err(broken) = wire.flush().await {
                break broken;
            }
            let message = tokio::select! {
                biased;
                message = wire.message() => message,
                () = shutdown.cancelled() => {
                    let told = Failure::new("57P01", "terminating connection: the server stops");
                    wire.error(told.response("FATAL"));
                    let _ = wire.flush().await;
                    return;
                }
                () = ended.cancelled() => break Broken::Ended,
            };
            let message = match message {
                Ok(Message::Terminate(_)) => return,
                Ok(message) => message,
                Err(broken) => break broken,
            };
            if !self
                .door
                .catalog
                .access()
                .still_valid(&self.identity, Utc::now())
            {
                let told = Failure::new("28000", "this sign-in is no longer valid");
                wire.error(told.response("FATAL"));
                let _ = wire.flush().await;
                return;
            }
            self.door.catalog.note_use(&self.identity);
            if let Err(broken) = self.answer(wire, message).await {
                break broken;
            }
        };
        let state = match end {
            Broken::Protocol(_) => "08P01",
            Broken::Ended => "57P01",
            Broken::Gone | Broken::Io(_) => return,
        };
        wire.error(Failure::new(state, end.to_string()).response("FATAL"));
        let _ = wire.flush().await;
    }

    async fn answer(&mut self, wire: &mut Wire, message: Message) -> Result<(), Broken> {
        if let Message::Query(query) = message {
            self.skipping = false;
            self.portals.remove("");
            let end = self.simple(wire, &query.query).await;
            self.told(wire, end)?;
            self.ready(wire);
            return Ok(());
        }
        if let Message::Sync(_) = message {
            self.skipping = false;
            // Without a transaction portals end with the messages that made them.
            if self.status == TransactionStatus::Idle {
                self.portals.clear();
            }
            self.ready(wire);
            return Ok(());
        }
        if self.skipping {
            return Ok(());
        }
        let end = match message {
            Message::Parse(parse) => self.parse(wire, parse),
            Message::Bind(bind) => self.bind(wire, bind).await,
            Message::Describe(describe) => self.describe(wire, describe).await,
            Message::Execute(execute) => self.execute(wire, execute).await,
            Message::Close(close) => {
                self.close(wire, close);
                Ok(())
            }
            // Sent before every wait for a message.
            Message::Flush(_) => Ok(()),
            // Left over from a COPY that has failed.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(Stop::Broken(Broken::Protocol(
                "unexpected message".to_owned(),
            ))),
        };
        self.skipping = matches!(end, Err(Stop::Told(_)));
        self.told(wire, end)
    }

    /// Tells the client of a failure, which also ends what a transaction may do.
    fn told(&mut self, wire: &mut Wire, end: Result<(), Stop>) -> Result<(), Broken> {
        match end {
            Ok(()) => Ok(()),
            // What the statement says of its end is not why the session ends.
            Err(Stop::Told(_)) if self.entry.ended.is_cancelled() => Err(Broken::Ended),
            Err(Stop::Told(failure)) => {
                wire.error(failure.response("ERROR"));
                if self.status == TransactionStatus::Transaction {
                    self.status = TransactionStatus::Error;
                }
                Ok(())
            }
            Err(Stop::Broken(broken)) => Err(broken),
        }
    }
}

fn limit(rows: command::Rows) -> Option<u64> {
    match rows {
        command::Rows::Next(rows) => Some(rows),
        command::Rows::All => None,
    }
}

fn one_text(name: &str) -> arrow::datatypes::Schema {
    use arrow::datatypes::{DataType, Field, Schema};
    Schema::new(vec![Field::new(name, DataType::Utf8, true)])
}

fn one_value(value: &str) -> Reply {
    use bytes::{BufMut, BytesMut};
    let mut data = BytesMut::new();
    data.put_i32(value.len() as i32);
    data.put_slice(value.as_bytes());
    Reply::DataRow(DataRow::new(data, 1))
}

fn described(wire: &mut Wire, schema: Option<&arrow::datatypes::Schema>, formats: &Formats) {
    wire.put(match schema {
        Some(schema) => Reply::RowDescription(encode::describe(schema, formats)),
        None => Reply::NoData(NoData::new()),
    });
}
