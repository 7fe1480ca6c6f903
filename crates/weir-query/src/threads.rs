//! The threads queries run on: their own runtime, large stacks, lower priority.

use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::options::EngineOptions;

/// Planning recurses over the statement; with the limits of [`EngineOptions`] this is an order of
/// magnitude more than it needs. Only touched pages cost memory.
const STACK_BYTES: usize = 64 << 20;

/// Where queries are planned and executed. Dropping it does not wait for them.
#[derive(Debug)]
pub(crate) struct QueryThreads {
    runtime: Option<Runtime>,
}

impl QueryThreads {
    pub(crate) fn start(options: &EngineOptions) -> std::io::Result<Self> {
        let nice = options.yield_to_intake;
        let runtime = Builder::new_multi_thread()
            // More than there are cores: some computations do not yield for seconds, and the system
            // shares the cores out between threads where the runtime cannot.
            .worker_threads(options.threads.max(1) + options.running)
            // Planning, and a statement that writes, hold a thread for as long as they take, so they get
            // threads of their own: one for each place in the queue. The rest is for file reads.
            .max_blocking_threads(options.running + 8 * options.threads.max(1))
            .thread_stack_size(STACK_BYTES)
            .thread_name("weir-query")
            .on_thread_start(move || {
                if nice {
                    weir_core::priority::yield_to_others();
                }
            })
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    fn handle(&self) -> &Handle {
        self.runtime
            .as_ref()
            .expect("the runtime lives as long as we do")
            .handle()
    }

    /// Runs `future` on a thread that may be held for long, with a large stack.
    pub(crate) fn plan<F>(
        &self,
        future: impl FnOnce() -> F + Send + 'static,
    ) -> JoinHandle<F::Output>
    where
        F: Future,
        F::Output: Send + 'static,
    {
        let handle = self.handle().clone();
        self.handle()
            .spawn_blocking(move || handle.block_on(future()))
    }

    /// Returns where execution is spawned.
    pub(crate) fn executor(&self) -> Handle {
        self.handle().clone()
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May happen inside another runtime, where waiting would panic.
            runtime.shutdown_background();
        }
    }
}
