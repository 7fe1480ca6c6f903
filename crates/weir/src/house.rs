//! The rooms, opened and joined: what `weir up` and `weir demo` serve.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use weir_catalog::{Actor, Catalog, SourceSettings, Upserted};
use weir_collect::{ApplyCounts, Collector, Limits, LiveEvents, Rate, event_apply};
use weir_core::SourceName;
use weir_core::config::Config;
use weir_lake::Lake;
use weir_query::{Engine, EngineOptions};
use weir_serve::{Certificate, Routes, ServeOptions, Server, Services};

use crate::client::{Client, Running, local_url};
use crate::extract::ExtractRoom;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::flow::{Around, FlowRoom, Working};
use crate::machine;
use crate::postgres::Door;
use crate::project::{Project, write_private};
use crate::ui::Ui;
use crate::webhook;

/// How often the server looks for keys and sources that a command changed.
const CATALOG_REFRESH: Duration = Duration::from_millis(500);
/// Connections that may wait in the kernel while all places are taken.
const BACKLOG: u32 = 4096;

/// A project with all its rooms open.
pub(crate) struct House {
    project: Project,
    config: Config,
    services: Services,
    flow: FlowRoom,
    extract: ExtractRoom,
}

/// A server that accepts connections.
pub(crate) struct Serving {
    house: House,
    url: String,
    /// Its routes, for callers within this process.
    routes: Routes,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    postgres: Option<(SocketAddr, tokio::task::JoinHandle<()>)>,
    /// Events have a runtime of their own, so that nothing else delays their answers.
    intake: Runtime,
    /// What runs by schedules, where anything does.
    working: Option<Working>,
}

impl House {
    /// Opens catalog, lake and engine.
    pub(crate) async fn open(project: Project, config: Config, ui: &Ui) -> Result<House, Failure> {
        let options = engine_options(&project, &config);
        Self::open_with(project, config, options, ui).await
    }

    /// Opens a project for one command: nobody sends events, so that queries need not wait for them.
    pub(crate) async fn open_for_command(
        project: Project,
        config: Config,
        ui: &Ui,
    ) -> Result<House, Failure> {
        let options = EngineOptions {
            yield_to_intake: false,
            ..engine_options(&project, &config)
        };
        Self::open_with(project, config, options, ui).await
    }

    async fn open_with(
        project: Project,
        config: Config,
        options: EngineOptions,
        ui: &Ui,
    ) -> Result<House, Failure> {
        let catalog = project.open_catalog().await?;
        ensure_owner(&project, &catalog, ui).await?;
        apply_sources(&project, &catalog).await?;
        apply_access(&project, &catalog, ui).await?;
        let flow = FlowRoom::open(&project, &catalog).await?;
        let options = EngineOptions {
            runs: Some(flow.records()),
            ..options
        };
        let verifiers = match webhook::verifiers(&project) {
            // A command needs no secrets of senders: nobody can send it anything.
            Err(_) if !options.yield_to_intake => webhook::closed(&project)?,
            verifiers => verifiers?,
        };
        let applied = ApplyCounts::default();
        let mut lake_options = project.lake_options(&config);
        // A server is worth having without its store: what comes meanwhile waits in the log.
        lake_options.start_without_store = true;
        let lake = Lake::open(lake_options, event_apply(&applied))
            .await
            .explain_hinted(|| "cannot open the lake".into())?;
        let engine = Engine::new(lake.clone(), catalog.clone(), options)
            .explain(|| "cannot start the query engine".into())?;
        if let Err(error) = engine.recover().await {
            tracing::error!(%error, "a publication that was cut off is not taken back; the next start tries again");
        }
        let extract = ExtractRoom::open(&project, &lake, &catalog, &engine)?;
        let live = LiveEvents::new();
        let collector =
            Collector::new(lake.clone(), catalog.clone(), limits(&config), live.clone())
                .with_verifiers(verifiers);
        let runs = flow.runs();
        let services = Services {
            lake,
            catalog,
            collector,
            applied,
            live,
            engine,
            runs,
            extracts: extract.extracts(),
            logins: Default::default(),
            setup: Default::default(),
        };
        Ok(House {
            project,
            config,
            services,
            flow,
            extract,
        })
    }

    /// Waits until everything that was acknowledged can be read.
    pub(crate) async fn wait_visible(&self) {
        // Rows become visible in the order of the log: seconds at most, even after an import.
        while self.services.lake.status().queued_bytes > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts to serve on `listener`, encrypted where there is a certificate, and says where in
    /// `.weir/server.json`.
    pub(crate) fn serve(
        self,
        listener: TcpListener,
        certificate: Option<Certificate>,
        postgres: Option<Door>,
    ) -> Result<Serving, Failure> {
        let address = listener
            .local_addr()
            .explain(|| "cannot tell the server's address".into())?;
        let url = local_url(address, certificate.is_some());
        let postgres_address = match &postgres {
            None => None,
            Some(door) => Some(
                door.listener
                    .local_addr()
                    .explain(|| "cannot tell the Postgres door's address".into())?,
            ),
        };
        let running = Running {
            pid: std::process::id(),
            url: url.clone(),
            certificate_sha256: certificate.as_ref().map(|own| own.fingerprint().to_owned()),
            postgres: postgres_address,
        };
        let path = self.project.server_path();
        write_private(&path, &serde_json::to_string(&running).unwrap_or_default())
            .explain(|| format!("cannot write `{}`", path.display()))?;
        raise_open_file_limit();

        let intake = tokio::runtime::Builder::new_multi_thread()
            .thread_name("weir-intake")
            .enable_all()
            .build()
            .explain(|| "cannot start threads".into())?;
        let shutdown = CancellationToken::new();
        tokio::spawn(follow_catalog(
            self.services.catalog.clone(),
            shutdown.clone(),
        ));
        let postgres = postgres.zip(postgres_address).map(|(door, address)| {
            let serving = weir_serve::serve_postgres(
                door.listener,
                self.services.engine.clone(),
                self.services.catalog.clone(),
                self.services.logins.clone(),
                door.options,
                shutdown.clone(),
            );
            (address, tokio::spawn(serving))
        });
        let listener = listener
            .into_std()
            .explain(|| "cannot hand over the listener".into())?;
        let options = serve_options(&self.project, &self.config, certificate);
        let server = Server::new(self.services.clone(), options, shutdown.clone());
        let routes = server.routes();
        let serving = intake.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => server.serve(listener).await,
                Err(error) => tracing::error!(%error, "cannot serve"),
            }
        });
        Ok(Serving {
            house: self,
            url,
            routes,
            shutdown,
            serving,
            postgres,
            intake,
            working: None,
        })
    }
}

impl Serving {
    /// Returns the address by which this machine reaches the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns where clients of PostgreSQL connect, if they can.
    pub(crate) fn postgres(&self) -> Option<SocketAddr> {
        self.postgres.as_ref().map(|(address, _)| *address)
    }

    /// Returns the link by which the first owner sets a password; none when one can sign in.
    pub(crate) fn setup_link(&self) -> Option<String> {
        let services = &self.house.services;
        let secret = services.setup.offer(&services.catalog)?;
        let public = self.house.config.server.public_url.as_deref();
        let url = public.unwrap_or(&self.url).trim_end_matches('/');
        // After `#`: browsers keep that to themselves, so that no log has it.
        Some(format!("{url}/setup#{secret}"))
    }

    pub(crate) fn house(&self) -> &House {
        &self.house
    }

    /// Returns a client of this very server, whatever the environment names for commands.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let path = self.house.project.token_path();
        let token = std::fs::read_to_string(&path)
            .explain(|| format!("cannot read `{}`", path.display()))?;
        let token = token.trim().to_owned();
        Ok(Client::to(self.url.clone(), token)?.within(self.routes.clone()))
    }

    /// Starts to run what the project has scheduled. A server is worth having without.
    pub(crate) async fn run_schedules(&mut self, ui: &Ui) {
        self.house.extract.follow(self.shutdown.clone());
        if let Err(failure) = self.try_run_schedules().await {
            tracing::error!(error = failure.text(), "nothing runs by schedules");
            ui.warn(format!("nothing runs by schedules: {}", failure.text()));
        }
    }

    async fn try_run_schedules(&mut self) -> Result<(), Failure> {
        let House {
            project,
            config,
            services,
            flow,
            ..
        } = &self.house;
        flow.look().await;
        let client = self.client()?;
        let public_url = config.server.public_url.as_deref();
        let public_url = public_url.unwrap_or(&self.url).to_owned();
        let around = Around {
            lake: services.lake.clone(),
            catalog: services.catalog.clone(),
            engine: services.engine.clone(),
            extracts: services.extracts.clone(),
            client,
            postgres: self.postgres(),
            public_url,
        };
        self.working = Some(flow.work(project, around).await?);
        Ok(())
    }

    /// Stops accepting, lets requests end, commits what is in memory.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        // What runs asks this server, so it stops first.
        if let Some(working) = self.working {
            working.stop().await;
        }
        self.shutdown.cancel();
        let _ = self.serving.await;
        if let Some((_, serving)) = self.postgres {
            let _ = serving.await;
        }
        self.intake.shutdown_background();
        let closed = self.house.services.lake.close().await;
        self.house.services.catalog.close().await;
        self.house.flow.close().await;
        let _ = std::fs::remove_file(self.house.project.server_path());
        closed.explain_hinted(|| {
            "the lake did not commit everything; it is in the log and will be at the next start"
                .into()
        })
    }
}

/// Binds the HTTP listener, before anything slow is opened.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind_as(address, "server.listen")
}

/// Binds a listener that the configuration calls `key`.
pub(crate) fn bind_as(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    let bind = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error: std::io::Error| {
        let failure = Failure::new(format!("cannot listen on {address}")).because(&error);
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure.with_hint(format!(
                "another process listens there; stop it, or set `{key}` or WEIR_{} to another port",
                key.to_uppercase().replace('.', "_")
            )),
            _ => failure.with_hint(format!("check `{key}` in weir.toml")),
        }
    })
}

/// SIGTERM and SIGINT, from the moment on at which they no longer just end the process.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).explain(|| "cannot listen for signals".into());
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for one of them; a second one ends the process at once.
    pub(crate) async fn wait(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            // What was acknowledged is in the log; the next start takes it from there.
            std::process::exit(1);
        });
    }
}

/// Makes the owner's token if there is none that anybody knows.
pub(crate) async fn ensure_owner(
    project: &Project,
    catalog: &Catalog,
    ui: &Ui,
) -> Result<(), Failure> {
    let path = project.token_path();
    let known = std::fs::read_to_string(&path)
        .ok()
        .filter(|token| catalog.is_owner(token.trim()));
    if let Some(token) = known {
        return catalog
            .adopt_owner_token(token.trim())
            .await
            .explain_hinted(|| "cannot keep the owner's token".into());
    }
    if catalog.has_owner() && path.exists() {
        ui.warn(format!(
            "the token in `{}` is not the owner's; delete the file to have a new one made",
            path.display()
        ));
        return Ok(());
    }
    let token = catalog
        .create_owner_token(&Actor::local())
        .await
        .explain_hinted(|| "cannot make the owner's token".into())?;
    write_private(&path, &format!("{}\n", token.reveal()))
        .explain(|| format!("cannot write `{}`", path.display()))
}

/// Brings the catalog to what `sources/*.yml` say.
pub(crate) async fn apply_sources(project: &Project, catalog: &Catalog) -> Result<(), Failure> {
    for file in project.sources()? {
        let said = Some(file.said());
        let known = catalog.source(&file.name);
        if known.is_some_and(|source| source.settings.from_file == said) {
            // What was changed since, over HTTP or in the application, stays until the file changes.
            continue;
        }
        let settings = SourceSettings {
            from_file: said,
            ..file.settings
        };
        let (_, done) = catalog
            .upsert_source(&Actor::local(), &file.name, file.enabled, &settings)
            .await
            .explain_hinted(|| format!("cannot store source `{}`", file.name))?;
        if done != Upserted::Unchanged {
            tracing::info!(source = %file.name, ?done, "took over the source's description");
        }
    }
    for file in project.fetched_files()? {
        // Its schemas are a source's; events it takes none. What is wrong with the file is told to whoever
        // syncs.
        let Ok(name) = SourceName::new(&file.stem) else {
            continue;
        };
        catalog
            .upsert_source(&Actor::local(), &name, false, &SourceSettings::default())
            .await
            .explain_hinted(|| format!("cannot store source `{name}`"))?;
    }
    Ok(())
}

/// Makes users, roles and grants be as `access.yml` says, and tells what that changed.
pub(crate) async fn apply_access(
    project: &Project,
    catalog: &Catalog,
    ui: &Ui,
) -> Result<(), Failure> {
    let Some(file) = project.access(catalog)? else {
        return Ok(());
    };
    let done = catalog
        .apply_access(&Actor::local(), &file)
        .await
        .explain_hinted(|| "cannot make the rights as `access.yml` says".into())?;
    for change in done {
        tracing::info!(change, "access.yml");
        ui.status(format!("access.yml: {change}."));
    }
    Ok(())
}

async fn follow_catalog(catalog: Catalog, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(CATALOG_REFRESH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let refreshed = catalog.refresh().await;
        match &refreshed {
            Err(error) if !failing => tracing::warn!(%error, "cannot follow the catalog"),
            Ok(true) => tracing::info!("took over changes of the catalog"),
            _ => {}
        }
        failing = refreshed.is_err();
    }
}

fn serve_options(
    project: &Project,
    config: &Config,
    certificate: Option<Certificate>,
) -> ServeOptions {
    ServeOptions {
        project: project.dir().to_owned(),
        certificate,
        public_url: config.server.public_url.clone(),
        max_connections: config.server.max_connections,
        header_timeout: config.server.header_timeout,
        body_timeout: config.server.body_timeout,
        max_body: config.collect.max_batch_size.bytes(),
        shutdown_grace: config.server.shutdown_grace,
        trusted_proxies: config.server.trusted_proxies.clone(),
    }
}

fn limits(config: &Config) -> Limits {
    // Bursts of a few seconds are how batching clients behave.
    let rate = |per_second: u64| match per_second {
        0 => Rate {
            per_second: 1e12,
            burst: 1e12,
        },
        rate => Rate {
            per_second: rate as f64,
            burst: rate as f64 * 4.0,
        },
    };
    let body = config.collect.max_batch_size.as_usize();
    Limits {
        body_bytes: body,
        decompressed_bytes: body,
        event_bytes: config.collect.max_event_size.as_usize(),
        batch_events: usize::try_from(config.collect.max_batch_events).unwrap_or(usize::MAX),
        key_rate: rate(config.collect.key_rate),
        ip_rate: rate(config.collect.ip_rate),
        path_prefix: config.collect.path_prefix.clone(),
        ..Limits::default()
    }
}

fn engine_options(project: &Project, config: &Config) -> EngineOptions {
    let query = &config.query;
    let memory = machine::memory_of_queries(config).as_usize();
    crate::memory::queries_may_take(memory as u64);
    let mut options = EngineOptions {
        memory_bytes: memory,
        // One query may take most of it, so that two of them do not both fail.
        query_memory_bytes: memory / 4 * 3,
        temp_dir: project.state_dir().join("tmp"),
        temp_bytes: query.temp_size.bytes(),
        history_dir: Some(project.state_dir().join("queries")),
        value_bytes: query.value_size.bytes(),
        timeout: query.timeout,
        transaction_timeout: query.transaction_timeout,
        waiting: query.queue,
        running: query.concurrency,
        busy: Some(crate::memory::queries_run),
        ..EngineOptions::default()
    };
    if query.threads > 0 {
        options.threads = query.threads;
    }
    options
}

/// Raises the soft limit of open files to the hard one: connections and files need it.
fn raise_open_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the open-file limit");
        }
    }
}
