/** Giving a query a name. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Builder } from "../lib/builder";
import { create, type QuestionBody, type Sharing } from "../lib/documents";
import { navigate } from "../lib/router";
import type { Sheet } from "../lib/sheets";
import { parameterNames } from "../lib/sqltext";
import { suggested } from "../lib/suggested";
import { Button, Choice, Dialog, Field, Text, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";

export const SHARINGS = (["read", "edit", "private"] as const).map((name) => [name, w.questions.sharings[name]] as const);

export function SaveQuestion({ sheet, builder, onClose }: { sheet: Sheet; /** What it was put together from. */ builder?: Builder; onClose(): void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(() => (builder ? suggested(builder) : ""));
  const [description, setDescription] = useState("");
  const [sharing, setSharing] = useState<Sharing>("read");
  const [busy, act, error] = useAct();
  const save = () =>
    act(async () => {
      const parameters = parameterNames(sheet.sql).map((name) => ({ name, type: "text" as const, default: sheet.params?.[name] }));
      const body: QuestionBody = { sql: sheet.sql, view: sheet.view, chart: sheet.chart, parameters, builder };
      const saved = await create("questions", { name, description, sharing, body });
      await queries.invalidateQueries({ queryKey: ["questions"] });
      onClose();
      navigate(`/q/${saved.id}`);
    });
  return (
    <Dialog title={w.questions.saving} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={w.common.name}>
          <Text required maxLength={200} autoFocus onFocus={(event) => event.target.select()} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label={w.common.description}>
          <textarea className="input" value={description} onChange={(event) => setDescription(event.target.value)} />
        </Field>
        <Field label={w.questions.sharing} hint={w.questions.sharingHint}>
          <Choice<Sharing> value={sharing} options={SHARINGS} onChange={setSharing} />
        </Field>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy || name.trim() === ""}>
            {w.common.save}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}
