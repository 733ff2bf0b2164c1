// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the monitor does at the turns of its container's life: it records each end, decides by the
//! restart policy whether another run follows, and starts that from what the first start has
//! prepared. The monitor stays who it is meanwhile, and with it the addresses, the ports and the
//! sockets.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::prepared::{Earlier, Prepared, Waiter};
use super::run::{self, Started};
use crate::engine::events::as_it_is_called_now;
use crate::engine::restart_policy::{BackOff, RestartPolicy};
use crate::engine::survivors;
use crate::monitor::{Conduct, ExitReport, Next, Pause, Run};
use crate::network::helper::client::Listener;
use crate::runtime::failure::StageFailure;
use crate::runtime::launch::Join;
use crate::state::connection::ConnectionPlan;
use crate::state::events::{Action, Event};
use crate::state::record::{ContainerState, ProcessIdentity, Status};
use crate::state::store::{ContainerLock, Store};
use crate::sys::Called;
use crate::sys::channel::Channel;

/// See the module.
#[derive(Debug)]
pub(super) struct Life<'p> {
    prepared: &'p mut Prepared,
    /// The line to the command that has started the container, which may be gone.
    line: &'p Channel,
    store: Store,
    running: ContainerState,
    waiter: Waiter,
    policy: RestartPolicy,
    back_off: BackOff,
    began: Instant,
    /// How it is connected now.
    plan: Option<Rc<RefCell<ConnectionPlan>>>,
    /// Its ports, for the runs to come.
    listeners: Vec<Listener>,
    /// The process whose namespaces it joins.
    joined: Option<ProcessIdentity>,
    /// Whether its user asked for its end.
    asked_to_end: bool,
    /// From an exit record to the end of the clean-up: a new start in between would lose its
    /// sockets to the clean-up of the old run, and a `stop` that has just looked would write its
    /// mark over the exit.
    lock: Option<ContainerLock>,
}

/// The exit code where none is on record.
const KILLED: i32 = 137;

impl<'p> Life<'p> {
    pub(super) fn new(
        prepared: &'p mut Prepared,
        line: &'p Channel,
        store: Store,
        listeners: Vec<Listener>,
        waiter: Waiter,
    ) -> Self {
        let joined = match prepared.launch.join {
            Some(Join::Process(pid)) => ProcessIdentity::of(pid).ok(),
            Some(Join::Paths) | None => None,
        };
        let policy = RestartPolicy::of(prepared.record.request.restart.as_deref());
        Self {
            prepared,
            line,
            store,
            running: ContainerState::default(),
            waiter,
            policy,
            back_off: BackOff::default(),
            began: Instant::now(),
            plan: None,
            listeners,
            joined,
            asked_to_end: false,
            lock: None,
        }
    }

    /// Takes over a run that has been started.
    pub(super) fn take_up(&mut self, started: Started) -> Run {
        self.running = started.state;
        self.plan = started.plan;
        self.began = Instant::now();
        started.run
    }

    pub(super) fn prepared(&self) -> &Prepared {
        self.prepared
    }

    /// The monitor's own exit code, where its container ended with `code`: a service manager takes
    /// that for the service's, and one that was stopped has not failed.
    pub(super) fn monitor_code(&self, code: i32) -> i32 {
        if self.asked_to_end { 0 } else { code }
    }

    fn lock(&mut self) {
        // A lock that cannot be had is that of a container that is gone.
        self.lock = self.store.lock(&self.prepared.record.id).ok();
    }

    fn read(&self) -> ContainerState {
        let read = self.store.read_state(&self.prepared.record.id);
        read.unwrap_or_else(|_| self.running.clone())
    }

    fn write(&self, state: &ContainerState) {
        // Nobody can be told here: a state that cannot be written reads as lost, which it is.
        drop(self.store.write_state(&self.prepared.record.id, state));
    }

    /// With `--rm` a last end is not recorded: the container goes under the lock that is held now.
    /// What cuts that short leaves a container that was lost, as it is; clients are told the exit
    /// code by the monitor.
    fn write_last(&self, state: &ContainerState) {
        if self.lock.is_some() && (!self.prepared.record.request.auto_remove || state.restarting) {
            self.write(state);
        }
    }

    fn comes_again(&self, report: &ExitReport, now: &ContainerState) -> bool {
        let ended_by_others = now.stopped_by_user
            || now.restarting
            || report.stopped_by_user
            || report.monitor_asked
            || self.lock.is_none();
        let brought_back = || {
            self.policy_now()
                .brings_back(report.code, now.restart_count)
        };
        !ended_by_others && (now.revived || brought_back())
    }

    /// `update` may have changed it; one that goes with its end keeps what it was started with.
    fn policy_now(&self) -> RestartPolicy {
        let record = &self.prepared.record;
        if record.request.auto_remove {
            return self.policy;
        }
        let now = self.store.load(&record.id);
        now.map_or(self.policy, |record| {
            RestartPolicy::of(record.request.restart.as_deref())
        })
    }

    fn emit_exit(&self, report: &ExitReport) {
        let record = &as_it_is_called_now(&self.store, &self.prepared.record);
        let died = Event::of_container(record, Action::Died).with_exit_code(report.recorded_code());
        let oom = report.oom_killed.then_some(Action::Oom);
        let oom = oom.map(|action| Event::of_container(record, action));
        let events: Vec<Event> = oom.into_iter().chain([died]).collect();
        self.store.dirs().events.write(&events);
    }

    fn run_again(&mut self, earlier: Earlier) -> Result<Run, StageFailure> {
        if self.joined.is_some_and(|joined| !joined.is_alive()) {
            let words = "the container whose namespaces it shares has ended";
            return Err(StageFailure::setup(words));
        }
        let bridges = self.prepared.connection.bridges.is_some();
        if let Some(plan) = self.plan.take().filter(|_| bridges) {
            self.prepared.connection.bridges = Some(plan.borrow().clone());
        }
        self.prepared.forget_first_uses();
        self.prepared.listeners.replace(copies(&self.listeners)?);
        let streams = run::streams(self.prepared)?;
        let again = [Action::Restart, Action::Init, Action::Start].into_iter();
        let started = run::start_run(self.prepared, self.line, &self.store, streams, earlier)?;
        run::emit(self.prepared, &self.store, again);
        Ok(self.take_up(started))
    }
}

impl Conduct for Life<'_> {
    fn record_exit(&mut self, report: &ExitReport) -> Next {
        self.prepared.run_poststop_hooks();
        self.lock();
        self.emit_exit(report);
        let now = self.read();
        let comes_again = self.comes_again(report, &now);
        let state = ended(now, report);
        self.asked_to_end = state.stopped_by_user;
        if !comes_again {
            self.write_last(&state);
            return Next::End;
        }
        self.write(&ContainerState {
            status: Status::Restarting,
            monitor: self.running.monitor,
            ..state
        });
        self.end_survivors();
        self.lock = None;
        let pause = self.back_off.after(self.began.elapsed());
        Next::Again { pause }
    }

    fn run_ended(&mut self, code: i32) {
        // It is gone when it has heard of it.
        drop(self.line.send(format!("e{code}").as_bytes(), None));
        self.waiter = Waiter::Nobody;
    }

    fn start_again(&mut self, pause: Pause) -> Result<Run, i32> {
        self.lock();
        let now = self.read();
        self.asked_to_end = now.stopped_by_user;
        let wanted = now.status == Status::Restarting && !now.stopped_by_user && !now.restarting;
        let over = ContainerState {
            status: Status::Exited,
            monitor: None,
            stopping: None,
            ..now.clone()
        };
        let code = now.exit_code.unwrap_or(KILLED);
        if self.lock.is_none() || !wanted || pause == Pause::Broken {
            self.write_last(&over);
            return Err(code);
        }
        let earlier = Earlier {
            restart_count: now.restart_count + 1,
            finished_at: now.finished_at,
        };
        match self.run_again(earlier) {
            Ok(run) => {
                self.lock = None;
                Ok(run)
            }
            Err(failure) => {
                let code = i32::from(failure.code);
                self.write_last(&ContainerState {
                    error: failure.message,
                    exit_code: Some(code),
                    ..over
                });
                Err(code)
            }
        }
    }

    fn clean_up(&mut self) {
        self.end_survivors();
        let cleaning = self.prepared.cleaning(self.store.clone(), self.waiter);
        let after = cleaning.run();
        self.lock = None;
        after();
    }
}

impl Life<'_> {
    fn end_survivors(&mut self) {
        if let Some(mounts) = self.running.mounts.take() {
            survivors::end(&mounts, &self.prepared.record.id);
        }
    }
}

/// The state after an end. The user may have asked for it meanwhile: what others wrote into the
/// state is kept.
fn ended(now: ContainerState, report: &ExitReport) -> ContainerState {
    ContainerState {
        status: Status::Exited,
        exit_code: Some(report.recorded_code()),
        oom_killed: report.oom_killed,
        finished_at: Some(report.finished_at),
        stopped_by_user: now.stopped_by_user || report.stopped_by_user,
        monitor: None,
        container: None,
        helpers: Vec::new(),
        revived: false,
        ..now
    }
}

/// The same sockets once more.
pub(super) fn copies(listeners: &[Listener]) -> Result<Vec<Listener>, StageFailure> {
    let copy = |listener: &Listener| {
        let socket = listener.socket.try_clone().called(|| "dup(listener)");
        let socket = socket.map_err(|error| StageFailure::setup(error.to_string()))?;
        let port = listener.port;
        Ok(Listener { port, socket })
    };
    listeners.iter().map(copy).collect()
}
