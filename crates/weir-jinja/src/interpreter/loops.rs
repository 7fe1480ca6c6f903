//! Loops and what `loop` gives in them.

use std::{any::Any, sync::Arc};

use parking_lot::Mutex;

use super::{
    Context, Interpreter, ScopeRef,
    scope::Scope,
    statements::{Flow, Output},
};
use crate::{
    Call, Error, ErrorKind, List, Object, Result, Template, Undefined, Value,
    syntax::{LOOP, LoopNode},
    value::{Items, bury},
};

impl Interpreter {
    pub(crate) fn run_loop(
        &mut self,
        context: &Context<'_>,
        index: usize,
        output: &mut Output,
    ) -> Result<Flow> {
        let node = &context.template.0.ast.loops[index];
        let iterable = self.evaluate(context, node.iterable)?;
        let result = if node.uses_loop {
            self.tracked(context, index, &iterable, 0, output)
        } else {
            self.plain(context, node, &iterable, output)
        };
        result.map_err(|error| {
            let offset = context.template.0.ast.offsets[node.iterable as usize];
            error.placed(context.template, offset)
        })
    }

    /// A loop that never asks for `loop`.
    fn plain(
        &mut self,
        context: &Context<'_>,
        node: &LoopNode,
        iterable: &Value,
        output: &mut Output,
    ) -> Result<Flow> {
        let mut ran = false;
        let mut scope = Scope::inside(&context.scope);
        for item in iterable.iterate()? {
            self.charge(1)?;
            let turn = Self::renewed(context, &mut scope);
            self.assign(&turn, &node.target, item)?;
            if let Some(filter) = node.filter
                && !self.is_true(&turn, filter)?
            {
                continue;
            }
            match self.body(&turn, &node.body, output)? {
                Flow::Next => ran = true,
                Flow::Break => break,
                Flow::Continue => {}
            }
        }
        if ran {
            Ok(Flow::Next)
        } else {
            self.otherwise(context, node, output)
        }
    }

    /// What stands behind `else`. As in Jinja a turn that ended early does not count.
    fn otherwise(
        &mut self,
        context: &Context<'_>,
        node: &LoopNode,
        output: &mut Output,
    ) -> Result<Flow> {
        if node.otherwise.is_empty() {
            return Ok(Flow::Next);
        }
        self.body(&context.inner(), &node.otherwise, output)
    }

    /// A loop with `loop`.
    fn tracked(
        &mut self,
        context: &Context<'_>,
        index: usize,
        iterable: &Value,
        depth: usize,
        output: &mut Output,
    ) -> Result<Flow> {
        let node = &context.template.0.ast.loops[index];
        // A filter that must be known ahead runs for all items at once; else it runs as they come,
        // and sees what the turns before it did.
        let (source, filter) = match node.filter {
            Some(filter) if node.looks_ahead => {
                let items = self.picked(context, node, filter, iterable.items()?)?;
                (Items::Values(items.into_iter()), None)
            }
            filter => (iterable.iterate()?, filter),
        };
        let again = node.recursive.then(|| Again {
            template: context.template.clone(),
            index,
            scope: Arc::clone(&context.scope),
        });
        let turns = Arc::new(Loop::new(source, depth, again));
        let mut ran = false;
        let mut scope = Scope::inside(&context.scope);
        while let Some(item) = turns.take() {
            self.charge(1)?;
            let turn = Self::renewed(context, &mut scope);
            self.assign(&turn, &node.target, item.clone())?;
            if let Some(filter) = filter
                && !self.is_true(&turn, filter)?
            {
                continue;
            }
            turns.turn(item);
            turn.scope
                .set(LOOP, Value::Object(Arc::<Loop>::clone(&turns)));
            match self.body(&turn, &node.body, output)? {
                Flow::Next => ran = true,
                Flow::Break => break,
                Flow::Continue => {}
            }
        }
        if ran {
            Ok(Flow::Next)
        } else {
            self.otherwise(context, node, output)
        }
    }

    fn picked(
        &mut self,
        context: &Context<'_>,
        node: &LoopNode,
        filter: u32,
        items: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let mut picked = Vec::new();
        let mut scope = Scope::inside(&context.scope);
        for item in items {
            self.charge(1)?;
            let turn = Self::renewed(context, &mut scope);
            self.assign(&turn, &node.target, item.clone())?;
            if self.is_true(&turn, filter)? {
                picked.push(item);
            }
        }
        Ok(picked)
    }
}

/// What `loop` is.
struct Loop {
    state: Mutex<State>,
    depth: usize,
    /// What `changed` was last asked about.
    changed: List,
    again: Option<Again>,
}

struct State {
    source: Items,
    /// An item that was looked at before its turn.
    ahead: Option<Value>,
    previous: Option<Value>,
    current: Option<Value>,
    /// The number of turns so far.
    turns: usize,
    /// How many there are, once asked.
    length: Option<usize>,
}

/// What `loop(...)` runs.
struct Again {
    template: Template,
    index: usize,
    scope: ScopeRef,
}

impl std::fmt::Debug for Loop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loop")
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let mut items: Vec<Value> = [&mut state.ahead, &mut state.previous, &mut state.current]
            .into_iter()
            .filter_map(Option::take)
            .collect();
        match std::mem::replace(&mut state.source, Items::Values(Vec::new().into_iter())) {
            Items::List(list, _) => items.push(Value::List(list)),
            Items::Values(values) => items.extend(values),
        }
        bury(items);
    }
}

impl State {
    fn peek(&mut self) -> Option<&Value> {
        if self.ahead.is_none() {
            self.ahead = self.source.next();
        }
        self.ahead.as_ref()
    }

    fn length(&mut self) -> usize {
        let rest = match &self.source {
            Items::List(list, at) => list.len().saturating_sub(*at),
            Items::Values(values) => values.len(),
        };
        let now = self.turns + usize::from(self.ahead.is_some()) + rest;
        *self.length.get_or_insert(now)
    }
}

impl Loop {
    fn new(source: Items, depth: usize, again: Option<Again>) -> Self {
        let state = State {
            source,
            ahead: None,
            previous: None,
            current: None,
            turns: 0,
            length: None,
        };
        Self {
            state: Mutex::new(state),
            depth,
            changed: List::default(),
            again,
        }
    }

    /// The next item, which may not become a turn.
    fn take(&self) -> Option<Value> {
        let mut state = self.state.lock();
        state.ahead.take().or_else(|| state.source.next())
    }

    /// Begins the turn of an item.
    fn turn(&self, item: Value) {
        let mut state = self.state.lock();
        let current = state.current.replace(item);
        let old = std::mem::replace(&mut state.previous, current);
        state.turns += 1;
        drop(state);
        drop(old);
    }
}

impl Object for Loop {
    fn type_name(&self) -> &str {
        "LoopContext"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let missing =
            |which| Value::Undefined(Undefined::message(format!("there is no {which} item")));
        let mut state = self.state.lock();
        let turns = state.turns;
        // A list that shrinks meanwhile may have had more turns than it has items.
        let left = |state: &mut State| state.length() as i64 - turns as i64;
        Ok(Some(match name {
            "index" => Value::from(turns),
            "index0" => Value::from(turns.saturating_sub(1)),
            "revindex" => Value::from(left(&mut state) + 1),
            "revindex0" => Value::from(left(&mut state)),
            "first" => Value::from(turns == 1),
            "last" => Value::from(state.peek().is_none()),
            "length" => Value::from(state.length()),
            "depth" => Value::from(self.depth + 1),
            "depth0" => Value::from(self.depth),
            "previtem" => state
                .previous
                .clone()
                .unwrap_or_else(|| missing("previous")),
            "nextitem" => state.peek().cloned().unwrap_or_else(|| missing("next")),
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        match name {
            "cycle" => {
                let values = call.rest();
                if values.is_empty() {
                    return Err(Error::new(ErrorKind::Type, "no items for cycling given"));
                }
                let at = self.state.lock().turns.saturating_sub(1) % values.len();
                Ok(Some(values[at].clone()))
            }
            "changed" => {
                let asked = Value::tuple(call.rest());
                let changed = self.changed.get(0).is_none_or(|last| last != asked);
                let old = self
                    .changed
                    .change(|last| std::mem::replace(last, vec![asked]));
                drop(old);
                Ok(Some(Value::Bool(changed)))
            }
            _ => Ok(None),
        }
    }

    fn methods(&self) -> &[&str] {
        &["cycle", "changed"]
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let Some(again) = &self.again else {
            return Err(Error::new(
                ErrorKind::Type,
                "The loop must have the 'recursive' marker to be called recursively.",
            )
            .with_hint("write `{% for ... in ... recursive %}`"));
        };
        let iterable = call.required("iterable")?;
        let context = Context {
            template: &again.template,
            names: call.names,
            scope: Arc::clone(&again.scope),
        };
        let mut output = Output::default();
        call.interpreter.check_stack()?;
        call.interpreter.tracked(
            &context,
            again.index,
            &iterable,
            self.depth + 1,
            &mut output,
        )?;
        Ok(Value::from(output.text))
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn length(&self) -> Option<usize> {
        Some(self.state.lock().length())
    }

    fn repr(&self) -> String {
        let mut state = self.state.lock();
        let length = state.length();
        format!("<LoopContext {}/{length}>", state.turns)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
