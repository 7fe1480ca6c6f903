//! The shop's questions and its dashboard, as files under git would have them.

use super::models::write;
use crate::failure::Failure;
use crate::project::Project;
use crate::ui::Ui;

/// Questions first: the dashboard names them.
const FILES: [(&str, &str); 7] = [
    (
        "questions/revenue.yml",
        include_str!("../../../../examples/plant-shop-board/questions/revenue.yml"),
    ),
    (
        "questions/visitors.yml",
        include_str!("../../../../examples/plant-shop-board/questions/visitors.yml"),
    ),
    (
        "questions/sign-ups.yml",
        include_str!("../../../../examples/plant-shop-board/questions/sign-ups.yml"),
    ),
    (
        "questions/best-sellers.yml",
        include_str!("../../../../examples/plant-shop-board/questions/best-sellers.yml"),
    ),
    (
        "questions/segments.yml",
        include_str!("../../../../examples/plant-shop-board/questions/segments.yml"),
    ),
    (
        "questions/arrivals.yml",
        include_str!("../../../../examples/plant-shop-board/questions/arrivals.yml"),
    ),
    (
        "dashboards/shop.yml",
        include_str!("../../../../examples/plant-shop-board/dashboards/shop.yml"),
    ),
];

/// Writes the files; the server takes them over by itself.
pub(super) fn put(project: &Project) -> Result<(), Failure> {
    for (name, text) in FILES {
        write(&project.dir().join(name), text)?;
    }
    Ok(())
}

/// Says where to look, for whoever has signed in.
pub(super) fn show(url: &str, project: &Project, ui: &Ui) {
    ui.heading("A dashboard over all of it");
    ui.command(&format!("{url}/d/shop"));
    ui.status(format!(
        "  (its questions are files: {0}/questions, {0}/dashboards)",
        project.dir().display()
    ));
}
