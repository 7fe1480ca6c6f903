//! Loops and what `loop` gives in them.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Context, Interpreter, ScopeRef,
    scope::Scope,
    statements::{Flow, Output},
};
use crate::{
    Call, Error, ErrorKind, List, Object, Result, Template, Undefined, Value,
    syntax::{LOOP, LoopNode},
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
        let mut items = iterable.items()?;
        if let Some(filter) = node.filter {
            items = self.picked(context, node, filter, items)?;
        }
        let state = Arc::new(Loop {
            items,
            at: AtomicUsize::new(0),
            depth,
            changed: List::default(),
            again: node.recursive.then(|| Again {
                template: context.template.clone(),
                index,
                scope: Arc::clone(&context.scope),
            }),
        });
        let mut ran = false;
        let mut scope = Scope::inside(&context.scope);
        for (at, item) in state.items.iter().enumerate() {
            self.charge(1)?;
            state.at.store(at, Ordering::Relaxed);
            let turn = Self::renewed(context, &mut scope);
            self.assign(&turn, &node.target, item.clone())?;
            turn.scope
                .set(LOOP, Value::Object(Arc::<Loop>::clone(&state)));
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
    items: Vec<Value>,
    at: AtomicUsize,
    depth: usize,
    /// What `changed` was last asked about.
    changed: List,
    again: Option<Again>,
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

impl Loop {
    fn neighbour(&self, at: Option<usize>, which: &str) -> Value {
        at.and_then(|at| self.items.get(at).cloned())
            .unwrap_or_else(|| {
                Value::Undefined(Undefined::message(format!("there is no {which} item")))
            })
    }
}

impl Object for Loop {
    fn type_name(&self) -> &str {
        "LoopContext"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let at = self.at.load(Ordering::Relaxed);
        let length = self.items.len();
        Ok(Some(match name {
            "index" => Value::from(at + 1),
            "index0" => Value::from(at),
            "revindex" => Value::from(length - at),
            "revindex0" => Value::from(length - at - 1),
            "first" => Value::from(at == 0),
            "last" => Value::from(at + 1 == length),
            "length" => Value::from(length),
            "depth" => Value::from(self.depth + 1),
            "depth0" => Value::from(self.depth),
            "previtem" => self.neighbour(at.checked_sub(1), "previous"),
            "nextitem" => self.neighbour(Some(at + 1), "next"),
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
                let at = self.at.load(Ordering::Relaxed) % values.len();
                Ok(Some(values[at].clone()))
            }
            "changed" => {
                let values = call.rest();
                // A single None marks that something was asked: an empty list is the beginning.
                let asked = Value::tuple(values);
                let changed = self.changed.get(0).is_none_or(|last| last != asked);
                self.changed.change(|last| *last = vec![asked]);
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
        Some(self.items.len())
    }

    fn repr(&self) -> String {
        format!(
            "<LoopContext {}/{}>",
            self.at.load(Ordering::Relaxed) + 1,
            self.items.len()
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
