/** The SQL editor. */

import { autocompletion, closeBrackets, closeCompletion, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { PostgreSQL, schemaCompletionSource, keywordCompletionSource, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { type RefObject, useEffect, useImperativeHandle, useRef } from "react";
import { words as w } from "../words";
import { type Catalogue, completeColumns } from "./completion";

export interface EditorHandle {
  /** The selected text, or else nothing; and where the cursor is. */
  selection(): { text: string; from: number; at: number };
  /** Marks the place of a mistake, counted from `from`. */
  mark(from: number, line: number, column: number, message: string): void;
  clearMarks(): void;
  insert(text: string): void;
  focus(): void;
}

interface Props {
  value: string;
  catalogue: Catalogue;
  functions: string[];
  schema: string;
  onChange(value: string): void;
  onRun(): void;
  handle: RefObject<EditorHandle | null>;
  readOnly?: boolean;
}

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "light-dark(#0b5f8a, #7cc7ee)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "light-dark(#1a6b3c, #8fd6a8)" },
  { tag: tags.number, color: "light-dark(#8a3b00, #f0b07a)" },
  { tag: [tags.lineComment, tags.blockComment], color: "light-dark(#5d6773, #93a0ad)", fontStyle: "italic" },
  { tag: tags.typeName, color: "light-dark(#7a3a7f, #d9a4de)" },
  { tag: [tags.null, tags.bool], color: "light-dark(#8a3b00, #f0b07a)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "13.5px", backgroundColor: "var(--sheet)", color: "var(--ink)" },
  ".cm-content": { fontFamily: "var(--mono)", padding: "10px 0", caretColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--quiet)", border: "0", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 7%, transparent)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--select) !important" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "6px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--quiet)", fontStyle: "normal" },
  ".cm-placeholder": { color: "var(--quiet)" },
});

function language(catalogue: Catalogue, functions: string[], schema: string) {
  const named = functions.map((name) => ({ label: name, type: "function", apply: `${name}(`, boost: -1 }));
  const columns = completeColumns(catalogue, schema);
  const names = Object.fromEntries(Object.entries(catalogue).map(([name, inside]) => [name, Object.fromEntries(Object.entries(inside).map(([table, all]) => [table, all.map((column) => column.name)]))]));
  const tables = schemaCompletionSource({ dialect: PostgreSQL, schema: names, defaultSchema: schema in catalogue ? schema : "main" });
  return [
    sql({ dialect: PostgreSQL }),
    autocompletion({
      icons: false,
      override: [
        columns,
        // Behind the name of a table of the statement, its columns are all there is to say.
        (context) => (context.matchBefore(/\.[\p{L}\p{N}_$]*/u) && columns(context) ? null : tables(context)),
        keywordCompletionSource(PostgreSQL, false),
        (context) => {
          const word = context.matchBefore(/\w+/);
          return word && word.from !== word.to ? { from: word.from, options: named, validFor: /^\w*$/ } : null;
        },
      ],
    }),
  ];
}

export default function Editor({ value, catalogue, functions, schema, onChange, onRun, handle, readOnly }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const known = useRef(new Compartment());
  const calls = useRef({ onChange, onRun });
  calls.current = { onChange, onRun };

  useEffect(() => {
    const parent = box.current;
    if (!parent) return;
    const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content;
    const go = (at: EditorView) => {
      closeCompletion(at);
      calls.current.onRun();
      return true;
    };
    const made = new EditorView({
      parent,
      state: EditorState.create({
        doc: value,
        extensions: [
          nonce ? EditorView.cspNonce.of(nonce) : [],
          keymap.of([
            { key: "Mod-Enter", run: go },
            { key: "Shift-Enter", run: go },
          ]),
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          lintGutter(),
          syntaxHighlighting(colours),
          look,
          placeholder("select …"),
          // Tab moves on unless something is chosen or selected: nobody is caught in the editor.
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, { key: "Ctrl-]", run: indentWithTab.run }]),
          known.current.of(language(catalogue, functions, schema)),
          EditorState.readOnly.of(readOnly ?? false),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": w.ask.editor, spellcheck: "false" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
    // The editor is made once; what changes later reaches it below.
  }, []);

  useEffect(() => {
    const made = view.current;
    if (made && made.state.doc.toString() !== value) {
      made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: value } });
    }
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: known.current.reconfigure(language(catalogue, functions, schema)) });
  }, [catalogue, functions, schema]);

  useImperativeHandle(handle, () => ({
    selection: () => {
      const state = view.current?.state;
      if (!state) return { text: "", from: 0, at: 0 };
      const { from, to, head } = state.selection.main;
      return { text: state.sliceDoc(from, to), from, at: head };
    },
    mark: (from, line, column, message) => {
      const made = view.current;
      if (!made) return;
      const { doc } = made.state;
      const start = doc.lineAt(Math.min(from, doc.length));
      const number = Math.min(doc.lines, start.number + line - 1);
      const row = doc.line(number);
      // The first line counts from where the statement begins.
      const at = Math.min(row.to, row.from + Math.max(0, column - 1) + (line === 1 ? from - start.from : 0));
      const word = /^[\w".]+/.exec(doc.sliceString(at, row.to))?.[0].length ?? 1;
      const found: Diagnostic = { from: at, to: Math.min(row.to, at + word), severity: "error", message };
      made.dispatch(setDiagnostics(made.state, [found]));
      made.dispatch({ effects: EditorView.scrollIntoView(at) });
    },
    clearMarks: () => {
      const made = view.current;
      if (!made) return;
      closeCompletion(made);
      made.dispatch(setDiagnostics(made.state, []));
    },
    insert: (text) => {
      const made = view.current;
      made?.dispatch(made.state.replaceSelection(text));
    },
    focus: () => view.current?.focus(),
  }));
  return <div className="editor" ref={box} style={{ height: "100%" }} />;
}
