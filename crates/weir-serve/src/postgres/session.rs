//! A connection of somebody who has signed in: messages in, answers out.

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
        let (variables, failures) = Variables::new(&parameters);
        let entry = door.cancels.enter();
        let user = identity.user().to_owned();
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
        if let Broken::Protocol(why) = end {
            wire.error(Failure::new("08P01", why).response("FATAL"));
            let _ = wire.flush().await;
        }
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

    // --- the simple protocol ---

    async fn simple(&mut self, wire: &mut Wire, text: &str) -> Result<(), Stop> {
        let statements = script::statements(text);
        if statements.is_empty() {
            wire.put(Reply::EmptyQueryResponse(EmptyQueryResponse::new()));
        }
        for sql in statements {
            let asked = self.entry.asked.clone();
            let mut asked = pin!(asked.notified());
            asked.as_mut().enable();
            let command = understand(sql)?;
            let outcome = self
                .begin(wire, &mut asked, sql, &command, Vec::new())
                .await?;
            self.finish(wire, &mut asked, outcome).await?;
        }
        Ok(())
    }

    /// Sends all of an outcome, its columns first.
    async fn finish(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        outcome: Outcome,
    ) -> Result<(), Stop> {
        let formats = Formats::default();
        let zone = self.variables.zone;
        match outcome {
            Outcome::Tag(text) => wire.put(tag(text)),
            Outcome::Value(name, value) => {
                wire.put(Reply::RowDescription(encode::describe(
                    &one_text(&name),
                    &formats,
                )));
                wire.put(one_value(&value));
                wire.put(tag("SHOW"));
            }
            Outcome::Rows(mut answer) => {
                if answer.has_rows() {
                    wire.put(Reply::RowDescription(encode::describe(
                        &answer.schema(),
                        &formats,
                    )));
                }
                let (sent, _) = answer.send(wire, asked, &formats, &zone, None).await?;
                wire.put(tag(answer.tag(sent)));
            }
            Outcome::Fetch(name, rows) => {
                let (answer, _) = self.cursor(&name)?;
                wire.put(Reply::RowDescription(encode::describe(
                    &answer.schema(),
                    &formats,
                )));
                let (sent, _) = answer
                    .send(wire, asked, &formats, &zone, limit(rows))
                    .await?;
                wire.put(tag(format!("FETCH {sent}")));
            }
            Outcome::Copy(mut answer, style) => {
                copy_out(wire, asked, &mut answer, &style, &zone).await?;
            }
            Outcome::CopyIn(target, about, style) => {
                let done = self.copy_in(wire, asked, &target, &about, &style).await?;
                wire.put(tag(done));
            }
        }
        Ok(())
    }

    fn cursor(&mut self, name: &str) -> Result<&mut (Answer, bool), Failure> {
        self.cursors
            .get_mut(name)
            .ok_or_else(|| Failure::new("34000", format!("cursor \"{name}\" does not exist")))
    }

    // --- statements ---

    /// Begins a statement; those about the session are done when this returns.
    async fn begin(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        sql: &str,
        command: &Command,
        parameters: Vec<Parameter>,
    ) -> Result<Outcome, Stop> {
        if self.status == TransactionStatus::Error
            && !matches!(
                command,
                Command::Commit | Command::Rollback | Command::RollbackTo
            )
        {
            return Err(Failure::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            )
            .into());
        }
        Ok(match command {
            Command::Read => Outcome::Rows(Box::new(self.ask(wire, asked, sql, parameters).await?)),
            Command::Write => {
                let answer = self.ask(wire, asked, sql, parameters).await?;
                self.wrote(wire);
                Outcome::Rows(Box::new(answer))
            }
            Command::Copy { query, style } => {
                let answer = self.ask(wire, asked, query, parameters).await?;
                Outcome::Copy(Box::new(answer), style.clone())
            }
            Command::CopyIn {
                target,
                query,
                style,
            } => {
                let request = self.request(query, Vec::new());
                let about = self.door.engine.describe(request);
                let about = interruptible(wire, asked, about).await?;
                let about = about.map_err(|error| Failure::of_query(&error, query))?;
                Outcome::CopyIn(target.clone(), Arc::new(about), style.clone())
            }
            Command::Declare { name, query, hold } => {
                if self.status == TransactionStatus::Idle && !hold {
                    return Err(Failure::new(
                        "25P01",
                        "DECLARE CURSOR can only be used in transaction blocks",
                    )
                    .into());
                }
                if self.cursors.contains_key(name) {
                    return Err(
                        Failure::new("42P03", format!("cursor \"{name}\" already exists")).into(),
                    );
                }
                self.room(self.cursors.len())?;
                let answer = self.ask(wire, asked, query, parameters).await?;
                self.cursors.insert(name.clone(), (answer, *hold));
                Outcome::Tag("DECLARE CURSOR".to_owned())
            }
            Command::Fetch {
                name,
                rows,
                moves: false,
            } => {
                self.cursor(name)?;
                Outcome::Fetch(name.clone(), *rows)
            }
            Command::Fetch {
                name,
                rows,
                moves: true,
            } => {
                let passed = self.cursor(name)?.0.skip(wire, asked, limit(*rows)).await?;
                Outcome::Tag(format!("MOVE {passed}"))
            }
            Command::Close(name) => {
                match name {
                    Some(name) => {
                        self.cursor(name)?;
                        self.cursors.remove(name);
                    }
                    None => self.cursors.clear(),
                }
                Outcome::Tag("CLOSE CURSOR".to_owned())
            }
            Command::Show(name) => self.show(wire, asked, name).await?,
            other => Outcome::Tag(self.control(wire, other)?),
        })
    }

    /// Remembers, and says once, that a transaction has written what ROLLBACK will not undo.
    fn wrote(&mut self, wire: &mut Wire) {
        if self.status == TransactionStatus::Transaction && !self.written {
            self.written = true;
            wire.notice(
                "NOTICE",
                "each statement is committed at once; ROLLBACK will not undo it",
            );
        }
    }

    /// Takes rows from the client, and writes them by one statement once all are there.
    async fn copy_in(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        target: &str,
        about: &Description,
        style: &encode::copy::Style,
    ) -> Result<String, Stop> {
        let schema = about
            .schema
            .clone()
            .ok_or_else(|| Failure::new("42809", "COPY ... FROM STDIN takes a table"))?;
        let sent = received(wire, asked, schema.fields().len()).await?;
        let columns = Columns::read(&sent, style, schema.fields().len())?;
        drop(sent);
        let rows = columns.rows();
        if rows > 0 {
            let (sql, parameters) = columns.insert(target, &schema);
            let mut answer = self.ask(wire, asked, &sql, parameters).await?;
            answer.skip(wire, asked, None).await?;
            self.wrote(wire);
        }
        Ok(format!("COPY {rows}"))
    }

    /// Does what is about the session or its transaction; returns the tag.
    fn control(&mut self, wire: &mut Wire, command: &Command) -> Result<String, Failure> {
        let tag = match command {
            Command::Begin { reading } => {
                if self.status == TransactionStatus::Idle {
                    (self.status, self.written) = (TransactionStatus::Transaction, false);
                    self.reading = *reading;
                } else {
                    wire.notice("WARNING", "there is already a transaction in progress");
                }
                "BEGIN"
            }
            Command::Commit if self.status != TransactionStatus::Error => {
                if self.status == TransactionStatus::Idle {
                    wire.notice("WARNING", "there is no transaction in progress");
                }
                self.end_transaction();
                "COMMIT"
            }
            Command::Commit | Command::Rollback => {
                if self.status == TransactionStatus::Idle {
                    wire.notice("WARNING", "there is no transaction in progress");
                } else if self.written {
                    wire.notice(
                        "WARNING",
                        "statements since BEGIN were committed when they ended; nothing was undone",
                    );
                }
                self.end_transaction();
                "ROLLBACK"
            }
            Command::RollbackTo => {
                if self.status == TransactionStatus::Idle {
                    return Err(Failure::new(
                        "25P01",
                        "ROLLBACK TO SAVEPOINT can only be used in transaction blocks",
                    ));
                }
                if self.written {
                    wire.notice("WARNING", "statements since the savepoint were committed when they ended; nothing was undone");
                }
                self.status = TransactionStatus::Transaction;
                "ROLLBACK"
            }
            Command::Savepoint(tag) => {
                if self.status == TransactionStatus::Idle {
                    return Err(Failure::new(
                        "25P01",
                        format!("{tag} can only be used in transaction blocks"),
                    ));
                }
                tag
            }
            Command::Set { name, values } => {
                if let Some((name, value)) = self.variables.set(name, values)? {
                    wire.put(Reply::ParameterStatus(ParameterStatus::new(
                        name.to_owned(),
                        value,
                    )));
                }
                "SET"
            }
            Command::Reset(name) => {
                self.variables.reset(name);
                "RESET"
            }
            Command::Discard(tag) => {
                if *tag == "DISCARD ALL" {
                    self.variables.reset("all");
                    self.statements.clear();
                    self.cursors.clear();
                }
                tag
            }
            Command::Deallocate(name) => match name {
                Some(name) if self.statements.remove(name).is_none() => {
                    return Err(Failure::new(
                        "26000",
                        format!("prepared statement \"{name}\" does not exist"),
                    ));
                }
                Some(_) => "DEALLOCATE",
                None => {
                    self.statements.clear();
                    "DEALLOCATE ALL"
                }
            },
            Command::SetReading(reading) => {
                self.reading = *reading && self.status != TransactionStatus::Idle;
                "SET"
            }
            Command::Nothing(tag) => tag,
            _ => "",
        };
        Ok(tag.to_owned())
    }

    fn end_transaction(&mut self) {
        (self.status, self.written) = (TransactionStatus::Idle, false);
        self.reading = false;
        self.cursors.retain(|_, (_, hold)| *hold);
        self.portals.clear();
    }

    async fn show(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        name: &str,
    ) -> Result<Outcome, Stop> {
        if let Some(value) = self.variables.get(name) {
            return Ok(Outcome::Value(name.to_owned(), value));
        }
        let sql = "SELECT current_setting($1, true)".to_owned();
        let parameter = Parameter::Scalar(ScalarValue::Utf8(Some(name.to_owned())));
        let request = self.request(&sql, vec![parameter]);
        let result = interruptible(wire, asked, self.door.engine.query(request)).await?;
        let mut result = result.map_err(|error| Failure::of_query(&error, &sql))?;
        let batch = interruptible(wire, asked, futures::StreamExt::next(&mut result.rows)).await?;
        let value = batch.and_then(Result::ok).and_then(|batch| {
            use arrow::array::{Array, AsArray};
            let column = batch.columns().first()?;
            let column = column.as_string_opt::<i32>()?;
            (!column.is_empty() && column.is_valid(0)).then(|| column.value(0).to_owned())
        });
        match value {
            Some(value) => Ok(Outcome::Value(name.to_owned(), value)),
            None => Err(Failure::new(
                "42704",
                format!("unrecognized configuration parameter \"{name}\""),
            )
            .into()),
        }
    }

    fn request(&self, sql: &str, params: Vec<Parameter>) -> QueryRequest {
        QueryRequest {
            transaction: None,
            instant: None,
            sql: sql.to_owned(),
            params,
            caller: Caller::new(self.identity.clone(), "postgres").from(self.address),
            settings: Arc::new(self.variables.settings.clone()),
            timeout: self.variables.timeout,
            read_only: self.reading || self.variables.reads_only(),
        }
    }

    async fn ask(
        &self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        sql: &str,
        parameters: Vec<Parameter>,
    ) -> Result<Answer, Stop> {
        let request = self.request(sql, parameters);
        let result = interruptible(wire, asked, self.door.engine.query(request)).await?;
        let result = result.map_err(|error| Failure::of_query(&error, sql))?;
        Ok(Answer::new(result, sql.to_owned()))
    }

    fn room(&self, kept: usize) -> Result<(), Failure> {
        match kept < MAX_KEPT {
            true => Ok(()),
            false => Err(Failure::new(
                "53400",
                format!("a session may keep {MAX_KEPT} statements or cursors"),
            )
            .hint("close those that are no longer used")),
        }
    }

    // --- the extended protocol ---

    fn parse(&mut self, wire: &mut Wire, parse: Parse) -> Result<(), Stop> {
        let name = parse.name.unwrap_or_default();
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(Failure::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            )
            .into());
        }
        self.room(self.statements.len())?;
        let mut statements = script::statements(&parse.query);
        if statements.len() > 1 {
            return Err(Failure::new(
                "42601",
                "cannot insert multiple commands into a prepared statement",
            )
            .into());
        }
        let sql = statements.pop().unwrap_or_default().to_owned();
        let statement = Statement {
            command: understand(&sql)?,
            sql,
            oids: parse.type_oids,
            description: parking_lot::Mutex::new(None),
        };
        self.statements.insert(name, Arc::new(statement));
        wire.put(Reply::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    fn statement(&self, name: Option<&str>) -> Result<Arc<Statement>, Failure> {
        let name = name.unwrap_or_default();
        let found = self.statements.get(name).cloned();
        found.ok_or_else(|| {
            Failure::new(
                "26000",
                format!("prepared statement \"{name}\" does not exist"),
            )
        })
    }

    /// Asks the engine what a statement answers and takes; once per statement.
    async fn description(
        &self,
        wire: &mut Wire,
        statement: &Statement,
    ) -> Result<Arc<Description>, Stop> {
        if let Some(known) = statement.description.lock().clone() {
            return Ok(known);
        }
        let sql = match &statement.command {
            Command::Read | Command::Write => &statement.sql,
            Command::Copy { query, .. } | Command::Declare { query, .. } => query,
            _ => {
                return Ok(Arc::new(Description {
                    schema: None,
                    parameters: Vec::new(),
                }));
            }
        };
        let typed = statement.oids.iter().map(|oid| {
            let kind = arrow_type(*oid).filter(|_| *oid != 705);
            let null = kind.and_then(|kind| ScalarValue::try_from(&kind).ok());
            Parameter::Scalar(null.unwrap_or(ScalarValue::Null))
        });
        let request = self.request(sql, typed.collect());
        let asked = self.entry.asked.clone();
        let mut asked = pin!(asked.notified());
        asked.as_mut().enable();
        let description = interruptible(
            wire,
            &mut asked.as_mut(),
            self.door.engine.describe(request),
        )
        .await?;
        let description = Arc::new(description.map_err(|error| Failure::of_query(&error, sql))?);
        *statement.description.lock() = Some(description.clone());
        Ok(description)
    }

    async fn bind(&mut self, wire: &mut Wire, bind: Bind) -> Result<(), Stop> {
        let statement = self.statement(bind.statement_name.as_deref())?;
        let name = bind.portal_name.unwrap_or_default();
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Failure::new("42P03", format!("portal \"{name}\" already exists")).into());
        }
        self.room(self.portals.len())?;
        let binary = |at: usize| match bind.parameter_format_codes.as_slice() {
            [] => false,
            [one] => *one == 1,
            many => many.get(at) == Some(&1),
        };
        let is_list = |at: usize| {
            let value = bind.parameters.get(at).and_then(Option::as_ref);
            value.is_some_and(|value| value.starts_with(b"{"))
        };
        let given = |at: usize| statement.oids.get(at).copied().filter(|oid| *oid != 0);
        let untyped =
            (0..bind.parameters.len()).any(|at| given(at).is_none() && (binary(at) || is_list(at)));
        // In binary a value can be read only when its type is known, and so can a list.
        let description = match untyped {
            true => Some(self.description(wire, &statement).await?),
            false => statement.description.lock().clone(),
        };
        let mut parameters = Vec::with_capacity(bind.parameters.len());
        for (at, value) in bind.parameters.iter().enumerate() {
            let described = || {
                let kinds = &description.as_ref()?.parameters;
                kinds.get(at)?.as_ref().map(type_oid)
            };
            let oid = given(at).or_else(described).unwrap_or(0);
            let value = decode::parameter(at + 1, oid, binary(at), value.as_ref())?;
            parameters.push(Parameter::Scalar(value));
        }
        self.portals.insert(
            name,
            Portal {
                statement,
                parameters,
                formats: Formats(bind.result_column_format_codes),
                answer: None,
                sent: 0,
                ended: None,
            },
        );
        wire.put(Reply::BindComplete(BindComplete::new()));
        Ok(())
    }

    async fn describe(&mut self, wire: &mut Wire, describe: Describe) -> Result<(), Stop> {
        let name = describe.name.unwrap_or_default();
        if describe.target_type == b'P' {
            return self.describe_portal(wire, &name).await;
        }
        let statement = self.statement(Some(&name))?;
        let description = self.description(wire, &statement).await?;
        let count = description.parameters.len().max(statement.oids.len());
        let oids = (0..count).map(|at| {
            let given = statement.oids.get(at).copied().filter(|oid| *oid != 0);
            let found = description.parameters.get(at).and_then(Option::as_ref);
            given.or_else(|| found.map(type_oid)).unwrap_or(25)
        });
        wire.put(Reply::ParameterDescription(ParameterDescription::new(
            oids.collect(),
        )));
        let schema = match &statement.command {
            Command::Copy { .. } | Command::Declare { .. } => None,
            Command::Fetch {
                name, moves: false, ..
            } => Some(self.cursor(name)?.0.schema()),
            Command::Show(name) => Some(Arc::new(one_text(name))),
            _ => description.schema.clone(),
        };
        described(wire, schema.as_deref(), &Formats::default());
        Ok(())
    }

    async fn describe_portal(&mut self, wire: &mut Wire, name: &str) -> Result<(), Stop> {
        let Some(mut portal) = self.portals.remove(name) else {
            // Cursors are portals that a statement made.
            let schema = self.cursor(name)?.0.schema();
            described(wire, Some(&schema), &Formats::default());
            return Ok(());
        };
        let schema = match &portal.statement.command {
            Command::Read if portal.answer.is_none() && portal.ended.is_none() => {
                // What only reads may begin at once: it is planned once instead of twice.
                let asked = self.entry.asked.clone();
                let mut asked = pin!(asked.notified());
                asked.as_mut().enable();
                let (statement, parameters) = (portal.statement.clone(), portal.parameters.clone());
                let begun = self
                    .begin(
                        wire,
                        &mut asked,
                        &statement.sql,
                        &statement.command,
                        parameters,
                    )
                    .await?;
                match begun {
                    Outcome::Rows(answer) => {
                        let schema = answer.schema();
                        portal.answer = Some(*answer);
                        Some(schema)
                    }
                    _ => None,
                }
            }
            Command::Read => portal.answer.as_ref().map(Answer::schema),
            Command::Fetch {
                name, moves: false, ..
            } => {
                let name = name.clone();
                Some(self.cursor(&name)?.0.schema())
            }
            Command::Show(name) => Some(Arc::new(one_text(name))),
            Command::Write => {
                let statement = portal.statement.clone();
                self.description(wire, &statement).await?.schema.clone()
            }
            _ => None,
        };
        described(wire, schema.as_deref(), &portal.formats);
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    async fn execute(&mut self, wire: &mut Wire, execute: Execute) -> Result<(), Stop> {
        let name = execute.name.unwrap_or_default();
        let Some(mut portal) = self.portals.remove(&name) else {
            return self.execute_cursor(wire, &name, execute.max_rows).await;
        };
        if portal.statement.sql.is_empty() {
            wire.put(Reply::EmptyQueryResponse(EmptyQueryResponse::new()));
            self.portals.insert(name, portal);
            return Ok(());
        }
        if let Some(ended) = &portal.ended {
            wire.put(tag(ended.clone()));
            self.portals.insert(name, portal);
            return Ok(());
        }
        let asked = self.entry.asked.clone();
        let mut asked = pin!(asked.notified());
        asked.as_mut().enable();
        let zone = self.variables.zone;
        let limit_rows = u64::try_from(execute.max_rows)
            .ok()
            .filter(|rows| *rows > 0);
        let outcome = match portal.answer.take() {
            Some(answer) => Outcome::Rows(Box::new(answer)),
            None => {
                let (statement, parameters) = (portal.statement.clone(), portal.parameters.clone());
                self.begin(
                    wire,
                    &mut asked,
                    &statement.sql,
                    &statement.command,
                    parameters,
                )
                .await?
            }
        };
        let ended = match outcome {
            Outcome::Rows(mut answer) => {
                let (sent, last) = answer
                    .send(wire, &mut asked, &portal.formats, &zone, limit_rows)
                    .await?;
                portal.sent += sent;
                if !last {
                    portal.answer = Some(*answer);
                    wire.put(Reply::PortalSuspended(PortalSuspended::new()));
                    self.portals.insert(name, portal);
                    return Ok(());
                }
                answer.tag(portal.sent)
            }
            Outcome::Tag(text) => text,
            Outcome::Value(_, value) => {
                wire.put(one_value(&value));
                "SHOW".to_owned()
            }
            Outcome::Fetch(cursor, rows) => {
                let (answer, _) = self.cursor(&cursor)?;
                let (sent, _) = answer
                    .send(wire, &mut asked, &portal.formats, &zone, limit(rows))
                    .await?;
                format!("FETCH {sent}")
            }
            Outcome::Copy(mut answer, style) => {
                copy_out(wire, &mut asked, &mut answer, &style, &zone).await?;
                return Ok(());
            }
            Outcome::CopyIn(target, about, style) => {
                self.copy_in(wire, &mut asked, &target, &about, &style)
                    .await?
            }
        };
        wire.put(tag(ended.clone()));
        portal.ended = Some(ended);
        // A transaction that just ended took its portals along.
        if !matches!(
            portal.statement.command,
            Command::Commit | Command::Rollback
        ) {
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    async fn execute_cursor(
        &mut self,
        wire: &mut Wire,
        name: &str,
        max_rows: i32,
    ) -> Result<(), Stop> {
        let asked = self.entry.asked.clone();
        let mut asked = pin!(asked.notified());
        asked.as_mut().enable();
        let zone = self.variables.zone;
        let limit = u64::try_from(max_rows).ok().filter(|rows| *rows > 0);
        let (answer, _) = self.cursor(name)?;
        let (sent, last) = answer
            .send(wire, &mut asked.as_mut(), &Formats::default(), &zone, limit)
            .await?;
        wire.put(match last {
            true => tag(answer.tag(sent)),
            false => Reply::PortalSuspended(PortalSuspended::new()),
        });
        Ok(())
    }

    fn close(&mut self, wire: &mut Wire, close: Close) {
        let name = close.name.unwrap_or_default();
        match close.target_type {
            b'S' => drop(self.statements.remove(&name)),
            _ => {
                self.portals.remove(&name);
                self.cursors.remove(&name);
            }
        }
        wire.put(Reply::CloseComplete(CloseComplete::new()));
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

/// Receives what a client copies, until it says that this is all.
async fn received(
    wire: &mut Wire,
    asked: &mut Asked<'_, '_>,
    columns: usize,
) -> Result<BytesMut, Stop> {
    use pgwire::messages::copy::CopyInResponse;
    wire.put(Reply::CopyInResponse(CopyInResponse::new(
        0,
        columns as i16,
        vec![0; columns],
    )));
    wire.flush().await?;
    let mut sent = BytesMut::new();
    loop {
        let message = tokio::select! {
            message = wire.message() => message?,
            () = asked.as_mut() => return Err(cancelled()),
        };
        match message {
            Message::CopyData(data) if sent.len() + data.data.len() > copy_in::MAX_BYTES => {
                return Err(Failure::new(
                    "53400",
                    format!("one COPY takes {} MB", copy_in::MAX_BYTES >> 20),
                )
                .hint("send the rows in several")
                .into());
            }
            Message::CopyData(data) => sent.extend_from_slice(&data.data),
            Message::CopyDone(_) => return Ok(sent),
            Message::CopyFail(fail) => {
                let why = format!("COPY from stdin failed: {}", fail.message);
                return Err(Failure::new("57014", why).into());
            }
            // Clients send these ahead.
            Message::Flush(_) | Message::Sync(_) => {}
            _ => {
                let why = "unexpected message during COPY from stdin".to_owned();
                return Err(Stop::Broken(Broken::Protocol(why)));
            }
        }
    }
}

async fn copy_out(
    wire: &mut Wire,
    asked: &mut Asked<'_, '_>,
    answer: &mut Answer,
    style: &encode::copy::Style,
    zone: &encode::Zone,
) -> Result<(), Stop> {
    use pgwire::messages::copy::{CopyDone, CopyOutResponse};
    let columns = answer.schema().fields().len() as i16;
    let format = match style.format() {
        encode::Format::Text => 0,
        encode::Format::Binary => 1,
    };
    wire.put(Reply::CopyOutResponse(CopyOutResponse::new(
        format as i8,
        columns,
        vec![format; columns as usize],
    )));
    let sent = answer.copy(wire, asked, style, zone).await?;
    wire.put(Reply::CopyDone(CopyDone::new()));
    wire.put(tag(format!("COPY {sent}")));
    Ok(())
}
