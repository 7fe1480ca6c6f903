//! Variables of templates.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::{UndefinedPolicy, Value, syntax::Symbol, value::bury};

/// A scope that macros defined in it hold on to.
pub(crate) type ScopeRef = Arc<Scope>;

/// The variables set in one body, and the scope around it. All scopes in a row are of one template,
/// so its symbols name the variables.
pub(crate) struct Scope {
    variables: RwLock<Vec<(Symbol, Value)>>,
    outer: Option<ScopeRef>,
    policy: UndefinedPolicy,
}

impl Drop for Scope {
    fn drop(&mut self) {
        let variables = std::mem::take(self.variables.get_mut());
        if !variables.is_empty() {
            bury(variables.into_iter().map(|(_, value)| value).collect());
        }
    }
}

impl Scope {
    pub(crate) fn outermost(policy: UndefinedPolicy) -> ScopeRef {
        Arc::new(Self {
            variables: RwLock::default(),
            outer: None,
            policy,
        })
    }

    pub(crate) fn inside(outer: &ScopeRef) -> ScopeRef {
        Arc::new(Self {
            variables: RwLock::default(),
            policy: outer.policy,
            outer: Some(Arc::clone(outer)),
        })
    }

    pub(crate) fn policy(&self) -> UndefinedPolicy {
        self.policy
    }

    pub(crate) fn set(&self, symbol: Symbol, value: Value) {
        let mut variables = self.variables.write();
        let old = match variables.iter_mut().find(|(own, _)| *own == symbol) {
            Some((_, own)) => Some(std::mem::replace(own, value)),
            None => {
                variables.push((symbol, value));
                None
            }
        };
        // What was there may own a scope: it must not be dropped under the lock.
        drop(variables);
        drop(old);
    }

    pub(crate) fn find(&self, symbol: Symbol) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some((_, value)) = scope
                .variables
                .read()
                .iter()
                .find(|(own, _)| *own == symbol)
            {
                return Some(value.clone());
            }
            scope = scope.outer.as_deref()?;
        }
    }

    /// Forgets the variables, for the next turn of a loop; a scope that a macro or a call block
    /// still holds is replaced instead.
    pub(crate) fn renew(scope: &mut ScopeRef) {
        match Arc::get_mut(scope) {
            Some(own) => {
                let variables = own.variables.get_mut();
                if variables.len() <= 4 {
                    variables.clear();
                } else {
                    bury(
                        std::mem::take(variables)
                            .into_iter()
                            .map(|(_, value)| value)
                            .collect(),
                    );
                }
            }
            None => {
                let fresh = Self {
                    variables: RwLock::default(),
                    outer: scope.outer.clone(),
                    policy: scope.policy,
                };
                *scope = Arc::new(fresh);
            }
        }
    }
}
