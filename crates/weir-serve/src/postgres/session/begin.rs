//! What a statement leads to: those about the session are done here, others are asked of the engine.

use super::*;

impl Session {
    /// Begins a statement; those about the session are done when this returns.
    pub(super) async fn begin(
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
            Command::Prepare { name, types, query } => self.prepare(name, types, query)?,
            Command::Execute { name, arguments } => {
                let statement = self.statement(Some(name))?;
                let values = self.arguments(wire, asked, &statement, arguments).await?;
                let begun = self.begin(wire, asked, &statement.sql, &statement.command, values);
                Box::pin(begun).await?
            }
            Command::EndSession { process, kind } => {
                let admin = Caller::new(self.identity.clone(), "postgres");
                let all = self.door.catalog.access().decide(
                    admin.identity(),
                    weir_access::Action::Admin,
                    &weir_access::Object::Server,
                );
                let user = self.identity.user();
                let found = self
                    .door
                    .cancels
                    .end(*process, *kind, |of| all.allowed || of == user)?;
                if !found {
                    let told = format!("PID {process} is not a session of this server");
                    wire.notice("WARNING", &told);
                }
                let sql = kind.answer(found);
                Outcome::Rows(Box::new(self.ask(wire, asked, &sql, Vec::new()).await?))
            }
            other => Outcome::Tag(self.control(wire, other)?),
        })
    }

    /// Remembers, and says once, that a transaction has written what ROLLBACK will not undo.
    pub(super) fn wrote(&mut self, wire: &mut Wire) {
        if self.status == TransactionStatus::Transaction && !self.written {
            self.written = true;
            wire.notice(
                "NOTICE",
                "each statement is committed at once; ROLLBACK will not undo it",
            );
        }
    }

    /// Does what is about the session or its transaction; returns the tag.
    pub(super) fn control(
        &mut self,
        wire: &mut Wire,
        command: &Command,
    ) -> Result<String, Failure> {
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

    pub(super) fn end_transaction(&mut self) {
        (self.status, self.written) = (TransactionStatus::Idle, false);
        self.reading = false;
        self.cursors.retain(|_, (_, hold)| *hold);
        self.portals.clear();
    }

    pub(super) async fn show(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        name: &str,
    ) -> Result<Outcome, Stop> {
        if let Some(value) = self.variables.get(name) {
            return Ok(Outcome::Value(name.to_owned(), value));
        }
        let sql = "SELECT current_setting($1, true)";
        let parameter = Parameter::Scalar(ScalarValue::Utf8(Some(name.to_owned())));
        let row = self.one_row(wire, asked, sql, vec![parameter]).await?;
        let value = match row.into_iter().next() {
            Some(ScalarValue::Utf8(value)) => value,
            _ => None,
        };
        match value {
            Some(value) => Ok(Outcome::Value(name.to_owned(), value)),
            None => Err(Failure::new(
                "42704",
                format!("unrecognized configuration parameter \"{name}\""),
            )
            .into()),
        }
    }

    pub(super) fn request(&self, sql: &str, params: Vec<Parameter>) -> QueryRequest {
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

    pub(super) async fn ask(
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

    pub(super) fn room(&self, kept: usize) -> Result<(), Failure> {
        match kept < MAX_KEPT {
            true => Ok(()),
            false => Err(Failure::new(
                "53400",
                format!("a session may keep {MAX_KEPT} statements or cursors"),
            )
            .hint("close those that are no longer used")),
        }
    }
}
