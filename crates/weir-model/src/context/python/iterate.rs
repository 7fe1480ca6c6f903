//! `itertools`. What is endless in Python needs an end here: everything is a list.

use weir_jinja::{Call, Error, ErrorKind, Function, Result, Value};

use super::module::Module;
use super::{type_error, value_error};

/// How many items one call may give.
const MOST: usize = 1_000_000;

type Body = fn(&mut Call<'_>) -> Result<Value>;

/// `modules.itertools`
pub(super) fn module() -> Value {
    let functions: [(&str, Body); 14] = [
        ("accumulate", accumulate),
        ("chain", chain),
        ("combinations", |call| choose(call, false)),
        ("combinations_with_replacement", |call| choose(call, true)),
        ("compress", compress),
        ("count", |call| {
            endless(call, "count", "loop over `range(...)`")
        }),
        ("cycle", |call| endless(call, "cycle", "use `cycler(...)`")),
        ("islice", islice),
        ("permutations", permutations),
        ("product", product),
        ("repeat", repeat),
        ("starmap", starmap),
        ("tee", tee),
        ("zip_longest", zip_longest),
    ];
    Module::value(
        functions
            .into_iter()
            .map(|(name, body)| (name, Function::value(name, body))),
    )
}

fn endless(_: &mut Call<'_>, name: &str, instead: &str) -> Result<Value> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("`itertools.{name}` never ends"),
    )
    .with_hint(instead))
}

/// Counts items that are to be made.
fn room(call: &mut Call<'_>, items: usize) -> Result<()> {
    if items > MOST {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("an iterator has more than {MOST} items"),
        ));
    }
    call.interpreter.charge(items as u64)
}

fn accumulate(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let function = call
        .optional("func")?
        .filter(|function| !function.is_none());
    let mut total = call
        .optional("initial")?
        .filter(|initial| !initial.is_none());
    call.finish()?;
    room(call, items.len())?;
    let names = call.names;
    let mut out: Vec<Value> = total.iter().cloned().collect();
    for item in items {
        let next = match (total, &function) {
            (None, _) => item,
            (Some(total), Some(function)) => call.call(function, vec![total, item].into())?,
            (Some(total), None) => {
                let both = Value::list([item]);
                let args = weir_jinja::Args::none().with("start", total);
                call.interpreter.filter("sum", both, args, names)?
            }
        };
        out.push(next.clone());
        total = Some(next);
    }
    Ok(Value::list(out))
}

fn chain(call: &mut Call<'_>) -> Result<Value> {
    let mut out = Vec::new();
    for part in call.rest() {
        out.extend(part.items()?);
        room(call, out.len())?;
    }
    call.finish()?;
    Ok(Value::list(out))
}

fn compress(call: &mut Call<'_>) -> Result<Value> {
    let (data, selectors) = (
        call.required("data")?.items()?,
        call.required("selectors")?.items()?,
    );
    call.finish()?;
    room(call, data.len())?;
    Ok(Value::list(
        data.into_iter()
            .zip(selectors)
            .filter(|(_, chosen)| chosen.is_true())
            .map(|(item, _)| item),
    ))
}

fn islice(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let mut bounds = Vec::new();
    for bound in call.rest() {
        bounds.push(match bound {
            Value::None => None,
            other => Some(
                other
                    .as_int()
                    .and_then(|bound| usize::try_from(bound).ok())
                    .ok_or_else(|| {
                        value_error("bounds of islice() must be None or integers from 0")
                    })?,
            ),
        });
    }
    call.finish()?;
    let (start, stop, step) = match bounds.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (start.unwrap_or(0), *stop, 1),
        [start, stop, step] => (start.unwrap_or(0), *stop, step.unwrap_or(1)),
        _ => return Err(type_error("islice expected 2 to 4 arguments")),
    };
    if step == 0 {
        return Err(value_error(
            "Step for islice() must be a positive integer or None.",
        ));
    }
    room(call, items.len())?;
    Ok(Value::list(
        items
            .into_iter()
            .take(stop.unwrap_or(usize::MAX))
            .skip(start)
            .step_by(step),
    ))
}

fn repeat(call: &mut Call<'_>) -> Result<Value> {
    let object = call.required("object")?;
    let Some(times) = call.optional_int("times")? else {
        return endless(call, "repeat", "say how often: `repeat(value, 3)`");
    };
    call.finish()?;
    let times = usize::try_from(times).unwrap_or(0);
    room(call, times)?;
    Ok(Value::list(std::iter::repeat_n(object, times)))
}

fn starmap(call: &mut Call<'_>) -> Result<Value> {
    let function = call.required("function")?;
    let items = call.required("iterable")?.items()?;
    call.finish()?;
    room(call, items.len())?;
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        out.push(call.call(&function, item.items()?.into())?);
    }
    Ok(Value::list(out))
}

fn tee(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let copies = usize::try_from(call.optional_int("n")?.unwrap_or(2)).unwrap_or(0);
    call.finish()?;
    room(call, items.len().saturating_mul(copies))?;
    Ok(Value::tuple(
        (0..copies).map(|_| Value::list(items.clone())),
    ))
}

fn zip_longest(call: &mut Call<'_>) -> Result<Value> {
    let fill = call.named("fillvalue").unwrap_or_default();
    let columns: Vec<Vec<Value>> = call
        .rest()
        .iter()
        .map(Value::items)
        .collect::<Result<_>>()?;
    call.finish()?;
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    room(call, rows.saturating_mul(columns.len()))?;
    Ok(Value::list((0..rows).map(|row| {
        Value::tuple(
            columns
                .iter()
                .map(|column| column.get(row).cloned().unwrap_or_else(|| fill.clone())),
        )
    })))
}

fn product(call: &mut Call<'_>) -> Result<Value> {
    let times = usize::try_from(
        call.named("repeat")
            .and_then(|times| times.as_int())
            .unwrap_or(1),
    )
    .unwrap_or(0);
    let given: Vec<Vec<Value>> = call
        .rest()
        .iter()
        .map(Value::items)
        .collect::<Result<_>>()?;
    call.finish()?;
    room(call, given.len().saturating_mul(times))?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for _ in 0..times {
        for column in &given {
            room(call, rows.len().saturating_mul(column.len()))?;
            rows = rows
                .iter()
                .flat_map(|row| {
                    column
                        .iter()
                        .map(|item| [row.as_slice(), std::slice::from_ref(item)].concat())
                })
                .collect();
        }
    }
    Ok(Value::list(rows.into_iter().map(Value::tuple)))
}

fn size(call: &mut Call<'_>, default: Option<usize>) -> Result<usize> {
    match (call.optional_int("r")?, default) {
        (Some(size), _) => usize::try_from(size).map_err(|_| value_error("r must be non-negative")),
        (None, Some(size)) => Ok(size),
        (None, None) => call.required("r").map(|_| 0),
    }
}

/// Positions in rising order, each once or as often as one likes.
fn choose(call: &mut Call<'_>, again: bool) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let size = size(call, None)?;
    call.finish()?;
    picked(call, &items, size, |chosen, at| {
        chosen
            .last()
            .is_none_or(|last| if again { *last <= at } else { *last < at })
    })
}

fn permutations(call: &mut Call<'_>) -> Result<Value> {
    let items = call.required("iterable")?.items()?;
    let size = size(call, Some(items.len()))?;
    call.finish()?;
    picked(call, &items, size, |chosen, at| !chosen.contains(&at))
}

/// All rows of positions, each of which may follow those chosen before it.
fn picked(
    call: &mut Call<'_>,
    items: &[Value],
    size: usize,
    may_follow: impl Fn(&[usize], usize) -> bool,
) -> Result<Value> {
    room(call, size)?;
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size {
        let mut longer = Vec::new();
        for row in &rows {
            room(call, longer.len() + items.len())?;
            for at in (0..items.len()).filter(|at| may_follow(row, *at)) {
                longer.push([row.as_slice(), &[at]].concat());
            }
        }
        rows = longer;
        if rows.is_empty() {
            break;
        }
    }
    Ok(Value::list(rows.into_iter().map(|row| {
        Value::tuple(row.into_iter().map(|at| items[at].clone()))
    })))
}
