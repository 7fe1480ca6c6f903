/** Whose something is, and giving it to somebody else. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, get } from "../lib/api";
import { Button, Choice, Dialog, Field, Loaded, Trouble, useAct } from "../parts/basics";
import { toast } from "../parts/toasts";
import { words as w } from "../words";

export interface TableOwner {
  schema_name: string;
  table_name: string;
  owner: string;
}

/** Who owns the tables that one may read, as far as somebody does. */
export const useTableOwners = () =>
  useQuery({
    queryKey: ["owners"],
    queryFn: async ({ signal }) => (await get<{ tables: TableOwner[] }>("/api/v1/tables/owners", signal)).tables,
    staleTime: 30_000,
  });

/** Gives what `address` names to somebody; `name` is what people call it. */
export function GiveDialog({ address, name, owner, onClose }: { address: string; name: string; owner: string; onClose(): void }) {
  const queries = useQueryClient();
  const people = useQuery({ queryKey: ["people"], queryFn: async ({ signal }) => (await get<{ people: string[] }>("/api/v1/people", signal)).people });
  const [to, setTo] = useState(owner);
  const [busy, act, error] = useAct();
  const give = (event: FormEvent) => {
    event.preventDefault();
    void act(async () => {
      await api("PUT", address, { owner: to });
      await queries.invalidateQueries();
      toast(w.owners.given(name, to));
      onClose();
    });
  };
  return (
    <Dialog title={w.owners.title} onClose={onClose}>
      <form className="stack" onSubmit={give}>
        <p className="quiet">{w.owners.hint}</p>
        <Loaded of={people}>
          {(all) => (
            <Field label={w.owners.owner}>
              <Choice value={to} options={[...(all.includes(to) ? [] : [[to, to || w.common.none] as const]), ...all.map((one) => [one, one] as const)]} onChange={setTo} />
            </Field>
          )}
        </Loaded>
        {error !== null && <Trouble error={error} />}
        <div className="row">
          <Button look="main" type="submit" disabled={busy || to === owner || to === ""}>
            {w.owners.give}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}
