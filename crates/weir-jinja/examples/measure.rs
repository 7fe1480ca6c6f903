//! Parses every template below the directories given, tells which ones fail, and how long it took;
//! then renders model files made up for it.
//!
//! `cargo run -p weir-jinja --example measure -- DIRECTORY...`
#![expect(clippy::print_stdout, reason = "it is a program for people")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use weir_jinja::{Environment, Function, Interpreter, Names, Result, Template, Value};

fn main() -> std::io::Result<()> {
    for directory in std::env::args().skip(1) {
        let mut files = Vec::new();
        collect(Path::new(&directory), &mut files)?;
        let texts: Vec<(String, String)> = files
            .iter()
            .filter_map(|path| {
                Some((
                    path.display().to_string(),
                    std::fs::read_to_string(path).ok()?,
                ))
            })
            .collect();
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        let start = Instant::now();
        let parsed: Vec<_> = texts
            .iter()
            .map(|(name, text)| Template::parse(name.as_str(), text))
            .collect();
        let took = start.elapsed();
        let blocks: usize = parsed
            .iter()
            .flatten()
            .map(|template| template.blocks().len())
            .sum();
        let failed: Vec<_> = parsed
            .iter()
            .filter_map(|result| result.as_ref().err())
            .collect();
        println!(
            "{directory}: {} files, {bytes} bytes, {blocks} blocks, {} failed, {took:?}",
            texts.len(),
            failed.len()
        );
        for error in failed {
            println!("  {error:?}");
        }
    }
    render_models();
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}

struct Model {
    config: Value,
    reference: Value,
    source: Value,
}

impl Names for Model {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        Ok(match name {
            "config" => Some(self.config.clone()),
            "ref" => Some(self.reference.clone()),
            "source" => Some(self.source.clone()),
            _ => None,
        })
    }
}

fn render_models() {
    let mut model = String::from(
        "{{ config(materialized='table', tags=['a', 'b'], unique_key='id') }}\n\nwith orders as (\n    select * from {{ ref('stg_orders') }}\n),\npayments as (\n    select * from {{ source('stripe', 'payments') }}\n)\nselect\n",
    );
    model.push_str("{% for method in ['card', 'cash', 'gift'] %}\n    sum(case when payment_method = '{{ method }}' then amount end) as {{ method }}_amount,\n{% endfor %}\n");
    while model.len() < 950 {
        model.push_str("    orders.some_column_of_it as another_name_for_it,\n");
    }
    model.push_str("    orders.id\nfrom orders join payments using (id)\n{% if is_incremental() %} where 1 = 1 {% endif %}\n");
    let names = Model {
        config: Function::value("config", |call| {
            call.take_all();
            Ok("".into())
        }),
        reference: Function::value("ref", |call| {
            Ok(format!("\"db\".\"main\".\"{}\"", call.required("name")?).into())
        }),
        source: Function::value("source", |call| {
            Ok(format!(
                "\"{}\".\"{}\"",
                call.required("source")?,
                call.required("table")?
            )
            .into())
        }),
    };
    let mut environment = Environment::new();
    environment.add_function("is_incremental", |_| Ok(false.into()));
    let environment = Arc::new(environment);
    let start = Instant::now();
    let templates: Vec<Template> = (0..3000)
        .filter_map(|number| Template::parse(format!("model_{number}.sql"), &model).ok())
        .collect();
    let parsed = start.elapsed();
    let start = Instant::now();
    let mut bytes = 0;
    for template in &templates {
        match Interpreter::new(Arc::clone(&environment)).render(template, &names) {
            Ok(text) => bytes += text.len(),
            Err(error) => println!("{error:?}"),
        }
    }
    let rendered = start.elapsed();
    println!(
        "{} models of {} bytes: parsed in {parsed:?}, rendered in {rendered:?} to {bytes} bytes",
        templates.len(),
        model.len()
    );
}
