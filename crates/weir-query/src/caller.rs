use std::sync::Arc;

/// Who asks.
///
/// Today there is one person, the owner of the project. Users, their roles and their shares of
/// memory and time hang off this value later, which is why every query carries it.
#[derive(Clone, Debug)]
pub struct Caller {
    name: Arc<str>,
    door: &'static str,
}

impl Caller {
    /// Returns the owner of the project, coming in through `door` (`"http"`, `"cli"`, ...).
    pub fn owner(door: &'static str) -> Self {
        Self {
            name: "owner".into(),
            door,
        }
    }

    /// Returns the name the caller is known by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the door the caller came through.
    pub fn door(&self) -> &'static str {
        self.door
    }
}
