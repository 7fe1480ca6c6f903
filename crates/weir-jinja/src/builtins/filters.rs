//! The table of filters.

use super::{
    aggregate as a, encode as e, numbers as n, select as p, sequences as s, words as w, wrap,
};
use crate::{Call, Result, Value};

/// A filter: what is filtered is the first argument.
pub(crate) type Filter = fn(&mut Call<'_>) -> Result<Value>;

/// By name, in order.
const FILTERS: &[(&str, Filter)] = &[
    ("abs", n::abs),
    ("as_bool", w::as_bool),
    ("as_native", w::as_native),
    ("as_number", w::as_number),
    ("as_text", w::as_text),
    ("attr", p::attr),
    ("batch", s::batch),
    ("capitalize", w::capitalize),
    ("center", w::center),
    ("count", s::length),
    ("d", w::default),
    ("default", w::default),
    ("dictsort", s::dictsort),
    ("e", e::escape),
    ("escape", e::escape),
    ("filesizeformat", n::filesizeformat),
    ("first", s::first),
    ("float", n::float),
    ("forceescape", e::escape),
    ("format", w::format),
    ("groupby", a::groupby),
    ("indent", wrap::indent),
    ("int", n::int),
    ("is_list", w::is_list),
    ("items", s::items),
    ("join", s::join),
    ("last", s::last),
    ("length", s::length),
    ("list", s::list),
    ("lower", w::lower),
    ("map", p::map),
    ("max", a::max),
    ("min", a::min),
    ("pprint", w::pprint),
    ("random", s::random),
    ("reject", p::reject),
    ("rejectattr", p::rejectattr),
    ("replace", w::replace),
    ("reverse", s::reverse),
    ("round", n::round),
    ("safe", w::string),
    ("select", p::select),
    ("selectattr", p::selectattr),
    ("slice", s::slice),
    ("sort", s::sort),
    ("string", w::string),
    ("striptags", e::striptags),
    ("sum", a::sum),
    ("title", w::title),
    ("tojson", e::tojson),
    ("trim", w::trim),
    ("truncate", wrap::truncate),
    ("unique", a::unique),
    ("upper", w::upper),
    ("urlencode", e::urlencode),
    ("wordcount", w::wordcount),
    ("wordwrap", wrap::wordwrap),
    ("xmlattr", e::xmlattr),
];

pub(crate) fn filter(name: &str) -> Option<Filter> {
    let at = FILTERS.binary_search_by(|(own, _)| (*own).cmp(name)).ok()?;
    Some(FILTERS[at].1)
}

pub(crate) fn filter_names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_filter_is_found() {
        for (name, _) in FILTERS {
            assert!(filter(name).is_some(), "{name} is out of order");
        }
    }
}
