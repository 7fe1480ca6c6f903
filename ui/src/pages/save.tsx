/** Giving a query a name. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Builder } from "../lib/builder";
import { create, type Parameter, type QuestionBody, type Saved, type Sharing, update, useDocument } from "../lib/documents";
import { usePerson } from "../lib/session";
import { navigate } from "../lib/router";
import type { Sheet } from "../lib/sheets";
import { parameterNames } from "../lib/sqltext";
import { suggested } from "../lib/suggested";
import { Button, Choice, Dialog, Field, Text, Trouble, useAct } from "../parts/basics";
import { words as w } from "../words";

export const SHARINGS = (["read", "edit", "private"] as const).map((name) => [name, w.questions.sharings[name]] as const);

interface Props {
  sheet: Sheet;
  /** What it was put together from. */
  builder?: Builder;
  /** What it asks for each time, where that is known; text else. */
  parameters?: Parameter[];
  /** The saved question that was changed. */
  of?: string;
  onClose(): void;
}

export function SaveQuestion({ of, ...props }: Props) {
  const saved = useDocument<QuestionBody>("questions", of ?? "", undefined, of !== undefined);
  // What is gone, or not to be read, is saved as another.
  if (of !== undefined && saved.isPending) return null;
  return <Saving {...props} changed={saved.data} />;
}

function Saving({ sheet, builder, parameters: asked, changed, onClose }: Omit<Props, "of"> & { changed?: Saved<QuestionBody> }) {
  const queries = useQueryClient();
  const person = usePerson();
  const mayChange = changed !== undefined && (changed.owner === person.name || person.may.admin || changed.sharing === "edit");
  const [over, setOver] = useState(mayChange);
  const [name, setName] = useState(() => (mayChange ? changed.name : builder ? suggested(builder) : ""));
  const [description, setDescription] = useState(mayChange ? changed.description : "");
  const [sharing, setSharing] = useState<Sharing>(mayChange ? changed.sharing : "read");
  const [busy, act, error] = useAct();
  // A default that somebody gave it stays.
  const known = (name: string) => {
    const own = asked?.find((one) => one.name === name);
    const before = over ? changed?.body.parameters?.find((one) => one.name === name && one.type === own?.type) : undefined;
    return own && { ...own, ...before };
  };
  const save = () =>
    act(async () => {
      const parameters = parameterNames(sheet.sql).map((name) => known(name) ?? { name, type: "text" as const, default: sheet.params?.[name] });
      const body: QuestionBody = { sql: sheet.sql, view: sheet.view, chart: sheet.chart, parameters, builder };
      const draft = { name, description, sharing, body };
      const saved = over && changed ? await update("questions", changed.id, changed.version, draft) : await create("questions", draft);
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
        {changed && (
          <Field label={w.builder.saveAs}>
            <Choice
              value={over ? "over" : "new"}
              options={[...(mayChange ? ([["over", w.builder.newVersion(changed.name)]] as const) : []), ["new", w.builder.another] as const]}
              onChange={(to) => {
                setOver(to === "over");
                setName(to === "over" ? changed.name : builder ? suggested(builder) : "");
              }}
            />
          </Field>
        )}
        <Field label={w.common.name}>
          <Text required maxLength={200} autoFocus onFocus={(event) => event.target.select()} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label={w.common.description}>
          <textarea className="input" value={description} onChange={(event) => setDescription(event.target.value)} />
        </Field>
        <Field label={w.questions.sharing} hint={w.questions.sharingHint}>
          <Choice<Sharing> value={sharing} options={SHARINGS} onChange={setSharing} disabled={over && changed !== undefined && changed.owner !== person.name && !person.may.admin} />
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
