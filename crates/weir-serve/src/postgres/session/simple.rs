//! The simple protocol: text in, all that it answers out.

use super::*;

impl Session {
    pub(super) async fn simple(&mut self, wire: &mut Wire, text: &str) -> Result<(), Stop> {
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
    pub(super) async fn finish(
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

    pub(super) fn cursor(&mut self, name: &str) -> Result<&mut (Answer, bool), Failure> {
        self.cursors
            .get_mut(name)
            .ok_or_else(|| Failure::new("34000", format!("cursor \"{name}\" does not exist")))
    }
}
