// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `system check` says of volumes.

use crate::engine::Engine;
use crate::engine::check::{Checked, Outcome, Repair, Severity, damage};
use crate::runtime::failure::chain;
use crate::state::volume_check::VolumeProblem;

impl Engine {
    /// Reads the record of every volume. Whatever is wrong, its files stay.
    pub(in crate::engine) fn check_volumes(&self, repair: Repair) -> Vec<Checked> {
        let problems = match self.volumes().check() {
            Ok(problems) => problems,
            Err(error) => return vec![damage(chain(&error))],
        };
        let told = problems.into_iter().map(|problem| Checked {
            text: problem.to_string(),
            severity: match problem {
                VolumeProblem::HalfWritten { .. } => Severity::Leftover,
                VolumeProblem::RecordLost { .. }
                | VolumeProblem::RecordNotUnderstood { .. }
                | VolumeProblem::RecordOfAnother { .. }
                | VolumeProblem::FilesMissing { .. }
                | VolumeProblem::Stranger { .. } => Severity::Damage,
            },
            outcome: self.repair_volume(&problem, repair),
        });
        told.collect()
    }

    fn repair_volume(&self, problem: &VolumeProblem, repair: Repair) -> Outcome {
        let (Some(name), Repair::Lossless | Repair::Lossy) = (problem.repairable(), repair) else {
            return Outcome::Found;
        };
        let volumes = self.volumes();
        let repaired = volumes
            .lock(name)
            .and_then(|lock| volumes.repair(&lock, problem));
        match repaired {
            Ok(()) => Outcome::Repaired,
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }
}
