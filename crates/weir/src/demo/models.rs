use std::path::{Path, PathBuf};

use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::model::build;
use crate::project::Project;
use crate::ui::Ui;

/// The shop's dbt project, as it lies in `examples/plant-shop`.
const FILES: [(&str, &str); 10] = [
    (
        "dbt_project.yml",
        include_str!("../../../../examples/plant-shop/dbt_project.yml"),
    ),
    (
        "macros/share.sql",
        include_str!("../../../../examples/plant-shop/macros/share.sql"),
    ),
    (
        "models/customers.sql",
        include_str!("../../../../examples/plant-shop/models/customers.sql"),
    ),
    (
        "models/daily_revenue.sql",
        include_str!("../../../../examples/plant-shop/models/daily_revenue.sql"),
    ),
    (
        "models/schema.yml",
        include_str!("../../../../examples/plant-shop/models/schema.yml"),
    ),
    (
        "models/sign_ups.sql",
        include_str!("../../../../examples/plant-shop/models/sign_ups.sql"),
    ),
    (
        "models/sources.yml",
        include_str!("../../../../examples/plant-shop/models/sources.yml"),
    ),
    (
        "models/stg_orders.sql",
        include_str!("../../../../examples/plant-shop/models/stg_orders.sql"),
    ),
    (
        "seeds/segments.csv",
        include_str!("../../../../examples/plant-shop/seeds/segments.csv"),
    ),
    (
        "tests/orders_have_a_known_customer.sql",
        include_str!("../../../../examples/plant-shop/tests/orders_have_a_known_customer.sql"),
    ),
];

/// Writes the shop's models into the project and builds them.
pub(super) async fn build_all(project: &Project, ui: &Ui) -> Result<PathBuf, Failure> {
    let folder = project.dir().join("plant-shop");
    for (name, text) in FILES {
        write(&folder.join(name), text)?;
    }
    ui.heading("Models over the events: a dbt project, built, tested, published together");
    Box::pin(build(&Global::of(project.dir()), &folder, ui)).await?;
    Ok(folder)
}

/// Writes a file unless there is one: the demo may run again over models that somebody changed.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let action = || format!("cannot write `{}`", path.display());
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).explain(action)?;
    }
    std::fs::write(path, text).explain(action)
}
