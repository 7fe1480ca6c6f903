//! The extended protocol: statements that are prepared, bound, described and executed.

use super::*;

impl Session {
    pub(super) fn parse(&mut self, wire: &mut Wire, parse: Parse) -> Result<(), Stop> {
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
            used: script::parameters(&sql),
            sql,
            oids: parse.type_oids,
            types: Vec::new(),
            description: parking_lot::Mutex::new(None),
        };
        self.statements.insert(name, Arc::new(statement));
        wire.put(Reply::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    pub(super) fn statement(&self, name: Option<&str>) -> Result<Arc<Statement>, Failure> {
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
    pub(super) async fn description(
        &self,
        wire: &mut Wire,
        statement: &Statement,
    ) -> Result<Arc<Description>, Stop> {
        if let Some(known) = statement.description.lock().clone() {
            return Ok(known);
        }
        if let Command::Execute { name, .. } = &statement.command {
            let prepared = self.statement(Some(name))?;
            let description = Box::pin(self.description(wire, &prepared)).await?;
            return Ok(Arc::new(Description {
                schema: description.schema.clone(),
                parameters: Vec::new(),
            }));
        }
        let ended;
        let sql = match &statement.command {
            Command::Read | Command::Write => &statement.sql,
            Command::EndSession { kind, .. } => {
                ended = kind.answer(true);
                &ended
            }
            Command::Copy { query, .. } | Command::Declare { query, .. } => query,
            _ => {
                return Ok(Arc::new(Description {
                    schema: None,
                    parameters: Vec::new(),
                }));
            }
        };
        let typed = statement.oids.iter().take(statement.used).map(|oid| {
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

    pub(super) async fn bind(&mut self, wire: &mut Wire, bind: Bind) -> Result<(), Stop> {
        let statement = self.statement(bind.statement_name.as_deref())?;
        let (given, taken) = (
            bind.parameters.len(),
            statement.used.max(statement.oids.len()),
        );
        if given != taken {
            let name = bind.statement_name.as_deref().unwrap_or_default();
            return Err(Failure::new(
                "08P01",
                format!(
                    "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {taken}"
                ),
            )
            .into());
        }
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
        // Those that only have a type are used nowhere.
        for (at, value) in bind.parameters.iter().take(statement.used).enumerate() {
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

    pub(super) async fn describe(
        &mut self,
        wire: &mut Wire,
        describe: Describe,
    ) -> Result<(), Stop> {
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

    pub(super) async fn describe_portal(
        &mut self,
        wire: &mut Wire,
        name: &str,
    ) -> Result<(), Stop> {
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
            Command::Write | Command::Execute { .. } | Command::EndSession { .. } => {
                let statement = portal.statement.clone();
                self.description(wire, &statement).await?.schema.clone()
            }
            _ => None,
        };
        described(wire, schema.as_deref(), &portal.formats);
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    pub(super) async fn execute(&mut self, wire: &mut Wire, execute: Execute) -> Result<(), Stop> {
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

    pub(super) async fn execute_cursor(
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

    pub(super) fn close(&mut self, wire: &mut Wire, close: Close) {
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
