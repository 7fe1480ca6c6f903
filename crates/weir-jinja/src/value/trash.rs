//! Drops deeply nested values without using up the stack.
//!
//! A list in a list in a list, a hundred thousand deep, takes one stack frame per level to drop.
//! Containers therefore hand their contents over here, and beyond a few levels they wait until the
//! outermost drop has returned.

use std::cell::RefCell;

use super::Value;

const DIRECT_LEVELS: u32 = 32;

struct Trash {
    level: u32,
    waiting: Vec<Vec<Value>>,
}

thread_local! {
    static TRASH: RefCell<Trash> = const { RefCell::new(Trash { level: 0, waiting: Vec::new() }) };
}

/// Drops the contents of a container now, or after the outermost container being dropped.
pub(crate) fn bury(contents: Vec<Value>) {
    if contents.is_empty() {
        return;
    }
    let mut contents = Some(contents);
    // While the thread ends its trash may be gone: what is dropped then is dropped directly.
    let entered = TRASH.try_with(|trash| {
        let mut trash = trash.borrow_mut();
        if trash.level >= DIRECT_LEVELS {
            trash.waiting.extend(contents.take());
            return false;
        }
        trash.level += 1;
        true
    });
    drop(contents);
    if entered != Ok(true) {
        return;
    }
    let _ = TRASH.try_with(|trash| {
        loop {
            let mut inner = trash.borrow_mut();
            if inner.level > 1 {
                inner.level -= 1;
                return;
            }
            let Some(next) = inner.waiting.pop() else {
                inner.level = 0;
                return;
            };
            drop(inner);
            drop(next);
        }
    });
}
