// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The layers of one image, several at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Threads at once, on a machine with many cores.
const WORKERS_MAX: usize = 6;

/// As many as there are cores, but no more than help.
fn workers(jobs: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.clamp(2, WORKERS_MAX).min(jobs)
}

/// Does `work` for each of `jobs` on several threads, and returns the first failure. After one no
/// job begins, and those that run are told by the flag.
pub(in crate::engine) fn for_each<J: Sync, E: Send>(
    jobs: &[J],
    work: impl Fn(&J, &AtomicBool) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let take_jobs = || {
        while !is_over.load(Ordering::Relaxed) {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            if let Err(error) = work(job, &is_over) {
                let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(error);
                is_over.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers(jobs.len()) {
            scope.spawn(take_jobs);
        }
    });
    let failure = failure.into_inner();
    failure
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_until_one_fails() {
        let done = AtomicUsize::new(0);
        let count = |_: &usize, _: &AtomicBool| -> Result<(), String> {
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let jobs: Vec<usize> = (0..100).collect();
        assert_eq!(for_each(&jobs, count), Ok(()));
        assert_eq!(done.load(Ordering::Relaxed), 100);
        let fail = |job: &usize, is_over: &AtomicBool| {
            if *job == 3 {
                return Err("three");
            }
            while *job > 3 && !is_over.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Ok(())
        };
        assert_eq!(for_each(&jobs, fail), Err("three"));
    }
}
