//! Generated projects: after each change a build leaves exactly the rows that are computed here, without SQL.
//! What is left out because it cannot have changed is therefore never out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::{Days, NaiveDate};
use serde_json::Value;

use super::project::Project;
use crate::env::stdout;

const SEEDS: usize = 4;
const MODELS: usize = 40;

#[test]
fn nothing_left_out_is_out_of_date_1() {
    builds_agree(1);
}

#[test]
fn nothing_left_out_is_out_of_date_2() {
    builds_agree(2);
}

#[test]
fn nothing_left_out_is_out_of_date_3() {
    builds_agree(3);
}

/// Builds a project, changes it again and again, and compares all rows with those computed here.
fn builds_agree(seed: u64) {
    let mut numbers = Numbers(seed);
    let mut plan = Plan::new(&mut numbers);
    let project = Project::new(&[]);
    let mut state = State::default();
    plan.write(&project);
    // The second time `is_incremental()` holds, which changes the code of models that ask for it.
    for _ in 0..2 {
        plan.build(&mut state);
        check(&project, &plan, &state, &[]);
    }
    for round in 0..4 {
        let changed = match round % 3 {
            0 => plan.change_row(&mut numbers),
            1 => plan.change_model(&mut numbers),
            _ => plan.add_or_remove_row(&mut numbers),
        };
        plan.write(&project);
        plan.build(&mut state);
        let mut built = check(&project, &plan, &state, &[]);
        assert!(built.contains_key(&changed), "{changed} was changed");
        let affected = plan.affected(&changed);
        built.retain(|name, _| !affected.contains(name));
        assert!(
            built.is_empty(),
            "{changed} was changed, and these were built: {built:#?}"
        );
    }
    check(&project, &plan, &state, &["--force"]);
}

/// Builds, and compares rows and outcomes. Returns what was not left out, and why.
fn check(
    project: &Project,
    plan: &Plan,
    state: &State,
    arguments: &[&str],
) -> BTreeMap<String, String> {
    let output = project.succeeds(&[&["build", "--json"], arguments].concat());
    let (found, wanted) = (rows_of(project, plan), plan.wanted(state));
    for (name, wanted) in &wanted {
        assert_eq!(&found[name], wanted, "{name}: {}", plan.text_of(name));
    }
    let results = project.artifact("run_results.json");
    let tests = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|result| {
            let (test, _) = result["unique_id"]
                .as_str()?
                .strip_prefix("test.shop.")?
                .rsplit_once('.')?;
            let status = result["status"].as_str()?.to_owned();
            Some((test.to_owned(), (status, result["failures"].as_u64()?)))
        });
    assert_eq!(tests.collect::<BTreeMap<_, _>>(), plan.outcomes(state));
    let lines = stdout(&output);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let built = lines
        .filter(|line| line["reused"] == false)
        .filter_map(|line| {
            let (kind, name) = line["node"].as_str()?.split_once(".shop.")?;
            let reason = line["reason"].as_str().unwrap_or_default();
            ["model", "seed"]
                .contains(&kind)
                .then(|| (name.to_owned(), reason.to_owned()))
        });
    built.collect()
}

/// Reads all relations in one statement, every value as text.
fn rows_of(project: &Project, plan: &Plan) -> BTreeMap<String, Vec<Texts>> {
    let relations = plan.relations();
    let select = |(name, columns): &(String, &[&str])| {
        let values: Vec<_> = columns
            .iter()
            .map(|column| format!("{column}::text"))
            .collect();
        format!(
            "select '{name}', make_array({}) from main.{name}",
            values.join(", ")
        )
    };
    let selects: Vec<_> = relations.iter().map(select).collect();
    let names = relations.into_iter().map(|(name, _)| (name, vec![]));
    let mut rows: BTreeMap<String, Vec<Texts>> = names.collect();
    for row in project
        .rows(&selects.join(" union all "))
        .as_array()
        .unwrap()
    {
        let values = row[1].as_array().unwrap().iter();
        let values = values
            .map(|value| value.as_str().map(str::to_owned))
            .collect();
        rows.get_mut(row[0].as_str().unwrap()).unwrap().push(values);
    }
    rows.values_mut().for_each(|rows| rows.sort());
    rows
}

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.one_in(6)).then(|| value(self))
    }
}

/// A row of seeds, and of all models that are no summary. Of one id, the greatest is the newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    id: i64,
    cents: Option<i128>,
    day: Option<NaiveDate>,
    name: Option<String>,
    flag: Option<bool>,
}

type Texts = Vec<Option<String>>;

const COLUMNS: [&str; 5] = ["id", "amount", "day", "name", "flag"];
const SUMMARY: [&str; 5] = ["rows", "names", "total", "first_day", "flagged"];
const NAMES: [&str; 6] = ["ada", "bob", "Zoë", "o'neil, \"x\"", "a b", "007x"];

fn day(numbers: &mut Numbers) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap() + Days::new(numbers.below(90) as u64)
}

fn money(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

impl Row {
    fn new(id: i64, numbers: &mut Numbers) -> Self {
        Self {
            id,
            cents: numbers.maybe(|numbers| numbers.below(200_000) as i128 - 50_000),
            day: numbers.maybe(day),
            name: numbers.maybe(|numbers| numbers.of(&NAMES).to_owned()),
            flag: numbers.maybe(|numbers| numbers.one_in(2)),
        }
    }

    fn texts(&self) -> Texts {
        vec![
            Some(self.id.to_string()),
            self.cents.map(money),
            self.day.map(|day| day.to_string()),
            self.name.clone(),
            self.flag.map(|flag| flag.to_string()),
        ]
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    View,
    Table,
    MaterializedView,
    Ephemeral,
    /// Incremental by key; the rows of keys that are gone stay.
    Merge,
    DeleteInsert,
    /// Incremental: only rows with an id beyond those that are there.
    Append,
}

#[derive(Clone, Copy, Debug)]
enum Filter {
    Flagged,
    AmountAbove(i128),
    Before(NaiveDate),
    Named,
    NotThird(i64),
}

/// What a model selects. What it reads is named by its place: seeds come first, then models.
#[derive(Clone, Copy, Debug)]
enum Query {
    Where(usize, Filter),
    Changed {
        from: usize,
        times: i128,
        days: u64,
    },
    Both {
        one: usize,
        other: usize,
        apart: i64,
    },
    Joined {
        to: usize,
        with: usize,
    },
    PerName(usize),
    PerId(usize),
    Newest(usize),
    Summary(usize),
}

impl Query {
    fn reads(&self) -> Vec<usize> {
        match *self {
            Self::Where(from, _)
            | Self::Changed { from, .. }
            | Self::PerName(from)
            | Self::PerId(from)
            | Self::Newest(from)
            | Self::Summary(from) => vec![from],
            Self::Both { one, other, .. } => vec![one, other],
            Self::Joined { to, with } => vec![to, with],
        }
    }
}

struct Model {
    query: Query,
    kind: Kind,
    /// Whether no two rows have one id.
    unique: bool,
}

struct Plan {
    seeds: Vec<Vec<Row>>,
    models: Vec<Model>,
}

/// The rows that a build leaves, by the places of seeds and models.
#[derive(Default)]
struct State {
    rows: Vec<Vec<Row>>,
}

impl Plan {
    fn new(numbers: &mut Numbers) -> Self {
        let seed = |numbers: &mut Numbers| (1..=30).map(|id| Row::new(id, numbers)).collect();
        let mut plan = Self {
            seeds: (0..SEEDS).map(|_| seed(numbers)).collect(),
            models: Vec::new(),
        };
        while plan.models.len() < MODELS {
            let model = plan.model(numbers);
            plan.models.push(model);
        }
        plan
    }

    fn model(&self, numbers: &mut Numbers) -> Model {
        let there = SEEDS + self.models.len();
        let is_source =
            |at: &usize| *at < SEEDS || !matches!(self.models[at - SEEDS].query, Query::Summary(_));
        let sources: Vec<usize> = (0..there).filter(is_source).collect();
        // Late ones more often, so that there are chains.
        let source = |numbers: &mut Numbers| match numbers.one_in(2) {
            true => *sources
                .iter()
                .rev()
                .nth(numbers.below(4.min(sources.len())))
                .unwrap(),
            false => numbers.of(&sources),
        };
        let from = source(numbers);
        let query = match numbers.below(9) {
            0 | 1 => Query::Where(
                from,
                match numbers.below(5) {
                    0 => Filter::Flagged,
                    1 => Filter::AmountAbove(numbers.below(20_000) as i128),
                    2 => Filter::Before(day(numbers)),
                    3 => Filter::Named,
                    _ => Filter::NotThird(numbers.below(3) as i64),
                },
            ),
            2 | 3 => Query::Changed {
                from,
                times: numbers.below(4) as i128 - 1,
                days: numbers.below(40) as u64,
            },
            4 => Query::Both {
                one: from,
                other: source(numbers),
                apart: numbers.below(50) as i64,
            },
            5 => Query::Joined {
                to: from,
                with: source(numbers),
            },
            6 => Query::PerName(from),
            7 => match numbers.one_in(2) {
                true => Query::PerId(from),
                false => Query::Newest(from),
            },
            _ => Query::Summary(from),
        };
        let unique = match query {
            Query::PerId(_) | Query::Newest(_) => true,
            Query::Both { .. } | Query::Summary(_) => false,
            Query::Where(from, _)
            | Query::Changed { from, .. }
            | Query::PerName(from)
            | Query::Joined { to: from, .. } => from < SEEDS || self.models[from - SEEDS].unique,
        };
        let kinds = [
            Kind::View,
            Kind::View,
            Kind::Table,
            Kind::Table,
            Kind::Ephemeral,
            Kind::MaterializedView,
            Kind::Merge,
            Kind::DeleteInsert,
            Kind::Append,
        ];
        let kind = match (&query, unique) {
            (Query::Summary(_), _) => numbers.of(&[Kind::View, Kind::Table]),
            (_, true) => numbers.of(&kinds),
            (_, false) => numbers.of(&kinds[..6]),
        };
        Model {
            query,
            kind,
            unique,
        }
    }

    fn name(at: usize) -> String {
        match at.checked_sub(SEEDS) {
            None => format!("seed_{at}"),
            Some(model) => format!("model_{model}"),
        }
    }

    fn change_row(&mut self, numbers: &mut Numbers) -> String {
        let seed = numbers.below(SEEDS);
        let rows = self.seeds[seed].len();
        let row = &mut self.seeds[seed][numbers.below(rows)];
        let old = row.clone();
        while *row == old {
            *row = Row::new(row.id, numbers);
        }
        Self::name(seed)
    }

    fn add_or_remove_row(&mut self, numbers: &mut Numbers) -> String {
        let seed = numbers.below(SEEDS);
        match numbers.one_in(2) {
            true => {
                let at = numbers.below(self.seeds[seed].len());
                self.seeds[seed].remove(at);
            }
            false => {
                let id = self.seeds[seed].iter().map(|row| row.id).max().unwrap_or(0) + 1;
                self.seeds[seed].push(Row::new(id, numbers));
            }
        }
        Self::name(seed)
    }

    /// Changes what a model computes, or turns a view into a table and back.
    fn change_model(&mut self, numbers: &mut Numbers) -> String {
        loop {
            let at = numbers.below(MODELS);
            let model = &mut self.models[at];
            match (&mut model.query, model.kind) {
                // Nothing of its own would be built.
                (_, Kind::Ephemeral) => continue,
                (Query::Changed { times, .. }, _) => *times += 1,
                (Query::Both { apart, .. }, _) => *apart += 1,
                (_, Kind::View) => model.kind = Kind::Table,
                (_, Kind::Table) => model.kind = Kind::View,
                _ => continue,
            }
            return Self::name(SEEDS + at);
        }
    }

    /// Returns a node and all that rests on it.
    fn affected(&self, changed: &str) -> BTreeSet<String> {
        let mut affected = BTreeSet::from([changed.to_owned()]);
        for (at, model) in (SEEDS..).zip(&self.models) {
            let mut reads = model.query.reads().into_iter().map(Self::name);
            if reads.any(|read| affected.contains(&read)) {
                affected.insert(Self::name(at));
            }
        }
        affected
    }

    fn write(&self, project: &Project) {
        let mut yml = "seeds:\n".to_owned();
        for (at, rows) in self.seeds.iter().enumerate() {
            let mut csv = COLUMNS.join(",") + "\n";
            for row in rows {
                let quoted = |text: String| match text.contains(['"', ',']) {
                    true => format!("\"{}\"", text.replace('"', "\"\"")),
                    false => text,
                };
                let values: Vec<_> = row
                    .texts()
                    .into_iter()
                    .map(|text| text.map_or_else(String::new, quoted))
                    .collect();
                csv += &(values.join(",") + "\n");
            }
            project.write(&format!("seeds/{}.csv", Self::name(at)), &csv);
            let name = Self::name(at);
            writeln!(
                yml,
                "  - name: {name}\n    config: {{column_types: {{amount: 'numeric(12, 2)'}}}}"
            )
            .unwrap();
        }
        project.write("seeds/seeds.yml", &yml);
        let mut yml = "models:\n".to_owned();
        for (at, model) in (SEEDS..).zip(&self.models) {
            let name = Self::name(at);
            project.write(&format!("models/{name}.sql"), &self.text_of(&name));
            if matches!(model.query, Query::Summary(_)) {
                continue;
            }
            let unique = if model.unique { "unique, " } else { "" };
            write!(
                yml,
                "  - name: {name}\n    columns:\n      - name: id\n        data_tests: [{unique}not_null]\n      \
                 - name: name\n        data_tests:\n          - not_null: {{config: {{severity: warn}}}}\n"
            )
            .unwrap();
        }
        project.write("models/models.yml", &yml);
    }

    /// Returns a node's SQL.
    fn text_of(&self, name: &str) -> String {
        let Some(at) = name.strip_prefix("model_") else {
            return String::new();
        };
        let model = &self.models[at.parse::<usize>().unwrap()];
        let from = |at: usize| format!("{{{{ ref('{}') }}}}", Self::name(at));
        let columns = COLUMNS.join(", ");
        let select = match model.query {
            Query::Where(at, filter) => {
                let filter = match filter {
                    Filter::Flagged => "flag".to_owned(),
                    Filter::AmountAbove(cents) => format!("amount > {}", money(cents)),
                    Filter::Before(day) => format!("day < date '{day}'"),
                    Filter::Named => "name is not null".to_owned(),
                    Filter::NotThird(rest) => format!("id % 3 <> {rest}"),
                };
                format!("select {columns} from {} where {filter}", from(at))
            }
            Query::Changed {
                from: at,
                times,
                days,
            } => format!(
                "select id, amount * {times} as amount, day + {days} as day, upper(name) as name, not flag as flag from {}",
                from(at)
            ),
            Query::Both { one, other, apart } => format!(
                "select {columns} from {}\nunion all\nselect id + {apart}, amount, day, name, flag from {}",
                from(one),
                from(other)
            ),
            Query::Joined { to, with } => format!(
                "with other as (\n    select id, sum(amount) as amount, max(name) as name from {} group by id\n)\n\
                 select a.id, a.amount + coalesce(other.amount, 0) as amount, a.day, coalesce(other.name, a.name) as name, \
                 other.id is not null as flag\nfrom {} a left join other on other.id = a.id",
                from(with),
                from(to)
            ),
            Query::PerName(at) => format!(
                "select min(id) as id, sum(amount) as amount, max(day) as day, name, bool_or(flag) as flag from {} group by name",
                from(at)
            ),
            Query::PerId(at) => format!(
                "select id, sum(amount) as amount, min(day) as day, max(name) as name, bool_and(flag) as flag from {} group by 1",
                from(at)
            ),
            Query::Newest(at) => format!(
                "select {columns} from (\n    select *, row_number() over (partition by id order by amount desc nulls last, \
                 day desc nulls last, name desc nulls last, flag desc nulls last) as place from {}\n) ranked where place = 1",
                from(at)
            ),
            Query::Summary(at) => format!(
                "select count(*) as rows, count(distinct name) as names, sum(amount) as total, min(day) as first_day, \
                 count(*) filter (where flag) as flagged from {}",
                from(at)
            ),
        };
        let config = match model.kind {
            Kind::View => "materialized='view'",
            Kind::Table => "materialized='table'",
            Kind::MaterializedView => "materialized='materialized_view'",
            Kind::Ephemeral => "materialized='ephemeral'",
            Kind::Merge => {
                "materialized='incremental', unique_key='id', incremental_strategy='merge'"
            }
            Kind::DeleteInsert => "materialized='incremental', unique_key='id'",
            Kind::Append => "materialized='incremental'",
        };
        let head = format!("{{{{ config({config}) }}}}\n");
        match model.kind {
            Kind::Append => format!(
                "{head}select * from (\n{select}\n) everything\n{{% if is_incremental() %}}\nwhere id > (select max(id) from {{{{ this }}}})\n{{% endif %}}\n"
            ),
            _ => format!("{head}{select}\n"),
        }
    }

    /// Computes what a build leaves, from the seeds and from what the one before has left.
    fn build(&self, state: &mut State) {
        let mut rows = self.seeds.clone();
        for (at, model) in (SEEDS..).zip(&self.models) {
            let selected = selected(model.query, &rows);
            let kept = match (model.kind, state.rows.get(at)) {
                (Kind::Merge | Kind::DeleteInsert, Some(before)) => {
                    let keys: BTreeSet<i64> = selected.iter().map(|row| row.id).collect();
                    let kept = before.iter().filter(|row| !keys.contains(&row.id));
                    kept.cloned().chain(selected).collect()
                }
                (Kind::Append, Some(before)) => {
                    let newest = before.iter().map(|row| row.id).max();
                    let new = selected
                        .into_iter()
                        .filter(|row| newest.is_some_and(|newest| row.id > newest));
                    before.iter().cloned().chain(new).collect()
                }
                _ => selected,
            };
            rows.push(kept);
        }
        state.rows = rows;
    }

    /// Returns the relations with their columns: all but what is ephemeral.
    fn relations(&self) -> Vec<(String, &'static [&'static str])> {
        let seeds = (0..SEEDS).map(|at| (Self::name(at), &COLUMNS[..]));
        let models = (SEEDS..).zip(&self.models);
        let models = models.filter(|(_, model)| model.kind != Kind::Ephemeral);
        let models = models.map(|(at, model)| match model.query {
            Query::Summary(_) => (Self::name(at), &SUMMARY[..]),
            _ => (Self::name(at), &COLUMNS[..]),
        });
        seeds.chain(models).collect()
    }

    /// Returns the rows of all relations as text.
    fn wanted(&self, state: &State) -> BTreeMap<String, Vec<Texts>> {
        let mut wanted = BTreeMap::new();
        for (at, rows) in state.rows.iter().enumerate() {
            let model = at.checked_sub(SEEDS).map(|at| &self.models[at]);
            let mut rows: Vec<Texts> = match model.map(|model| (model.kind, model.query)) {
                Some((Kind::Ephemeral, _)) => continue,
                Some((_, Query::Summary(from))) => vec![summary(&state.rows[from])],
                _ => rows.iter().map(Row::texts).collect(),
            };
            rows.sort();
            wanted.insert(Self::name(at), rows);
        }
        wanted
    }

    /// Returns what tests say.
    fn outcomes(&self, state: &State) -> BTreeMap<String, (String, u64)> {
        let mut outcomes = BTreeMap::new();
        let mut says = |test: String, failures: usize| {
            let status = if failures == 0 { "pass" } else { "warn" };
            outcomes.insert(test, (status.to_owned(), failures as u64));
        };
        for (at, model) in (SEEDS..).zip(&self.models) {
            if matches!(model.query, Query::Summary(_)) {
                continue;
            }
            let nameless = state.rows[at].iter().filter(|row| row.name.is_none());
            says(
                format!("not_null_{}_name", Self::name(at)),
                nameless.count(),
            );
            says(format!("not_null_{}_id", Self::name(at)), 0);
            if model.unique {
                says(format!("unique_{}_id", Self::name(at)), 0);
            }
        }
        outcomes
    }
}

fn summary(rows: &[Row]) -> Texts {
    let names: BTreeSet<_> = rows.iter().filter_map(|row| row.name.as_ref()).collect();
    let flagged = rows.iter().filter(|row| row.flag == Some(true)).count();
    vec![
        Some(rows.len().to_string()),
        Some(names.len().to_string()),
        total(rows).map(money),
        rows.iter()
            .filter_map(|row| row.day)
            .min()
            .map(|day| day.to_string()),
        Some(flagged.to_string()),
    ]
}

/// Returns the sum of the amounts that are known, if any is.
fn total<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Option<i128> {
    rows.into_iter()
        .filter_map(|row| row.cents)
        .reduce(|a, b| a + b)
}

fn grouped<K: Ord>(rows: &[Row], key: impl Fn(&Row) -> K) -> BTreeMap<K, Vec<&Row>> {
    let mut groups: BTreeMap<K, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    groups
}

/// Computes a query over what is there so far.
fn selected(query: Query, rows: &[Vec<Row>]) -> Vec<Row> {
    match query {
        Query::Where(at, filter) => {
            let fits = |row: &&Row| match filter {
                Filter::Flagged => row.flag == Some(true),
                Filter::AmountAbove(cents) => row.cents.is_some_and(|amount| amount > cents),
                Filter::Before(day) => row.day.is_some_and(|at| at < day),
                Filter::Named => row.name.is_some(),
                Filter::NotThird(rest) => row.id % 3 != rest,
            };
            rows[at].iter().filter(fits).cloned().collect()
        }
        Query::Changed { from, times, days } => {
            let changed = |row: &Row| Row {
                id: row.id,
                cents: row.cents.map(|cents| cents * times),
                day: row.day.map(|day| day + Days::new(days)),
                name: row.name.as_ref().map(|name| name.to_uppercase()),
                flag: row.flag.map(|flag| !flag),
            };
            rows[from].iter().map(changed).collect()
        }
        Query::Both { one, other, apart } => {
            let moved = rows[other].iter().cloned().map(|row| Row {
                id: row.id + apart,
                ..row
            });
            rows[one].iter().cloned().chain(moved).collect()
        }
        Query::Joined { to, with } => {
            let others = grouped(&rows[with], |row| row.id);
            let joined = |row: &Row| {
                let others = others.get(&row.id);
                let more = others.and_then(|others| total(others.iter().copied()));
                let name = others
                    .and_then(|others| others.iter().filter_map(|row| row.name.clone()).max());
                Row {
                    cents: row.cents.map(|cents| cents + more.unwrap_or(0)),
                    name: name.or_else(|| row.name.clone()),
                    flag: Some(others.is_some()),
                    ..row.clone()
                }
            };
            rows[to].iter().map(joined).collect()
        }
        Query::PerName(at) => {
            let groups = grouped(&rows[at], |row| row.name.clone()).into_iter();
            let group = |(name, rows): (Option<String>, Vec<&Row>)| Row {
                id: rows.iter().map(|row| row.id).min().unwrap(),
                cents: total(rows.iter().copied()),
                day: rows.iter().filter_map(|row| row.day).max(),
                name,
                flag: rows.iter().filter_map(|row| row.flag).reduce(|a, b| a | b),
            };
            groups.map(group).collect()
        }
        Query::PerId(at) => {
            let groups = grouped(&rows[at], |row| row.id).into_iter();
            let group = |(id, rows): (i64, Vec<&Row>)| Row {
                id,
                cents: total(rows.iter().copied()),
                day: rows.iter().filter_map(|row| row.day).min(),
                name: rows.iter().filter_map(|row| row.name.clone()).max(),
                flag: rows.iter().filter_map(|row| row.flag).reduce(|a, b| a & b),
            };
            groups.map(group).collect()
        }
        Query::Newest(at) => {
            let groups = grouped(&rows[at], |row| row.id).into_values();
            groups
                .map(|rows| rows.into_iter().max().unwrap().clone())
                .collect()
        }
        // Nothing reads it.
        Query::Summary(_) => vec![],
    }
}
