use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::bounded::check_repeated;

/// The largest value that is written out for each of a batch's rows, and more.
const LARGEST: u64 = 32 << 20;

/// What the types of the arguments become, or why they do not fit.
pub(super) type Coerce = fn(&[DataType]) -> Result<Vec<DataType>>;
/// The type of the answer, from those of the arguments.
pub(super) type Returns = fn(&[DataType]) -> Result<DataType>;
/// Computes the answer for all rows.
pub(super) type Compute = fn(&Call) -> Result<ArrayRef>;

/// One call: the arguments of all rows.
pub(super) struct Call {
    pub(super) args: Vec<ArrayRef>,
    pub(super) rows: usize,
    /// The session's zone.
    pub(super) zone: String,
    pub(super) returns: DataType,
}

/// A function of ours.
#[derive(Debug)]
pub(super) struct Native {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    /// How many arguments it takes; `coerce` may allow fewer.
    arity: RangeInclusive<usize>,
    coerce: Coerce,
    returns: Returns,
    compute: Compute,
}

impl Native {
    pub(super) fn new(
        name: &'static str,
        coerce: Coerce,
        returns: Returns,
        compute: Compute,
    ) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            signature: Signature::user_defined(Volatility::Immutable),
            arity: 1..=usize::MAX,
            coerce,
            returns,
            compute,
        }
    }

    pub(super) fn alias(mut self, alias: &str) -> Self {
        self.aliases.push(alias.to_owned());
        self
    }

    /// It takes so many arguments, instead of one or more.
    pub(super) fn takes(mut self, arity: RangeInclusive<usize>) -> Self {
        self.arity = arity;
        self
    }

    /// The answer depends on the session or the moment.
    pub(super) fn stable(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Stable);
        self
    }
}

// There is one function of a name.
impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Native {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wrong = || exec_err!("{} does not take {} arguments", self.name, types.len());
        if !self.arity.contains(&types.len()) {
            return wrong();
        }
        let coerced = (self.coerce)(types)?;
        match coerced.len() == types.len() {
            true => Ok(coerced),
            false => wrong(),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.returns)(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        compute(&args, self.compute)
    }
}

/// Computes the rows of a call, or the one value of a call with constants only.
pub(super) fn compute(args: &ScalarFunctionArgs, compute: Compute) -> Result<ColumnarValue> {
    let constant = args
        .args
        .iter()
        .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    for arg in &args.args {
        check_repeated("the function", arg, rows, LARGEST)?;
    }
    let call = Call {
        args: args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<_>>()?,
        rows,
        zone: args
            .config_options
            .execution
            .time_zone
            .clone()
            .unwrap_or_else(|| "UTC".to_owned()),
        returns: args.return_field.data_type().clone(),
    };
    let answer = compute(&call)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            &answer, 0,
        )?));
    }
    Ok(ColumnarValue::Array(answer))
}
